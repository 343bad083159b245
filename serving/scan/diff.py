"""What changed between two scans? Their rows side by side by listing, counted, with examples and a file of all changes.

The two may stand in any order and hold millions of rows: both are brought into the order of the listing ids in a
temporary SQLite file, which sorts beyond memory, and walked through together. What differs is kept there too, so that
brands without end are counted on disk.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from serving.scan.file import VERSIONS, ScanFile

EXAMPLES = 5
# Of brands: names as sellers typed them have no end.
MOST_NAMES = 20
_COLUMNS = ["listing_id", "verdict", "counterfeit_probability", "brand", "reasons"]
# Nothing of it has to outlive the process; 32 MB of memory, the rest on disk.
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -32768")

_Row = tuple[str, str | None, float | None, str, str]
_NO_ROW: _Row = ("", None, None, "", "")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What two scans say of a listing; None where one of them has no row of it.

    Reasons gained and lost are codes with a blank between two, where both have one.
    """

    listing_id: str
    verdict_before: str | None = None
    verdict_after: str | None = None
    probability_before: float | None = None
    probability_after: float | None = None
    brand: str = ""
    reasons_gained: str = ""
    reasons_lost: str = ""

    @property
    def kind(self) -> tuple[str | None, str | None]:
        """The verdicts before and after."""
        return self.verdict_before, self.verdict_after


_FIELDS = tuple(Change.__dataclass_fields__)
# Verdicts stand in the alphabet as they stand in gravity.
_BRANDS = f"""
    SELECT brand, count(*) AS changed, sum(verdict_after > verdict_before), sum(verdict_after < verdict_before)
    FROM changes WHERE verdict_before <> verdict_after GROUP BY brand ORDER BY changed DESC, brand LIMIT {MOST_NAMES}
"""  # noqa: S608 - a number of our own


@dataclass(frozen=True)
class BrandChanges:
    """How many listings of a brand have another verdict, and how many of them a graver or a milder one."""

    brand: str
    changed: int
    graver: int
    milder: int


@dataclass(kw_only=True)
class ScanDiff:
    """The counts. `verdicts` counts all listings of both by verdict before and after; `only` those of one of them."""

    before: int
    after: int
    versions: dict[str, tuple[str, str]]
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    only_before: Counter[str] = field(default_factory=Counter)
    only_after: Counter[str] = field(default_factory=Counter)
    gained: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    brands: tuple[BrandChanges, ...] = ()
    examples: dict[tuple[str | None, str | None], list[Change]] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        """Count a listing."""
        was, now = change.kind
        if was is not None and now is not None:
            self.verdicts[was, now] += 1
        elif was is not None:
            self.only_before[was] += 1
        elif now is not None:
            self.only_after[now] += 1
        self.gained.update(change.reasons_gained.split())
        self.lost.update(change.reasons_lost.split())

    @property
    def both(self) -> int:
        """How many listings both scans have."""
        return self.verdicts.total()

    @property
    def changed(self) -> int:
        """How many of those have another verdict."""
        return sum(count for (was, now), count in self.verdicts.items() if was != now)

    def document(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "rows": {"before": self.before, "after": self.after, "both": self.both},
            "changed": self.changed,
            "versions": {name: {"before": was, "after": now} for name, (was, now) in self.versions.items()},
            "verdicts": {f"{was}>{now}": count for (was, now), count in sorted(self.verdicts.items())},
            "only_before": dict(self.only_before),
            "only_after": dict(self.only_after),
            "reasons": {"gained": dict(self.gained.most_common()), "lost": dict(self.lost.most_common())},
            "brands": [asdict(one) for one in self.brands],
            "examples": [asdict(one) for shown in self.examples.values() for one in shown],
        }


