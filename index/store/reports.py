"""Who said what about a listing? Reports, and the record of those who make them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, Text, bindparam, func, select, update

from index.audit.entries import Act, Entry
from index.case_records import Case
from index.errors import DecidedAnew, NotFound
from index.photos import Photo
from index.reports import Notice, Report, ReporterRecord, ReporterType, ReportOnRecord, ReportState
from index.rulings import RequestKey
from index.store.audit import enter
from index.store.cases import change_case, insert_case, lock_case, unresolved_case
from index.store.decisions import latest, lock_decision
from index.store.engine import Database, in_batches
from index.store.locks import lock_listing
from index.store.photos import insert_photos
from index.store.requests import claim_request
from index.store.retry import run_again
from index.store.rulings import last_in_force
from index.store.tables.cases import reports

_COLUMNS = tuple(name for name in Report.__dataclass_fields__ if name in reports.c)
_RECEIVED = reports.c.state == str(ReportState.RECEIVED)

# Anybody can report, so nothing may grow with the number of reports: not what a screening reads of a listing, nor a
# case as people read it. A hundred notices of the greatest size, 220 kB each, fit a message of 64 MiB.
MOST_WEIGHED = 1_000
MOST_SHOWN = 100
_NO_RECORD = ReporterRecord()

# Asked at each screening; built once, for that takes several times as long as running them.
_UNSETTLED = (
    select(*(reports.c[name] for name in ("report_id", "listing_id", "reporter_id", "reason_code", "create_time")))
    .where(reports.c.listing_id == bindparam("listing_id", type_=Text()), _RECEIVED)
    .order_by(reports.c.create_time.desc(), reports.c.report_id.desc())
    .limit(bindparam("most", type_=Integer()))
)
# Who reports one listing ten times is one who reported it.
_UPHELD = select(func.count()).select_from(
    select(reports.c.listing_id, reports.c.reporter_id)
    .where(reports.c.seller_id == bindparam("seller_id", type_=Text()), reports.c.state == str(ReportState.UPHELD))
    .distinct()
    .subquery()
)


class ReportStore:
    """The part of the store that keeps reports."""

    _database: Database

    @run_again
    def add_report(
        self,
        report: Report,
        *,
        case: Case,
        case_weight: float,
        request: RequestKey | None = None,
        photos: Sequence[Photo] = (),
    ) -> Report:
        """Record a report, and return it with the case that it belongs to.

        It joins the unresolved case of the listing's last decision, which `case` must be about. Where there is none,
        `case` is opened if the unsettled reports about the listing weigh `case_weight` or more together, each reporter
        counting once with their reliability; unless a person took the listing down already. With a request that came
        before, the report that it made is returned. `photos` are the pictures that came with it.

        Raises:
            NotFound: there is no decision that `case` is about.
            DecidedAnew: `case` is about a decision that the listing has outgrown; make the case of the new decision.
            KeyReused: the idempotency key was another request's.

        """
        with self._database.write(f"record a report about {report.listing_id!r}") as connection:
            earlier = claim_request(connection, request, report.report_id, report.create_time)
            if earlier is not None:
                return _one(connection, earlier)
            lock_decision(connection, case.decision_id)
            newest = latest(connection, report.listing_id)
            if newest is None or newest.decision_id != case.decision_id:
                raise DecidedAnew(f"The listing {report.listing_id!r} was decided anew meanwhile; report it again.")
            _insert(connection, report)
            insert_photos(connection, photos)
            _join_case(connection, report, case, case_weight)
            return _one(connection, report.report_id)

    @run_again
    def keep_report(self, report: Report, *, request: RequestKey | None = None, photos: Sequence[Photo] = ()) -> Report:
        """Record a report about a listing that was never screened: it weighs on the listing's first decision.

        `photos` are the pictures that came with it.

        Raises:
            DecidedAnew: the listing was screened meanwhile; `add_report` says what follows.
            KeyReused: the idempotency key was another request's.

        """
        with self._database.write(f"keep a report about {report.listing_id!r}") as connection:
            earlier = claim_request(connection, request, report.report_id, report.create_time)
            if earlier is not None:
                return _one(connection, earlier)
            lock_listing(connection, report.listing_id)
            if latest(connection, report.listing_id) is not None:
                raise DecidedAnew(f"The listing {report.listing_id!r} was decided meanwhile; report it again.")
            _insert(connection, report)
            insert_photos(connection, photos)
            return _one(connection, report.report_id)

    def find_report(self, report_id: str) -> Report | None:
        """Return a report, or None when there is none of the id."""
        with self._database.read("look for a report") as connection:
            row = connection.execute(select(reports).where(reports.c.report_id == report_id)).one_or_none()
        return None if row is None else _report(row)

    def reporter_records(self, reporter_ids: Iterable[str]) -> Mapping[str, ReporterRecord]:
        """Return what became of the earlier reports of each of the reporters; those without any are left out."""
        with self._database.read("read the record of reporters") as connection:
            return _records(connection, reporter_ids)

    def get_report(self, report_id: str) -> Report:
        """Return a report. Raises NotFound."""
        with self._database.read("read a report") as connection:
            return _one(connection, report_id)

    def listing_reports(self, listing_id: str, *, limit: int = MOST_SHOWN) -> tuple[Report, ...]:
        """Return the reports about a listing, the oldest first; of more than `limit`, those that say most.

        Notices and reporters whose capacity is proven come before buyers, then the newest before the older.
        """
        with self._database.read("read reports") as connection:
            return reports_on(connection, listing_id, limit=limit)

    def reports_about(self, listing_id: str) -> tuple[ReportOnRecord, ...]:
        """Return the newest unsettled reports about a listing with their reporters' record, the oldest first."""
        with self._database.read("read reports") as connection:
            return _unsettled(connection, listing_id)

    def reports_about_seller(self, seller_id: str) -> int:
        """Count the upheld reports about a seller's listings."""
        with self._database.read("count reports") as connection:
            return connection.execute(_UPHELD, {"seller_id": seller_id}).scalar_one()

    def report_times(self, reporter_id: str, *, since: datetime) -> tuple[datetime, ...]:
        """Return when a reporter reported from `since` on, the oldest first."""
        own = (reports.c.reporter_id == reporter_id, reports.c.create_time >= since)
        query = select(reports.c.create_time).where(*own).order_by(reports.c.create_time)
        with self._database.read("read a reporter's reports") as connection:
            return tuple(connection.scalars(query))


