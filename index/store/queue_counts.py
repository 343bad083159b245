"""How long is the queue, how old, and how fast does it go? Counted in one pass over what waits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, select

from index.case_records import UNRESOLVED, CaseOrigin, CaseState
from index.insight import QueueCounts, QueueFlow, Span
from index.store.engine import Database
from index.store.steps import bin_of
from index.store.tables.cases import cases, resolutions

_H, _D = 3_600.0, 86_400.0
AGE_EDGES_S = (0.0, _H, 4 * _H, _D, 3 * _D, 7 * _D, 30 * _D, math.inf)
DUE_EDGES_S = (-math.inf, 0.0, _D, 3 * _D, 7 * _D, math.inf)
HARM_EDGES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, math.inf)
_NONE = -1
_WAITING = cases.c.state.in_([str(state) for state in UNRESOLVED])


class QueueCountStore:
    """The part of the store that counts the queue."""

    _database: Database

    def queue_counts(self, *, now: datetime) -> QueueCounts:
        """Count what waits for people."""
        held = and_(cases.c.lease_expire_time.is_not(None), cases.c.lease_expire_time > now)
        parts = {
            "state": cases.c.state,
            "held": case((held, 1), else_=0),
            "origin": cases.c.origin,
            "age": _after(cases.c.create_time, now, AGE_EDGES_S),
            "due": case((cases.c.due_time.is_(None), _NONE), else_=_until(cases.c.due_time, now, DUE_EDGES_S)),
            "harm": bin_of(cases.c.expected_harm, HARM_EDGES),
            "drawn": case((cases.c.drawn, 1), else_=0),
        }
        columns = [column.label(name) for name, column in parts.items()]
        query: Select[Any] = select(*columns, func.count().label("many")).where(_WAITING).group_by(*parts)
        with self._database.read("count the queue") as connection:
            rows = connection.execute(query).all()
            waiting = sum(row.many for row in rows)
            median, oldest = _opened(connection, waiting)
        return QueueCounts(
            waiting=waiting,
            states=_by_state(rows),
            origins={CaseOrigin(name): count for name, count in _tally(rows, "origin").items()},
            ages_s=_bins(rows, "age", AGE_EDGES_S),
            due_in_s=_bins(rows, "due", DUE_EDGES_S),
            harms=_bins(rows, "harm", HARM_EDGES),
            drawn=_tally(rows, "drawn")[1],
            median_age_s=_age_s(median, now),
            p90_age_s=_age_s(oldest, now),
        )

    def queue_flow(self, span: Span) -> QueueFlow:
        """Count the cases opened, and the verdicts of people that came into force, in a span."""
        opened = select(func.count()).select_from(cases)
        opened = opened.where(cases.c.create_time >= span.start, cases.c.create_time < span.end)
        resolved = (
            select(cases.c.drawn, func.count().label("many"))
            .join_from(resolutions, cases, resolutions.c.case_id == cases.c.case_id)
            .where(resolutions.c.resolve_time >= span.start, resolutions.c.resolve_time < span.end)
            .where(resolutions.c.in_force.is_(True))
            .group_by(cases.c.drawn)
        )
        with self._database.read("count how fast the queue goes") as connection:
            count = connection.execute(opened).scalar_one()
            by_drawn = {bool(row.drawn): row.many for row in connection.execute(resolved)}
        return QueueFlow(
            days=(span.end - span.start) / timedelta(days=1),
            opened=count,
            resolved=sum(by_drawn.values()),
            resolved_drawn=by_drawn.get(True, 0),
        )


def _after(time: ColumnElement[Any], now: datetime, edges_s: Sequence[float]) -> ColumnElement[int]:
    """Return the bin of the seconds since a moment."""
    inner = [now - timedelta(seconds=edge) for edge in edges_s[1:-1]]
    return case(*((time > edge, number) for number, edge in enumerate(inner)), else_=len(inner))


def _until(time: ColumnElement[Any], now: datetime, edges_s: Sequence[float]) -> ColumnElement[int]:
    """Return the bin of the seconds until a moment."""
    inner = [now + timedelta(seconds=edge) for edge in edges_s[1:-1]]
    return case(*((time < edge, number) for number, edge in enumerate(inner)), else_=len(inner))


def _opened(connection: Connection, waiting: int) -> tuple[datetime | None, datetime | None]:
    """Return when the median of the waiting cases was opened, and when the one that a tenth is older than."""
    if not waiting:
        return None, None
    # The oldest first: a tenth is older than the case in this place, half than the other.
    places = {"p90": waiting // 10 + 1, "median": (waiting + 1) // 2}
    ranked = select(cases.c.create_time, func.row_number().over(order_by=cases.c.create_time).label("place")).where(
        _WAITING
    )
    inner = ranked.subquery()
    found = select(inner.c.place, inner.c.create_time).where(inner.c.place.in_(sorted(set(places.values()))))
    times = {row.place: row.create_time for row in connection.execute(found)}
    return times[places["median"]], times[places["p90"]]


def _age_s(opened: datetime | None, now: datetime) -> float:
    return math.nan if opened is None else max((now - opened).total_seconds(), 0.0)


def _tally(rows: Sequence[Row[Any]], name: str) -> Counter[Any]:
    tally: Counter[Any] = Counter()
    for row in rows:
        tally[getattr(row, name)] += row.many
    return tally


def _bins(rows: Sequence[Row[Any]], name: str, edges: Sequence[float]) -> tuple[int, ...]:
    tally = _tally(rows, name)
    return tuple(tally[number] for number in range(len(edges) - 1))


def _by_state(rows: Sequence[Row[Any]]) -> dict[CaseState, int]:
    tally: Counter[CaseState] = Counter()
    for row in rows:
        claimed = row.state == str(CaseState.OPEN) and row.held
        tally[CaseState.CLAIMED if claimed else CaseState(row.state)] += row.many
    return dict(tally)
