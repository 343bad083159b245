"""What docs/references.md says of states and limits is so."""

from __future__ import annotations

from pathlib import Path

from index.records import ReferenceState
from index.reference_states import following
from serving.new_reference import SMALLEST_REFERENCE
from serving.upload_streams import AT_ONCE, MAX_REFERENCES, MAX_STREAMS, MAX_STREAMS_EACH
from serving.wire.requests import MAX_IMAGE_BYTES

PAGE = Path(__file__).parents[2] / "docs" / "references.md"


def test_the_table_of_states_is_the_state_machine() -> None:
    """Upon failure, paste what is printed."""
    rows = []
    for state in ReferenceState:
        after = ", ".join(f"`{one}`" for one in sorted(following(state))) or "nothing"
        rows.append(f"| `{state}` | {after} |")
    expected = "\n".join(["| state | what may follow |", "| --- | --- |", *rows])

    found = PAGE.read_text("utf-8").partition("<!-- states -->")[2].partition("<!-- /states -->")[0].strip()

    assert found == expected, f"docs/references.md must hold:\n\n{expected}\n"


def test_the_limits_are_those_of_the_code() -> None:
    """Each limit stands in its row."""
    text = PAGE.read_text("utf-8")

    assert f"| file | {MAX_IMAGE_BYTES // 2**20} MiB |" in text
    assert f"| references in a stream | {MAX_REFERENCES:,} |" in text
    assert f"| open streams of a replica | {MAX_STREAMS} |" in text
    assert f"| open streams of one caller at a replica | {MAX_STREAMS_EACH} |" in text
    assert f"| references in work at a time, of all streams | {AT_ONCE} |" in text
    assert f"| shorter edge of the picture, or of its box | {SMALLEST_REFERENCE} pixels |" in text
