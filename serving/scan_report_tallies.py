"""Of which brands, sellers, categories are a scan's verdicts, and which rows stand out? Counted in bounded memory."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from serving.comparison import UNKNOWN

# Names counted at once: 200,000 take about 100 MB. A million sellers are more, and most have one listing.
MOST_NAMES = 200_000

_PLACE = {"ALLOW": 0, "REVIEW": 1, "TAKEDOWN": 2}


@dataclass(frozen=True, kw_only=True)
class NameRow:
    """A name with its listings by verdict."""

    name: str
    allowed: int
    reviewed: int
    taken_down: int

    @property
    def flagged(self) -> int:
        """Listings that are not allowed."""
        return self.reviewed + self.taken_down

    @property
    def listings(self) -> int:
        """All of them."""
        return self.allowed + self.flagged


@dataclass
class NameTally:
    """Listings by name and verdict.

    Exact up to `most` names; beyond, the half with the fewest listings is forgotten (lossy counting: Manku and Motwani,
    "Approximate frequency counts over data streams", VLDB 2002), and no count is too low by more than `forgotten`.
    """

    most: int = MOST_NAMES
    forgotten: int = 0
    _counts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, names: pa.Array, verdicts: pa.Array) -> None:
        """Count rows by their names, null for none, and verdicts."""
        table = pa.table({"name": names, "verdict": verdicts})
        counted = table.group_by(["name", "verdict"]).aggregate([([], "count_all")]).to_pydict()
        for name, verdict, count in zip(counted["name"], counted["verdict"], counted["count_all"], strict=True):
            self._counts.setdefault(name or UNKNOWN, [0, 0, 0])[_PLACE.get(verdict, 1)] += count
        if len(self._counts) > self.most:
            self._forget()

    def __len__(self) -> int:
        return len(self._counts)

    def top(self, most: int) -> tuple[NameRow, ...]:
        """Return the names with the most flagged listings, those with more listings first among equals."""
        best = heapq.nsmallest(most, self._counts.items(), key=_rank)
        return tuple(self.rows_of(name for name, _ in best))

    def rows_of(self, names: Iterable[str]) -> list[NameRow]:
        """Return what is counted of some names; those that are not known are left out."""
        return [
            NameRow(name=name, allowed=counts[0], reviewed=counts[1], taken_down=counts[2])
            for name in names
            if (counts := self._counts.get(name))
        ]

    def _forget(self) -> None:
        kept = sorted(self._counts.items(), key=lambda item: -sum(item[1]))
        self.forgotten += max(sum(counts) for _, counts in kept[self.most // 2 :])
        self._counts = dict(kept[: self.most // 2])


def _rank(item: tuple[str, list[int]]) -> tuple[int, int, str]:
    name, (allowed, reviewed, taken_down) = item
    return -(reviewed + taken_down), -allowed, name


@dataclass(frozen=True)
class Kept:
    """A row that stands out, by its columns; `alike` rows of the same kind were seen, this one the strongest."""

    key: float
    row: dict[str, object]
    alike: int = 1


@dataclass
class Strongest:
    """The `limit` rows with the highest keys, one of each kind; the first in the file among equals."""

    limit: int
    _kept: dict[Hashable, Kept] = field(default_factory=dict)
    _floor: float = -np.inf

    def offer(self, table: pa.Table, keys: NDArray[np.float64], kinds: Sequence[Hashable] | None = None) -> None:
        """Take what is strong enough of a table; `kinds` are the rows' own, when left out each row is one."""
        for at in np.argsort(-keys, kind="stable").tolist():
            key = float(keys[at])
            if not key > self._floor:
                return
            kind = kinds[at] if kinds is not None else object()
            before = self._kept.get(kind)
            if before is not None and before.key >= key:
                self._kept[kind] = Kept(before.key, before.row, before.alike + 1)
                continue
            row = table.slice(at, 1).to_pylist()[0]
            self._kept[kind] = Kept(key, row, 1 + (before.alike if before else 0))
            self._trim()

    def rows(self) -> list[Kept]:
        """Return them, the strongest first."""
        return sorted(self._kept.values(), key=lambda kept: -kept.key)

    def _trim(self) -> None:
        if len(self._kept) > self.limit:
            # Of equals the last to come goes.
            weakest = min(reversed(self._kept), key=lambda kind: self._kept[kind].key)
            del self._kept[weakest]
        if len(self._kept) == self.limit:
            self._floor = min(kept.key for kept in self._kept.values())
