"""What is scanned, piece by piece? Items of a source, faults in their place, and blocks of both.

A source yields its entries in an order that never changes; a block is the next `BLOCK_ENTRIES` of them. Whatever runs
a scan takes blocks, and a block's rows are kept whole or not at all (`serving.scan.workspace`): that is what makes each
listing's row appear once, whatever dies.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from index.money import Money

BLOCK_ENTRIES = 64
"""Small enough that little is lost when a process dies, large enough that a file for each is no burden."""


@dataclass(frozen=True, kw_only=True)
class ScanItem:
    """One listing to be looked at: `line` is its place in the source, from 1; `images` are locations of its files.

    Locations are absolute paths, or URLs of a storage that the operator configured. `category` is the seller's words.
    """

    line: int
    listing_id: str
    images: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    claimed_brand: str = ""
    category: str = ""
    condition: str = ""
    price: Money | None = None
    unit_count: int = 1
    seller_id: str = ""
    market: str = ""


@dataclass(frozen=True, kw_only=True)
class ScanFault:
    """What could not be done, and why. `line` 0: it has none; `listing_id` "": not even that could be read.

    code: one of MANIFEST_ROW (a row that breaks the rules), DUPLICATE_ID (`listing_id` came before; the first one
        counts), IMAGE_MISSING, IMAGE_UNREADABLE, NO_FACTS (nothing to decide again on: screen it), FAILED (a defect; a
        person must look).
    """

    line: int
    listing_id: str
    code: str
    message: str


ScanEntry = ScanItem | ScanFault


@dataclass(frozen=True)
class ScanBlock:
    """The entries numbered `number * BLOCK_ENTRIES` and following, in the source's order."""

    number: int
    entries: tuple[ScanEntry, ...]


class ScanSource(Protocol):
    """Where listings come from. It can be read any number of times, and is never held in memory whole."""

    @property
    def digest(self) -> str:
        """Name what the source holds (hex): another one must not be resumed as if it were the same."""

    def entries(self) -> Iterator[ScanEntry]:
        """Yield the items that the filter lets through and the faults, in an order that never changes."""


class Opener(Protocol):
    """Reads files of listings; nothing outside of what the operator allows."""

    def read(self, location: str) -> bytes:
        """Return a file's bytes. Raises OSError (FileNotFoundError, PermissionError among them) with its name."""


def blocks(entries: Iterable[ScanEntry], size: int = BLOCK_ENTRIES) -> Iterator[ScanBlock]:
    """Cut a source's entries into blocks, reading no further ahead than one of them."""
    iterator = iter(entries)
    for number in itertools.count():
        block: Sequence[ScanEntry] = tuple(itertools.islice(iterator, size))
        if not block:
            return
        yield ScanBlock(number, tuple(block))
