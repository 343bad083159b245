"""Does an exported audit log show whatever was done to it, and where? Changed, removed, moved, added, cut off."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from index.audit.chain import NOTHING, Head, Place, Sealed, chained, link, walked
from index.audit.entries import canonical
from index.errors import AuditBroken
from serving.audit_file import check_log, parse_head, since, write_log

TEXTS = [
    canonical({"act": "decision.recorded", "subject": f"d{n}", "time": f"2026-01-0{n}T00:00:00.000000Z"})
    for n in range(1, 7)
]
SEALED = list(chained(Place(), TEXTS))
HEAD = Head(position=6, hash=SEALED[-1].hash, time="2026-01-07T00:00:00.000000Z")


def exported(entries: Iterator[Sealed] | list[Sealed] = SEALED) -> list[str]:
    """Write the log out, and return its lines."""
    file = io.StringIO()
    write_log(file, entries, HEAD, before=lambda position: SEALED[position - 1].hash if position else NOTHING)
    return file.getvalue().splitlines(keepends=True)


def swapped(lines: list[str]) -> list[str]:
    """Let two entries change places."""
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def test_what_was_exported_is_sound() -> None:
    """A file that nobody touched is walked to its head, from its beginning or from a day on."""
    found = check_log(exported(), known={3: SEALED[2].hash, 6: HEAD.hash})
    later = check_log(exported(list(since(SEALED, _day(4)))))

    assert (found.entries, found.head, found.after) == (6, HEAD, Place())
    assert (later.entries, later.after) == (3, Place(3, SEALED[2].hash))


def test_hash_can_be_computed_by_hand() -> None:
    """The chain is plain SHA-256, as docs/audit.md tells it."""
    first = hashlib.sha256(b"touchstone audit entry 1\n" + bytes(32) + TEXTS[0].encode()).hexdigest()

    assert SEALED[0].hash == first
    assert SEALED[1].hash == link(first, TEXTS[1])


@pytest.mark.parametrize(
    ("tamper", "position", "what"),
    [
        (lambda lines: [*lines[:3], lines[3].replace("d3", "d9"), *lines[4:]], 3, "was changed"),
        (lambda lines: [*lines[:3], *lines[4:]], 3, "missing or was moved"),
        (swapped, 2, "missing or was moved"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 2, "twice"),
        (lambda lines: lines[:4], 4, "cut off"),
        (lambda lines: [*lines[:4], lines[-1]], 3, "last entry at 3"),
        (lambda lines: [*lines, lines[-2]], 6, "follow the head"),
        (lambda lines: [*lines[:2], lines[2].replace('"d2"', '"d2" '), *lines[3:]], 2, "not written as"),
        (lambda lines: [*lines[:2], "{not json\n", *lines[3:]], 2, "cannot be read"),
        (lambda lines: lines[1:], 0, "no audit log"),
        (lambda lines: [], 1, "cannot be read"),
    ],
)
def test_any_change_is_found_where_it_was_made(
    tamper: Callable[[list[str]], list[str]], position: int, what: str
) -> None:
    """Each way to change a file is found, with the position of the first entry at fault."""
    with pytest.raises(AuditBroken, match=what) as broken:
        check_log(tamper(exported()))

    assert broken.value.position == position


def test_log_written_anew_is_found_by_a_head_kept_elsewhere() -> None:
    """Whoever writes all hashes anew has a chain that fits itself; the head that was kept does not fit it."""
    forged = list(chained(Place(), [TEXTS[0].replace("d1", "d7"), *TEXTS[1:]]))
    head = Head(position=6, hash=forged[-1].hash, time=HEAD.time)
    file = io.StringIO()
    write_log(file, forged, head, before=lambda _: NOTHING)
    lines = file.getvalue().splitlines(keepends=True)

    check_log(lines)
    with pytest.raises(AuditBroken, match="written anew") as broken:
        check_log(lines, known={3: SEALED[2].hash})
    with pytest.raises(AuditBroken, match="signature"):
        check_log(lines, trusted=lambda _: False)

    assert broken.value.position == 3


def test_log_that_was_cut_off_whole_is_found_by_a_head_kept_elsewhere() -> None:
    """A shorter log with a head of its own looks whole, but not to whoever kept a later head."""
    with pytest.raises(AuditBroken, match=r"entry 5 .*cut off.* 4, but a head knows of 6") as broken:
        list(walked(Place(), SEALED[:4], known={6: HEAD.hash}))

    assert broken.value.position == 5


@pytest.mark.parametrize("text", ["", "5", f"x:{NOTHING}", "5:abc", f"5:{NOTHING[:-1]}g", f"-1:{NOTHING}"])
def test_head_that_is_none_is_refused(text: str) -> None:
    """What is no POSITION:HASH is refused with how to write it."""
    with pytest.raises(ValueError, match="POSITION:HASH"):
        parse_head(text)


def test_head_is_read_as_it_is_printed() -> None:
    """A head is one word that can be kept anywhere."""
    assert parse_head(f" 6:{HEAD.hash}\n") == (6, HEAD.hash)


def _day(number: int) -> datetime:

    return datetime(2026, 1, number, tzinfo=UTC)


def test_entries_are_json_objects() -> None:
    """Each line between the first and the last holds its entry as an object, for other programs to read."""
    lines = exported()

    assert [json.loads(line)["entry"]["subject"] for line in lines[1:-1]] == [f"d{n}" for n in range(1, 7)]
