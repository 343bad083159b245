"""Serial numbers are compared with templates, character by character, and nothing else."""

from __future__ import annotations

import pytest

from serving.serials import fits, template_fault


@pytest.mark.parametrize(
    ("template", "serial"),
    [
        ("AA-9999", "AB-1234"),
        ("AA-9999", " ab-1234 "),
        ("AA-9999", "ＡＢ－１２３４"),
        ("XX", "4F"),
        (r"\A9", "A7"),
        (r"\9X", "9x"),
        ("nr.99", "NR.12"),
        (r"\\9", r"\5"),
    ],
)
def test_fits(template: str, serial: str) -> None:
    """Letters, digits and characters themselves, in whatever case and width."""
    assert fits(template, serial)
    assert template_fault(template) == ""


@pytest.mark.parametrize(
    ("template", "serial"),
    [
        ("AA-9999", "AB-123"),
        ("AA-9999", "AB-12345"),
        ("AA-9999", "A1-1234"),
        ("AA-9999", "AB_1234"),
        ("AA-9999", ""),
        ("A9", "Ä1"),
        ("A9", "A٣"),
        (r"\A9", "B7"),
        ("", ""),
    ],
)
def test_does_not_fit(template: str, serial: str) -> None:
    """One character more, fewer or of another kind; letters and digits of other alphabets are none."""
    assert fits(template, serial) == (template == serial == "")


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("9" * 65, "at most 64"),
        ("99\\", "backslash"),
        ("ABC", ""),
        ("bcd", "one number only"),
        (" 99", "blanks"),
        ("９９", "ASCII"),
        ("9\n9", "ASCII"),
    ],
)
def test_a_template_is_sound(template: str, fault: str) -> None:
    """What could not be meant is refused with the remedy."""
    assert (fault in template_fault(template)) if fault else template_fault(template) == ""


def test_no_template_takes_long() -> None:
    """What would explode as a pattern is a number of 64 places here."""
    assert not fits("X" * 64, "A" * 63 + "!")
