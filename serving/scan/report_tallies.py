"""Of which brands, sellers, categories are a scan's verdicts, and which rows stand out? Counted in bounded memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from serving.comparison import UNKNOWN

# Names counted at once: a million sellers are more, and most have one listing.
MOST_NAMES = 200_000

_COUNTS = ("allowed", "reviewed", "taken_down")
# Rows of counts that wait to be added up: 2 MB.
_MOST_WAITING = 2**16


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
    _names: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    _counts: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, len(_COUNTS)), np.int64))
    _waiting: list[pa.Table] = field(default_factory=list)

    def add(self, names: pa.Array, verdicts: pa.Array) -> None:
        """Count rows by their names, null or empty for none, and verdicts."""
        allowed, taken_down = (pc.equal(verdicts, verdict) for verdict in ("ALLOW", "TAKEDOWN"))
        reviewed = pc.invert(pc.or_(allowed, taken_down))
        stated = pc.fill_null(pc.if_else(pc.equal(names, ""), None, names), UNKNOWN)
        counts = (each.cast(pa.int64()) for each in (allowed, reviewed, taken_down))
        self._waiting.append(_added_up(pa.table([stated, *counts], names=["name", *_COUNTS])))
        if sum(each.num_rows for each in self._waiting) > _MOST_WAITING:
            self._settle()

    def __len__(self) -> int:
        self._settle()
        return len(self._names)

    def top(self, most: int) -> tuple[NameRow, ...]:
        """Return the names with the most flagged listings, those with more listings first among equals."""
        self._settle()
        allowed, reviewed, taken_down = self._counts.T
        ranked = pa.table({"flagged": reviewed + taken_down, "allowed": allowed, "name": self._names})
        order = [("flagged", "descending"), ("allowed", "descending"), ("name", "ascending")]
        return self._rows(pc.sort_indices(ranked, sort_keys=order)[:most].to_numpy())

    def rows_of(self, names: Iterable[str]) -> tuple[NameRow, ...]:
        """Return what is counted of some names; those that are not known are left out."""
        self._settle()
        return self._rows(pc.index_in(pa.array(names, pa.string()), value_set=self._names).drop_null().to_numpy())

    def _rows(self, at: NDArray[np.integer]) -> tuple[NameRow, ...]:
        named = zip(self._names.take(pa.array(at)).to_pylist(), self._counts[at].tolist(), strict=True)
        return tuple(NameRow(name=name, **dict(zip(_COUNTS, counts, strict=True))) for name, counts in named)

    def _settle(self) -> None:
        """Add what waits to the counts."""
        if not self._waiting:
            return
        added, self._waiting = _added_up(pa.concat_tables(self._waiting)), []
        counts = np.stack([added[name].to_numpy() for name in _COUNTS], axis=1)
        at = pc.index_in(added["name"], value_set=self._names)
        known = pc.is_valid(at).to_numpy()
        self._counts[at.drop_null().to_numpy()] += counts[known]
        self._names = pa.concat_arrays([self._names, *added["name"].filter(pa.array(~known)).chunks])
        self._counts = np.concatenate([self._counts, counts[~known]])
        if len(self._names) > self.most:
            self._forget()

    def _forget(self) -> None:
        listings = self._counts.sum(axis=1)
        order = np.argsort(-listings, kind="stable")
        kept = np.sort(order[: self.most // 2])
        self.forgotten += int(listings[order[self.most // 2]])
        self._names, self._counts = self._names.take(pa.array(kept)), self._counts[kept]


def _added_up(counts: pa.Table) -> pa.Table:
    """Add up the counts of each name."""
    added = counts.group_by("name", use_threads=False).aggregate([(name, "sum") for name in _COUNTS])
    return added.rename_columns(["name", *_COUNTS])


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
