"""What was decided about a seller so far? Counts by month and the last decisions, for people who look at a case."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from sqlalchemy import func, select

from index.insight import SellerDecision, SellerHistory
from index.store.engine import Database
from index.store.listings import IN_FORCE
from index.store.steps import DAY_S, begin_of, step_of
from index.store.tables.decisions import decisions
from index.store.tables.sellers import seller_ring_members, seller_tallies

_SHOWN = tuple(decisions.c[name] for name in SellerDecision.__dataclass_fields__ if name != "in_force")


class SellerHistoryStore:
    """The part of the store that tells what was decided about sellers."""

    _database: Database

    def seller_history(self, seller_id: str, *, since: datetime, latest: int) -> SellerHistory:
        """Return the decisions by month from `since` on, and the `latest` ones, the newest first."""
        day = step_of(decisions.c.create_time, DAY_S)
        daily = (
            select(begin_of(day).label("day"), decisions.c.verdict, func.count().label("many"))
            .where(decisions.c.seller_id == seller_id, decisions.c.create_time >= since)
            .group_by(day, decisions.c.verdict)
        )
        last = (
            select(*_SHOWN, IN_FORCE.label("in_force"))
            .where(decisions.c.seller_id == seller_id)
            .order_by(decisions.c.number.desc())
            .limit(latest)
        )
        months: dict[datetime, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        with self._database.read("read a seller's history") as connection:
            for row in connection.execute(daily):
                month = datetime.fromtimestamp(row.day, UTC).replace(day=1)
                months[month][row.verdict] += row.many
            found = tuple(SellerDecision(**row._asdict()) for row in connection.execute(last))
        return SellerHistory(months={month: dict(months[month]) for month in sorted(months)}, decisions=found)

    def ring_tallies(self, ring_id: str) -> tuple[tuple[str, int, int], ...]:
        """Return each seller in a ring, in order, with their listings and those that count as strikes."""
        member = seller_ring_members.c
        query = (
            select(
                member.seller_id,
                func.coalesce(seller_tallies.c.listings, 0).label("listings"),
                func.coalesce(seller_tallies.c.strikes, 0).label("strikes"),
            )
            .select_from(seller_ring_members)
            .outerjoin(seller_tallies, seller_tallies.c.seller_id == member.seller_id)
            .where(member.ring_id == ring_id)
            .order_by(member.seller_id)
        )
        with self._database.read("read a ring's record") as connection:
            return tuple((row.seller_id, row.listings, row.strikes) for row in connection.execute(query))
