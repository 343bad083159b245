"""What happened when, and to what? Counts of decisions, cases, appeals and reports, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, and_, func, literal, select

from index.insight import Count, Happening, Span, Split
from index.rulings import AppealState
from index.store.engine import Database
from index.store.steps import begin_of, step_of
from index.store.tables.cases import appeals, cases, reports, resolutions
from index.store.tables.decisions import decisions


class VolumeStore:
    """The part of the store that counts what happened."""

    _database: Database

    def volumes(self, span: Span, *, step_s: int, split: Split = Split.NOTHING) -> tuple[Count, ...]:
        """Count everything that happened in a span, by step and by what it is split by; what is 0 is left out."""
        with self._database.read("count what happened") as connection:
            return tuple(
                Count(happening, row.key, row.step, row.many)
                for happening, query in _queries(span, step_s, split)
                for row in connection.execute(query)
            )


def _queries(span: Span, step_s: int, split: Split) -> Iterator[tuple[Happening, Select[Any]]]:
    def counted(
        source: FromClause, table: Table, time: ColumnElement[Any], *conditions: ColumnElement[bool]
    ) -> Select[Any]:
        step, key = step_of(time, step_s), _key(table, split)
        within = and_(time >= span.start, time < span.end, *conditions)
        columns: list[ColumnElement[Any]] = [begin_of(step).label("step"), key.label("key"), func.count().label("many")]
        # The key by its name: PostgreSQL would take two equal expressions with parameters for different ones.
        return select(*columns).select_from(source).where(within).group_by(step, "key")

    def of_case(table: Table, *, outer: bool = False) -> FromClause:
        # Without a split nothing is asked of the case.
        return table if split is Split.NOTHING else table.join(cases, table.c.case_id == cases.c.case_id, isouter=outer)

    in_force = resolutions.c.in_force.is_(True)
    yield Happening.DECIDED, counted(decisions, decisions, decisions.c.create_time)
    yield Happening.OPENED, counted(cases, cases, cases.c.create_time)
    yield Happening.RESOLVED, counted(of_case(resolutions), cases, resolutions.c.resolve_time, in_force)
    yield Happening.UNDONE, counted(of_case(resolutions), cases, resolutions.c.undo_time, in_force)
    yield Happening.APPEALED, counted(of_case(appeals), cases, appeals.c.create_time)
    for happening, state in ((Happening.GRANTED, AppealState.GRANTED), (Happening.DENIED, AppealState.DENIED)):
        yield happening, counted(of_case(appeals), cases, appeals.c.decide_time, appeals.c.state == str(state))
    yield Happening.REPORTED, counted(of_case(reports, outer=True), cases, reports.c.create_time)


def _key(table: Table, split: Split) -> ColumnElement[str]:
    if split is Split.NOTHING or split not in table.c:
        return literal("")
    return func.coalesce(table.c[str(split)], "")
