"""What became of the reports that a brand's owner made? Part of what `index.store.reports` keeps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, func, or_, select

from index.portal_records import NoticeFate, NoticeTally
from index.reports import Report, ReportState
from index.store.engine import Database
from index.store.tables.cases import reports, resolutions

# So many of those decided last say how an owner's notices fare: who has learnt is not held to old mistakes.
LAST_DECIDED = 100

_RECEIVED = reports.c.state == str(ReportState.RECEIVED)
# When the verdict came into force by which a report is settled now; null for one that waits.
_DECIDED = (
    select(func.max(resolutions.c.resolve_time))
    .where(
        resolutions.c.decision_id == reports.c.decision_id,
        resolutions.c.in_force,
        resolutions.c.undo_time.is_(None),
    )
    .correlate(reports)
    .scalar_subquery()
)


class NoticeStore:
    """The part of the store that tells what became of reports."""

    _database: Database

    def decide_time(self, report: Report) -> datetime | None:
        """Return when the verdict came into force that settles a report; None while it waits."""
        with self._database.read("read when a report was settled") as connection:
            query = select(_DECIDED).select_from(reports).where(reports.c.report_id == report.report_id, ~_RECEIVED)
            return connection.execute(query).scalar_one_or_none()

    def brand_notices(
        self, brand_id: str, *, after: tuple[datetime, str] | None = None, limit: int
    ) -> tuple[NoticeFate, ...]:
        """Return up to `limit` reports that a brand's owner made, the newest first, from after a time and id on."""
        names = ("report_id", "listing_id", "reason_code", "notice", "state", "create_time")
        query = select(*(reports.c[name] for name in names), _DECIDED.label("decide_time"))
        query = query.where(reports.c.brand_id == brand_id)
        if after is not None:
            time, report_id = after
            older = and_(reports.c.create_time == time, reports.c.report_id < report_id)
            query = query.where(or_(reports.c.create_time < time, older))
        query = query.order_by(reports.c.create_time.desc(), reports.c.report_id.desc()).limit(limit)
        with self._database.read("read a brand's notices") as connection:
            rows = connection.execute(query).all()
        return tuple(
            NoticeFate(
                report_id=row.report_id,
                listing_id=row.listing_id,
                reason_code=row.reason_code,
                formal=row.notice is not None,
                right_id=(row.notice or {}).get("right_id", ""),
                state=ReportState(row.state),
                create_time=row.create_time,
                decide_time=row.decide_time,
            )
            for row in rows
        )

    def notice_tally(self, brand_id: str) -> NoticeTally:
        """Count how the last 100 decided reports of a brand's owner fared; those decided together count once."""
        own = reports.c.brand_id == brand_id
        waiting = select(func.count(reports.c.listing_id.distinct())).where(own, _RECEIVED)
        newest = func.max(reports.c.create_time)
        decided = (
            select(reports.c.state)
            .where(own, ~_RECEIVED)
            .group_by(reports.c.listing_id, reports.c.decision_id, reports.c.state)
            .order_by(newest.desc(), reports.c.listing_id)
            .limit(LAST_DECIDED)
        )
        with self._database.read("count a brand's notices") as connection:
            states = list(connection.scalars(decided))
            return NoticeTally(
                waiting=connection.execute(waiting).scalar_one(),
                upheld=states.count(str(ReportState.UPHELD)),
                declined=states.count(str(ReportState.DECLINED)),
            )