class Comparison:
    """Two scans' rows on disk: count first, then read the changes. `comparing` makes one, for one thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute(f"CREATE TABLE changes ({', '.join(_FIELDS)})")

    def compare(self, before: ScanFile, after: ScanFile, *, examples: int = EXAMPLES) -> ScanDiff:
        """Count everything; keep so many examples of each kind of change. Raises CatalogueError for a damaged file."""
        for table, scan in (("before", before), ("after", after)):
            self._database.execute(f"CREATE TABLE {table} ({', '.join(_COLUMNS)})")
            self._insert(table, len(_COLUMNS), map(_stored, scan.rows(_COLUMNS)))
        diff = ScanDiff(before=len(before), after=len(after), versions=_versions(before, after))
        self._insert("changes", len(_FIELDS), map(attrgetter(*_FIELDS), self._differing(diff, examples)))
        diff.brands = tuple(BrandChanges(*row) for row in self._database.execute(_BRANDS))
        return diff

    def changes(self) -> Iterator[Change]:
        """Yield every listing that differs in verdict or reasons, or stands in one only, by listing id."""
        for row in self._database.execute("SELECT * FROM changes ORDER BY rowid"):
            yield Change(**dict(zip(_FIELDS, row, strict=True)))

    def _insert(self, table: str, width: int, rows: Iterable[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * width)
        self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our own names

    def _differing(self, diff: ScanDiff, examples: int) -> Iterator[Change]:
        """Walk through both scans and count; yield what differs."""
        for before, after in _side_by_side(self._sorted("before"), self._sorted("after")):
            change = _change(before, after)
            diff.add(change)
            if change.kind[0] != change.kind[1]:
                shown = diff.examples.setdefault(change.kind, [])
                if len(shown) < examples:
                    shown.append(change)
            elif not (change.reasons_gained or change.reasons_lost):
                continue
            yield change

    def _sorted(self, table: str) -> Iterator[_Row]:
        return iter(self._database.execute(f"SELECT * FROM {table} ORDER BY listing_id"))  # noqa: S608


@contextmanager
def comparing() -> Iterator[Comparison]:
    """Make room on disk for a comparison; nothing is left of it afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="touchstone-diff-") as folder,
        closing(sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)) as database,
    ):
        for pragma in _PRAGMAS:
            database.execute(f"PRAGMA {pragma}")
        database.execute("BEGIN")
        yield Comparison(database)


def _versions(before: ScanFile, after: ScanFile) -> dict[str, tuple[str, str]]:
    """Return the versions that differ, before and after; "" where a file does not say."""
    said = {name: (before.metadata.get(name, ""), after.metadata.get(name, "")) for name in VERSIONS}
    return {name: (was, now) for name, (was, now) in said.items() if was != now}


def _stored(row: dict[str, Any]) -> _Row:
    return (
        row["listing_id"],
        row["verdict"],
        row["counterfeit_probability"],
        row["brand"] or "",
        " ".join(sorted(set(row["reasons"]))),
    )


def _side_by_side(before: Iterator[_Row], after: Iterator[_Row]) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Pair rows of one listing; both come in the order of the listing ids."""
    was, now = next(before, None), next(after, None)
    while was is not None or now is not None:
        if now is None or (was is not None and was[0] < now[0]):
            yield was, None
            was = next(before, None)
        elif was is None or now[0] < was[0]:
            yield None, now
            now = next(after, None)
        else:
            yield was, now
            was, now = next(before, None), next(after, None)


def _change(before: _Row | None, after: _Row | None) -> Change:
    listing_id = (after or before or _NO_ROW)[0]
    _, verdict_before, probability_before, brand_before, reasons_before = before or _NO_ROW
    _, verdict_after, probability_after, brand_after, reasons_after = after or _NO_ROW
    was, now = set(reasons_before.split()), set(reasons_after.split())
    both = before is not None and after is not None
    return Change(
        listing_id=listing_id,
        verdict_before=verdict_before,
        verdict_after=verdict_after,
        probability_before=probability_before,
        probability_after=probability_after,
        brand=brand_after or brand_before,
        reasons_gained=" ".join(sorted(now - was)) if both else "",
        reasons_lost=" ".join(sorted(was - now)) if both else "",
    )
