"""`touchstone policy` from a file to the version that decides, with backtests that a person can look at."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.integration.support import AURORA_SHOE, KNOWN_FAKE, Touchstone, draw

pytestmark = pytest.mark.usefixtures("acts_are_entered")

STRICT = """\
format_version: 2
name: strict
rules:
  - id: every-aurora
    when: brand.name == "Aurora"
    verdict: REVIEW
    code: EVERY_AURORA
    text: "{brand.name} is looked at"
"""


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    """Write a policy that lets known counterfeits through and looks at every Aurora."""
    path = tmp_path / "strict.yaml"
    path.write_text(STRICT, encoding="utf-8")
    return path


def said(touchstone: Touchstone, folder: Path, *arguments: str | Path) -> Any:
    """Run a command with `--json`; return the document."""
    outcome = touchstone("--data-dir", folder, "--json", *arguments)
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


def screened(touchstone: Touchstone, folder: Path, tmp_path: Path) -> None:
    """Screen a known counterfeit, two Auroras and something else."""
    offers = {"fake": (KNOWN_FAKE, "Aurora"), "shoe": (AURORA_SHOE, "Aurora"), "own": (77, "Aurora"), "else": (78, "")}
    for name, (seed, brand) in offers.items():
        photo = tmp_path / f"{name}.png"
        photo.write_bytes(draw(seed))
        said(touchstone, folder, "screen", photo, "--brand", brand, "--category", "handbag", "--market", "DE")


def test_policy_goes_from_file_to_decision_and_back(filled: Path, strict: Path, touchstone: Touchstone) -> None:
    """Submitted, in shadow, activated by another person, rolled back: the audit trail tells all of it."""
    version = said(touchstone, filled, "policy", "submit", strict, "--as", "ann", "--why", "autumn")["version"]
    again = said(touchstone, filled, "policy", "submit", strict, "--as", "ben")
    shadow = said(touchstone, filled, "policy", "shadow", version, "--as", "ann")
    active = said(touchstone, filled, "policy", "activate", version, "--as", "ben", "--why", "compared")
    listed = said(touchstone, filled, "policy", "list")
    back = said(touchstone, filled, "policy", "rollback", "--as", "ben", "--why", "too strict")
    shown = said(touchstone, filled, "policy", "show", version)

    assert version.startswith("strict@")
    assert (again["version"], again["author"]) == (version, "ann")
    assert (shadow["state"], active["state"]) == ("shadow", "active")
    assert [(one["version"], one["state"]) for one in listed] == [(version, "active")]
    assert back == {"version": None, "state": None}
    assert shown["content"] == STRICT
    assert [(event["action"], event["actor"], event["why"]) for event in shown["events"]] == [
        ("submit", "ann", "autumn"), ("shadow", "ann", ""), ("activate", "ben", "compared"),
        ("rollback", "ben", "too strict"),
    ]  # fmt: skip


def test_two_people_must_agree_where_the_setting_says_so(
    filled: Path, strict: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author's own activation fails with the way out; the other person's goes through."""
    monkeypatch.setenv("TOUCHSTONE_POLICY_TWO_PEOPLE", "true")

    alone = touchstone("--data-dir", filled, "policy", "activate", strict, "--as", "ann")
    version = said(touchstone, filled, "policy", "list")[0]["version"]
    together = touchstone("--data-dir", filled, "policy", "activate", version, "--as", "ben")

    assert (alone.code, together.code) == (1, 0)
    assert "somebody else" in alone.stderr


def test_faulty_policy_is_not_put_on_record(filled: Path, strict: Path, touchstone: Touchstone) -> None:
    """A file with a fault is refused with its line, and the store stays without it."""
    strict.write_text(STRICT.replace("brand.name ==", "brand.nam =="), encoding="utf-8")

    for command in ("submit", "activate", "backtest"):
        outcome = touchstone("--data-dir", filled, "policy", command, strict)
        assert (outcome.code, f"{strict}:5: " in outcome.stderr) == (2, True), outcome.stderr

    assert said(touchstone, filled, "policy", "list") == []


def test_backtest_says_what_would_have_changed(
    filled: Path, strict: Path, touchstone: Touchstone, tmp_path: Path
) -> None:
    """Counts by verdict, rule, brand, category and market, with examples, as JSON, text, page and picture."""
    screened(touchstone, filled, tmp_path)
    page, picture = tmp_path / "backtest.html", tmp_path / "backtest.png"

    figures = said(touchstone, filled, "policy", "backtest", strict, "--html", page, "--png", picture)
    spoken = touchstone("--data-dir", filled, "policy", "backtest", strict)
    newest = said(touchstone, filled, "policy", "backtest", strict, "--limit", "1")
    later = said(touchstone, filled, "policy", "backtest", strict, "--since", "2999-01-01")

    assert (figures["decisions"], figures["changed"]) == (4, 3)
    assert figures["matrix"]["TAKEDOWN"] == {"ALLOW": 0, "REVIEW": 1, "TAKEDOWN": 0}
    assert figures["matrix"]["ALLOW"] == {"ALLOW": 1, "REVIEW": 2, "TAKEDOWN": 0}
    assert figures["rules"] == {
        "every-aurora": {"decisions": 3, "changed": 3, "changes": {"ALLOW>REVIEW": 2, "TAKEDOWN>REVIEW": 1}}
    }
    assert figures["brands"]["Aurora"]["changed"] == 3
    assert figures["markets"] == {
        "DE": {"decisions": 4, "changed": 3, "changes": figures["rules"]["every-aurora"]["changes"]}
    }
    assert {one["listing_id"] for one in figures["examples"]} == {"fake", "shoe", "own"}
    assert "3 of 4 decisions would change" in spoken.stdout
    assert "3 of 4 decisions would change" in page.read_text(encoding="utf-8")
    assert "<svg" in page.read_text(encoding="utf-8")
    assert Image.open(io.BytesIO(picture.read_bytes())).size == (2000, 880)
    assert (newest["decisions"], later["decisions"]) == (1, 0)