def _insert(connection: Connection, report: Report) -> None:
    values = {name: getattr(report, name) for name in _COLUMNS}
    values |= {
        "reporter_type": str(report.reporter_type),
        "state": str(report.state),
        "notice": None if report.notice is None else asdict(report.notice),
        "image_sha256s": list(report.image_sha256s),
    }
    connection.execute(reports.insert().values(**values, decision_id="", settled_by=""))
    facts = {"listing": report.listing_id, "reason_code": report.reason_code, "by": str(report.reporter_type)}
    enter(connection, Entry(act=Act.REPORTED, subject=report.report_id, actor=report.reporter_id, facts=facts))


def reports_on(
    connection: Connection, listing_id: str, *, until: datetime | None = None, limit: int = MOST_SHOWN
) -> tuple[Report, ...]:
    """Return the reports about a listing as `ReportStore.listing_reports` does; with `until`, those made by then."""
    mere = reports.c.notice.is_(None) & (reports.c.reporter_type == str(ReporterType.BUYER))
    about = select(reports).where(reports.c.listing_id == listing_id)
    if until is not None:
        about = about.where(reports.c.create_time <= until)
    order = (mere, reports.c.create_time.desc(), reports.c.report_id.desc())
    found = [_report(row) for row in connection.execute(about.order_by(*order).limit(limit))]
    return tuple(sorted(found, key=lambda report: (report.create_time, report.report_id)))


def _join_case(connection: Connection, report: Report, case: Case, case_weight: float) -> None:
    waiting = unresolved_case(connection, case.decision_id)
    if waiting is not None:
        change_case(connection, lock_case(connection, waiting.case_id), report.create_time)
    else:
        ruled = last_in_force(connection, case.decision_id)
        if ruled is not None and ruled.outcome.takes_down:
            return
        if _weight(_unsettled(connection, report.listing_id)) < case_weight:
            return
        insert_case(connection, case)
        waiting = case
    joining = (reports.c.listing_id == report.listing_id, _RECEIVED, reports.c.case_id != waiting.case_id)
    connection.execute(update(reports).where(*joining).values(case_id=waiting.case_id))


def _weight(unsettled: Iterable[ReportOnRecord]) -> float:
    """Add up the reliability of those who report, each of them once."""
    return sum({one.reporter_id: one.reliability for one in unsettled}.values())


def _unsettled(connection: Connection, listing_id: str) -> tuple[ReportOnRecord, ...]:
    rows = connection.execute(_UNSETTLED, {"listing_id": listing_id, "most": MOST_WEIGHED}).all()[::-1]
    if not rows:
        return ()
    records = _records(connection, {row.reporter_id for row in rows})
    return tuple(ReportOnRecord(**row._asdict(), **vars(records.get(row.reporter_id, _NO_RECORD))) for row in rows)


def _records(connection: Connection, reporter_ids: Iterable[str]) -> Mapping[str, ReporterRecord]:
    """Count each reporter's settled reports, those about one listing once."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in in_batches(reporter_ids):
        settled = (reports.c.reporter_id.in_(batch), ~_RECEIVED)
        tally = select(reports.c.reporter_id, reports.c.state, func.count(reports.c.listing_id.distinct()))
        grouped = tally.where(*settled).group_by(reports.c.reporter_id, reports.c.state)
        for reporter_id, state, count in connection.execute(grouped):
            counts[reporter_id, state] = count
    return {
        reporter_id: ReporterRecord(
            upheld=counts[reporter_id, str(ReportState.UPHELD)], declined=counts[reporter_id, str(ReportState.DECLINED)]
        )
        for reporter_id, _ in list(counts)
    }


def _one(connection: Connection, report_id: str) -> Report:
    row = connection.execute(select(reports).where(reports.c.report_id == report_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no report with the id {report_id!r}.")
    return _report(row)


def _report(row: Row[Any]) -> Report:
    values = {name: getattr(row, name) for name in _COLUMNS} | {
        "reporter_type": ReporterType(row.reporter_type),
        "state": ReportState(row.state),
        "image_sha256s": tuple(row.image_sha256s),
        "notice": None if row.notice is None else _notice(row.notice),
    }
    return Report(**values)


def _notice(stored: dict[str, Any]) -> Notice:
    lists = {name: tuple(stored[name]) for name in ("urls", "document_sha256s")}
    return Notice(**stored | lists)
