"""How does the audit log leave the service? As JSON Lines that anybody can check: `touchstone audit export | verify`.

The first line names the format and the place before the first entry, the last one the head; each line between them is
an entry with its position and hash. docs/audit.md has what it takes to check a file without Touchstone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

from index.audit.chain import NOTHING, Head, Place, Sealed, walked
from index.audit.entries import canonical, stamp
from index.errors import AuditBroken

FORMAT = 1


@dataclass(frozen=True)
class Exported:
    """What a file holds: the place before its first entry, how many entries, and the head that closes it."""

    after: Place
    entries: int
    head: Head


def since(entries: Iterable[Sealed], moment: datetime | None) -> Iterator[Sealed]:
    """Leave out what stands before the first entry of `moment` or later; the chain goes on from there unbroken."""
    waiting = moment is not None
    for sealed in entries:
        if waiting and moment is not None and json.loads(sealed.text)["time"] < stamp(moment):
            continue
        waiting = False
        yield sealed


def write_log(file: TextIO, entries: Iterable[Sealed], head: Head, *, before: Callable[[int], str]) -> Exported:
    """Write entries up to a head; `before` gives the hash at a position, for the place that the first one follows."""
    count, after = 0, head.place
    for sealed in entries:
        if sealed.position > head.position:
            break
        if not count:
            after = Place(sealed.position - 1, before(sealed.position - 1))
            file.write(_first(after))
        count += 1
        file.write(f"{_line(sealed)}\n")
    if not count:
        file.write(_first(after))
    file.write(f"{canonical({'head': vars(head)})}\n")
    return Exported(after, count, head)


def check_log(
    lines: Iterable[str], *, known: Mapping[int, str] | None = None, trusted: Callable[[Head], bool] = lambda _: True
) -> Exported:
    """Walk an exported log. `known` are heads kept elsewhere, `trusted` says whether a head's signature holds.

    Raises AuditBroken: the first fault, with the position of the entry at fault.
    """
    reading = _Reading(iter(lines))
    after = reading.begin()
    expected = {position: value for position, value in (known or {}).items() if position >= after.position}
    end, count = after, 0
    for sealed in walked(after, reading.entries(), known=expected):
        end, count = Place(sealed.position, sealed.hash), count + 1
    head = reading.head
    if head is None:
        raise AuditBroken(
            end.position + 1, f"the file ends after entry {end.position}, without its head: it was cut off"
        )
    if head.place != end:
        raise AuditBroken(end.position, f"the file's head is at {head.position}, its last entry at {end.position}")
    if not trusted(head):
        raise AuditBroken(head.position, f"the signature of the head at {head.position} does not hold")
    return Exported(after, count, head)


class _Reading:
    """Reads the lines of a file: the first, entries until the head, the head."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.head: Head | None = None

    def begin(self) -> Place:
        first = self._document(next(self._lines, ""), 0)
        if first.get("touchstone_audit") != FORMAT:
            raise AuditBroken(0, f"this is no audit log of format {FORMAT}: its first line names no such format")
        return Place(int(first["after"]["position"]), str(first["after"]["hash"]))

    def entries(self) -> Iterator[Sealed]:
        position = 0
        for line in self._lines:
            if self.head is not None:
                raise AuditBroken(self.head.position, "lines follow the head, which is to be the last one")
            document = self._document(line, position)
            if "head" in document:
                self.head = Head(**document["head"])
                continue
            sealed = Sealed(int(document["position"]), str(document["hash"]), canonical(document["entry"]))
            if _line(sealed) != line.rstrip("\n"):  # a second way to write the same would hide a change
                raise AuditBroken(sealed.position, f"entry {sealed.position} is not written as it was exported")
            position = sealed.position
            yield sealed

    def _document(self, line: str, position: int) -> dict[str, Any]:
        try:
            document = json.loads(line)
            if not isinstance(document, dict):
                raise TypeError(f"a {type(document).__name__} where an object is to be")
        except (ValueError, TypeError, RecursionError) as error:
            raise AuditBroken(position + 1, f"the line after entry {position} cannot be read: {error}") from error
        return document


def _first(after: Place) -> str:
    return f"{canonical({'after': vars(after), 'touchstone_audit': FORMAT})}\n"


def _line(sealed: Sealed) -> str:
    return f'{{"position":{sealed.position},"hash":"{sealed.hash}","entry":{sealed.text}}}'


def parse_head(text: str) -> tuple[int, str]:
    """Read a head that was kept elsewhere, POSITION:HASH. Raises ValueError."""
    position, _, value = text.strip().partition(":")
    if not position.isdecimal() or len(value) != len(NOTHING) or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{text!r} is no head; write POSITION:HASH, such as 17:{NOTHING[:6]}...")
    return int(position), value
