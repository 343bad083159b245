"""Is the log what it was? Entries linked by SHA-256, heads that sum them up, and a walk that finds the first fault.

The hash of an entry is over the hash of the one before and its own text, so whoever changes, removes, adds or moves an
entry changes every hash from there on. What was cut off at the end shows only against a head that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from index.errors import AuditBroken

# What the first entry's hash is over in the place of an entry before it.
NOTHING = "0" * 64
_DOMAIN = b"touchstone audit entry 1\n"


@dataclass(frozen=True)
class Place:
    """A place in the chain: behind the entry of this `position`, counted from 1, whose hash is `hash`."""

    position: int = 0
    hash: str = NOTHING


@dataclass(frozen=True)
class Sealed:
    """An entry in its place: its text, and the hash over it and all before."""

    position: int
    hash: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Head:
    """What sums up the log at a time. `signature` is hexadecimal, "" when heads were not signed; `signer` by whom."""

    position: int
    hash: str
    time: str
    signature: str = ""
    signer: str = ""

    @property
    def place(self) -> Place:
        """Where the chain ended then."""
        return Place(self.position, self.hash)

    @property
    def statement(self) -> bytes:
        """What is signed."""
        return f"touchstone audit head 1\n{self.position}\n{self.hash}\n{self.time}\n".encode()


def link(before: str, text: str) -> str:
    """Return the hash of an entry that follows the one with the hash `before`."""
    return hashlib.sha256(_DOMAIN + bytes.fromhex(before) + text.encode()).hexdigest()


def chained(after: Place, texts: Iterable[str]) -> Iterator[Sealed]:
    """Give texts their places behind `after`."""
    position, before = after.position, after.hash
    for text in texts:
        position, before = position + 1, link(before, text)
        yield Sealed(position, before, text)


def walked(after: Place, entries: Iterable[Sealed], *, known: Mapping[int, str] | None = None) -> Iterator[Sealed]:
    """Pass entries on, as long as each is what it was and stands where it stood. Raises AuditBroken at the first not.

    A fault is named by the position at which it shows: the entry there, or what should stand there. `known` are the
    hashes of some positions, from heads: they tell a log that was written anew as a whole, or cut off.
    """
    known = known or {}
    position, before = after.position, after.hash
    if known.get(position, before) != before:
        raise AuditBroken(position, f"the log up to entry {position} is another one than a head of it says")
    for entry in entries:
        if entry.position != position + 1:
            what = "is missing or was moved" if entry.position > position else "is there twice or was moved"
            at = position + 1 if entry.position > position else entry.position
            raise AuditBroken(at, f"entry {at} {what}: after {position} comes {entry.position}")
        if entry.hash != link(before, entry.text):
            raise AuditBroken(
                entry.position, f"entry {entry.position} was changed: its hash does not fit it and the one before"
            )
        position, before = entry.position, entry.hash
        if known.get(position, before) != before:
            raise AuditBroken(position, f"entry {position}, or one before it, was written anew: a head says otherwise")
        yield entry
    cut_off = [one for one in known if one > position]
    if cut_off:
        raise AuditBroken(
            position + 1,
            f"entry {position + 1} and what follows was cut off: the log ends at {position}, but a head knows of "
            f"{max(cut_off)}",
        )
