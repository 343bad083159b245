"""What do scans ask of the store? Listings already screened, their evidence, and a case for what became worse.

A listing is taken by its latest decision, unless the marketplace removed it on that one: as in `index.store.listings`,
but also where no photo was left to find it by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, exists, func, select

from index.case_records import UNRESOLVED, Case
from index.decision_records import DecisionRecord
from index.listings import EVERYWHERE, ListingWhere
from index.scans import DecidedListing, ListingStanding, ScanStep, ScreenedListing
from index.store.cases import insert_case
from index.store.engine import Database, in_batches
from index.store.listings import IN_FORCE, fitting
from index.store.locks import lock_listing
from index.store.retry import run_again
from index.store.tables.cases import cases
from index.store.tables.decisions import decisions, listing_images
from index.store.tables.listings import listing_regions
from index.store.tables.policies import decision_facts
from index.store.tables.removals import removed_listings

_PAGE = 2_000
_RECORD = tuple(DecisionRecord.__dataclass_fields__)
_NEWER = decisions.alias("newer")
_LATEST = ~exists().where(_NEWER.c.listing_id == decisions.c.listing_id, _NEWER.c.number > decisions.c.number)
_REMOVED = exists().where(
    removed_listings.c.listing_id == decisions.c.listing_id,
    removed_listings.c.decision_id == decisions.c.decision_id,
)
_WAITS = exists().where(
    cases.c.decision_id == decisions.c.decision_id, cases.c.state.in_([str(state) for state in UNRESOLVED])
)
_SCREENED = (decisions.c.listing_id, decisions.c.number, decisions.c.decision_id, IN_FORCE.label("verdict"))


class ScanStore:
    """The part of the store that scans read, and where they open cases."""

    _database: Database

    def iter_screened(self, where: ListingWhere = EVERYWHERE) -> Iterator[tuple[ScreenedListing, ...]]:
        """Yield the listings on sale that fit, in pages by listing id; each page is a short transaction of its own."""
        asked = (
            select(*_SCREENED)
            .join_from(
                decisions, listing_regions, listing_regions.c.decision_id == decisions.c.decision_id, isouter=True
            )
            .where(_LATEST, ~_REMOVED, *fitting(where))
            .order_by(decisions.c.listing_id)
            .limit(_PAGE)
        )
        after = ""
        while True:
            with self._database.read("read which listings were screened") as connection:
                rows = connection.execute(asked.where(decisions.c.listing_id > after)).all()
            if not rows:
                return
            yield tuple(ScreenedListing(**row._asdict()) for row in rows)
            after = rows[-1].listing_id

    def count_screened(self, where: ListingWhere = EVERYWHERE) -> int:
        """Count the listings that `iter_screened` would yield."""
        joined = select(func.count()).join_from(
            decisions, listing_regions, listing_regions.c.decision_id == decisions.c.decision_id, isouter=True
        )
        with self._database.read("count the listings that were screened") as connection:
            return int(connection.execute(joined.where(_LATEST, ~_REMOVED, *fitting(where))).scalar_one())

    def decided(self, decision_ids: Sequence[str]) -> dict[str, DecidedListing]:
        """Return those of the decisions that there are, by id, with what deciding again needs."""
        columns = (*(decisions.c[name] for name in _RECORD), decision_facts.c.facts)
        joined = select(*columns).join_from(decisions, decision_facts, isouter=True)
        images = listing_images.c
        hashed = select(images.decision_id, images.sha256, images.pdq).where(images.pdq.is_not(None))
        found: dict[str, DecidedListing] = {}
        with self._database.read("read decisions with their facts") as connection:
            for batch in in_batches(decision_ids):
                hashes: dict[str, dict[str, bytes]] = {}
                for decision_id, sha256, pdq in connection.execute(hashed.where(images.decision_id.in_(batch))):
                    hashes.setdefault(decision_id, {})[sha256] = pdq
                for row in connection.execute(joined.where(decisions.c.decision_id.in_(batch))):
                    *values, facts = row
                    record = DecisionRecord(**dict(zip(_RECORD, values, strict=True)))
                    own = hashes.get(record.decision_id, {})
                    found[record.decision_id] = DecidedListing(record=record, facts=facts, hashes=own)
        return found

    def standings(self, listing_ids: Iterable[str]) -> dict[str, ListingStanding]:
        """Say how those of the listings stand that were screened, by listing id."""
        found: dict[str, ListingStanding] = {}
        with self._database.read("read how listings stand") as connection:
            for batch in in_batches(listing_ids):
                found |= _standings(connection, batch)
        return found

    def opened_of(self, case_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the ids that are cases."""
        found: set[str] = set()
        with self._database.read("look for cases") as connection:
            for batch in in_batches(case_ids):
                found.update(connection.scalars(select(cases.c.case_id).where(cases.c.case_id.in_(batch))))
        return frozenset(found)

    @run_again
    def open_scan_case(self, case: Case, verdict: str) -> ScanStep:
        """Open `case` where a scan's `verdict` is worse than the one in force; the verdict stays what it is.

        Nothing is written when the case is there already, another waits about the decision, or its listing was decided
        anew or removed meanwhile: a case under an id is opened once, whoever asks again.
        """
        with self._database.write(f"open a case about {case.listing_id!r}") as connection:
            lock_listing(connection, case.listing_id)
            if connection.execute(select(cases.c.case_id).where(cases.c.case_id == case.case_id)).first() is not None:
                return ScanStep.KNOWN
            stands = _standings(connection, [case.listing_id]).get(case.listing_id)
            if stands is None:
                return ScanStep.UNSCREENED
            if stands.decision_id != case.decision_id:
                return ScanStep.GONE
            step = stands.step(verdict)
            if step is ScanStep.OPENED:
                insert_case(connection, case)
            return step


def _standings(connection: Connection, listing_ids: Sequence[str]) -> dict[str, ListingStanding]:
    asked = select(
        decisions.c.listing_id,
        decisions.c.decision_id,
        IN_FORCE.label("verdict"),
        _REMOVED.label("removed"),
        _WAITS.label("waits"),
    ).where(decisions.c.listing_id.in_(listing_ids), _LATEST)
    return {
        row.listing_id: ListingStanding(
            decision_id=row.decision_id, verdict=row.verdict, removed=bool(row.removed), waits=bool(row.waits)
        )
        for row in connection.execute(asked)
    }
