"""What happened when, and to what? Counts of decisions, cases, appeals and reports, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, func, literal, select

from index.case_records import CaseOrigin
from index.insight import Count, Happening, Span, Split
from index.rulings import AppealState
from index.store.engine import Database
from index.store.steps import begin_of, step_of
from index.store.tables.cases import appeals, cases, reports, resolutions
from index.store.tables.decisions import decisions

# The index begins with the origin; naming all of them lets it find a span of time.
ANY_ORIGIN = cases.c.origin.in_([str(origin) for origin in CaseOrigin])
_OF_CASE = cases.c.case_id


class VolumeStore:
    """The part of the store that counts what happened."""

    _database: Database

    def volumes(self, span: Span, *, step_s: int, split: Split = Split.NOTHING) -> tuple[Count, ...]:
        """Count everything that happened in a span, by step and by what it is split by; what is 0 is left out."""
        with self._database.read("count what happened") as connection:
            return tuple(
                Count(happening, row.key, begin_of(row.step, step_s), row.many)
                for happening, query in _queries(span, step_s, split)
                for row in connection.execute(query)
            )


def _queries(span: Span, step_s: int, split: Split) -> Iterator[tuple[Happening, Select[Any]]]:
    def counted(
        source: FromClause, table: Table, time: ColumnElement[Any], *conditions: ColumnElement[bool]
    ) -> Select[Any]:
        step, key = step_of(time, step_s), _key(table, split)
        within = and_(time >= span.start, time < span.end, *conditions)
        # By position: PostgreSQL would take two equal expressions with parameters for different ones.
        columns: list[ColumnElement[Any]] = [step.label("step"), key.label("key"), func.count().label("many")]
        return select(*columns).select_from(source).where(within).group_by("step", "key")

    ruled = resolutions.join(cases, resolutions.c.case_id == _OF_CASE)
    appealed = appeals.join(cases, appeals.c.case_id == _OF_CASE)
    reported = reports.outerjoin(cases, reports.c.case_id == _OF_CASE)
    in_force = resolutions.c.in_force.is_(True)
    yield Happening.DECIDED, counted(decisions, decisions, decisions.c.create_time)
    yield Happening.OPENED, counted(cases, cases, cases.c.create_time, ANY_ORIGIN)
    yield Happening.RESOLVED, counted(ruled, cases, resolutions.c.resolve_time, in_force)
    yield Happening.UNDONE, counted(ruled, cases, resolutions.c.undo_time, in_force)
    yield Happening.APPEALED, counted(appealed, cases, appeals.c.create_time)
    for happening, state in ((Happening.GRANTED, AppealState.GRANTED), (Happening.DENIED, AppealState.DENIED)):
        yield happening, counted(appealed, cases, appeals.c.decide_time, appeals.c.state == str(state))
    yield Happening.REPORTED, counted(reported, cases, reports.c.create_time)


def _key(table: Table, split: Split) -> ColumnElement[str]:
    if split is Split.NOTHING or split not in table.c:
        return literal("")
    return func.coalesce(table.c[str(split)], "")
