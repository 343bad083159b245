"""In which listings was a brand seen? By the latest decision of each, as it was recorded (`index.store.regions`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, func, or_, select

from index.portal_records import BrandHit, HitPlace, ReferenceUse
from index.store.engine import Database
from index.store.listings import IN_FORCE, RULED
from index.store.tables.decisions import decisions
from index.store.tables.listings import listing_brands, listing_regions
from vision.regions import Box

# What the use of references is counted over: some tens of milliseconds.
MOST_COUNTED = 5_000
MOST_REFERENCES = 100
_WEEK = timedelta(days=7)
_CORNERS = ("x1", "y1", "x2", "y2")
_SEEN = listing_brands.c


class BrandHitStore:
    """The part of the store that tells where brands were seen."""

    _database: Database

    def brand_hits(
        self, brand_id: str, *, reference_id: str = "", after: HitPlace | None = None, limit: int
    ) -> tuple[BrandHit, ...]:
        """Return up to `limit` hits of a brand, the newest first; with `reference_id`, only that reference's."""
        columns = (_SEEN.listing_id, _SEEN.image_index, _SEEN.reference_id, _SEEN.probability, _SEEN.screen_time)
        corners = [_SEEN[corner] for corner in _CORNERS]
        query = (
            select(*columns, *corners, listing_regions.c.decision_id, IN_FORCE.label("verdict"))
            .join_from(listing_brands, listing_regions, listing_regions.c.listing_id == _SEEN.listing_id)
            .join(decisions, decisions.c.decision_id == listing_regions.c.decision_id)
            .where(_SEEN.brand_id == brand_id, _SEEN.screen_time.is_not(None))
            .order_by(_SEEN.screen_time.desc(), _SEEN.listing_id.desc())
            .limit(limit)
        )
        if reference_id:
            query = query.where(_SEEN.reference_id == reference_id)
        if after is not None:
            older = and_(_SEEN.screen_time == after.screen_time, _SEEN.listing_id < after.listing_id)
            query = query.where(or_(_SEEN.screen_time < after.screen_time, older))
        with self._database.read("read where a brand was seen") as connection:
            rows = connection.execute(query).all()
        return tuple(
            BrandHit(
                listing_id=row.listing_id,
                decision_id=row.decision_id,
                verdict=row.verdict,
                image_index=row.image_index,
                box=Box(*(getattr(row, corner) for corner in _CORNERS)),
                reference_id=row.reference_id,
                probability=row.probability,
                screen_time=row.screen_time,
            )
            for row in rows
        )

    def hits_by_week(self, brand_id: str, starts: Sequence[datetime]) -> tuple[int, ...]:
        """Count a brand's hits in each of the weeks that begin at these times."""
        with self._database.read("count where a brand was seen") as connection:
            return tuple(connection.execute(_in_week(brand_id, start)).scalar_one() for start in starts)

    def reference_use(self, brand_id: str) -> tuple[ReferenceUse, ...]:
        """Return of what use a brand's references are, by its newest hits; those with the most hits first."""
        newest = (
            select(_SEEN.listing_id, _SEEN.reference_id)
            .where(_SEEN.brand_id == brand_id, _SEEN.screen_time.is_not(None))
            .order_by(_SEEN.screen_time.desc(), _SEEN.listing_id.desc())
            .limit(MOST_COUNTED)
            .subquery()
        )
        ruled = (
            select(newest.c.reference_id, RULED.label("verdict"))
            .join_from(newest, listing_regions, listing_regions.c.listing_id == newest.c.listing_id)
            .join(decisions, decisions.c.decision_id == listing_regions.c.decision_id)
            .subquery()
        )
        hits, allowed = func.count(), func.count().filter(ruled.c.verdict == "ALLOW")
        query = (
            select(ruled.c.reference_id, hits.label("hits"), func.count(ruled.c.verdict).label("decided"))
            .add_columns(allowed.label("allowed"))
            .group_by(ruled.c.reference_id)
            .order_by(hits.desc(), ruled.c.reference_id)
            .limit(MOST_REFERENCES)
        )
        with self._database.read("count what references are of use for") as connection:
            return tuple(ReferenceUse(**row._asdict()) for row in connection.execute(query))


def _in_week(brand_id: str, start: datetime) -> Select[int]:
    week = (_SEEN.screen_time >= start, _SEEN.screen_time < start + _WEEK)
    return select(func.count()).select_from(listing_brands).where(_SEEN.brand_id == brand_id, *week)