def test_backtest_of_the_deciding_policy_changes_nothing(filled: Path, touchstone: Touchstone, tmp_path: Path) -> None:
    """Facts on record lead the policy that took the decisions to the very same verdicts."""
    screened(touchstone, filled, tmp_path)
    shipped = said(touchstone, filled, "policy", "check")["file"]

    figures = said(touchstone, filled, "policy", "backtest", shipped)

    assert (figures["decisions"], figures["changed"]) == (4, 0)


def test_shadow_is_compared_with_what_was_decided(
    filled: Path, strict: Path, touchstone: Touchstone, tmp_path: Path
) -> None:
    """What a shadow said while decisions were taken is what a backtest of it says afterwards."""
    version = said(touchstone, filled, "policy", "submit", strict)["version"]
    said(touchstone, filled, "policy", "shadow", version)
    screened(touchstone, filled, tmp_path)

    compared = said(touchstone, filled, "policy", "compare", version)
    backtested = said(touchstone, filled, "policy", "backtest", version)

    assert (compared["decisions"], compared["changed"]) == (4, 3)
    assert compared == backtested


def test_holds_are_put_listed_and_lifted(filled: Path, touchstone: Touchstone, tmp_path: Path) -> None:
    """An order is named by its id from then on; lifted, it is listed only among all."""
    order = said(
        touchstone, filled, "policy", "hold", "add", "listing", "own", "--why", "docket 7", "--until", "2999-12-31",
        "--verdict", "TAKEDOWN", "--as", "counsel",
    )  # fmt: skip
    photo = tmp_path / "own.png"
    photo.write_bytes(draw(77))
    decision = said(touchstone, filled, "screen", photo)
    standing = said(touchstone, filled, "policy", "hold", "list")
    lifted = said(touchstone, filled, "policy", "hold", "lift", order["hold_id"], "--why", "withdrawn", "--as", "ben")

    assert decision["verdict"] == "TAKEDOWN"
    assert order["hold_id"] in decision["reasons"][0]["text"]
    assert [one["hold_id"] for one in standing] == [order["hold_id"]]
    assert (lifted["lifted_by"], lifted["lift_why"]) == ("ben", "withdrawn")
    assert said(touchstone, filled, "policy", "hold", "list") == []
    assert len(said(touchstone, filled, "policy", "hold", "list", "--all")) == 1


def test_a_hold_on_a_brand_goes_by_the_registry_s_name(filled: Path, touchstone: Touchstone) -> None:
    """An alias stands for its brand, or the hold would cover nothing; a name that nobody knows is pointed out."""
    add = ("--data-dir", filled, "policy", "hold", "add", "brand")

    by_alias = touchstone(*add, "aurora sports", "--why", "docket 8")
    unknown = touchstone(*add, "Aurorra", "--why", "docket 9")

    assert "on the brand 'Aurora'" in by_alias.stdout
    assert (by_alias.stderr, unknown.code) == ("", 0)
    assert "'Aurorra' is not in the registry" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("brand", "Aurora", "--verdict", "TAKEDOWN", "--why", "x"), "name the listing or the seller"),
        (("seller", "s1", "--why", "x", "--until", "2001-01-01"), "past"),
        (("seller", "s1"), "--why"),
        (("buyer", "b1", "--why", "x"), "listing"),
    ],
)
def test_orders_that_cannot_be_are_refused(
    filled: Path, touchstone: Touchstone, arguments: tuple[str, ...], says: str
) -> None:
    """What no order can be is refused with what is allowed, and nothing is put on record."""
    outcome = touchstone("--data-dir", filled, "policy", "hold", "add", *arguments)

    assert (outcome.code, says in outcome.stderr) == (2, True), outcome.stderr
    assert said(touchstone, filled, "policy", "hold", "list") == []


def test_who_has_no_login_says_who_it_is(
    filled: Path, strict: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container whose user has no name, nothing goes on record as nobody's."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)

    nobody = touchstone("--data-dir", filled, "policy", "submit", strict)
    named = said(touchstone, filled, "policy", "submit", strict, "--as", "ann")

    assert (nobody.code, "--as NAME" in nobody.stderr) == (2, True)
    assert named["author"] == "ann"


def test_unknown_versions_are_named(filled: Path, touchstone: Touchstone) -> None:
    """A version that is not on record fails with what lists them."""
    for command in ("shadow", "activate", "retire", "show", "backtest", "compare"):
        outcome = touchstone("--data-dir", filled, "policy", command, "no@0")
        assert outcome.code == 1
        assert "no@0" in outcome.stderr
        assert "policy list" in outcome.stderr
