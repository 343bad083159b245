"""In which step of time, or between which edges, does a row lie? SQL that both databases understand.

They agree on neither the seconds of a moment nor how a quotient is rounded, so that is said once, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, case, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# 1970 began on a Thursday: Mondays are so many seconds after whole weeks.
MONDAY_S = 4 * 86_400
HOUR_S, DAY_S, WEEK_S = 3_600, 86_400, 7 * 86_400


class seconds_of(FunctionElement[int]):  # noqa: N801 - reads like SQL's own functions
    """Whole seconds from 1970 to a column's moment, rounded down."""

    type = BigInteger()
    inherit_cache = True
    name = "seconds_of"


@compiles(seconds_of, "sqlite")
def _in_sqlite(element: seconds_of, compiler: SQLCompiler, **options: Any) -> str:
    # Without the fraction, which it would round to a thousandth: the last moment of a day belonged to the next one.
    return f"CAST(strftime('%s', substr({compiler.process(element.clauses, **options)}, 1, 19)) AS INTEGER)"


@compiles(seconds_of, "postgresql")
def _in_postgresql(element: seconds_of, compiler: SQLCompiler, **options: Any) -> str:
    # Not EXTRACT, which computes with decimal numbers: a third slower.
    return f"CAST(FLOOR(date_part('epoch', {compiler.process(element.clauses, **options)})) AS BIGINT)"


class _step(FunctionElement[Any]):  # noqa: N801
    """The step that a moment lies in, of the step's length and of when the first one began, in seconds."""

    inherit_cache = True
    name = "step"


@compiles(_step, "sqlite")
def _step_in_sqlite(element: _step, compiler: SQLCompiler, **options: Any) -> str:
    time, length, first = element.clauses
    return compiler.process((seconds_of(time) - first) // length * length + first, **options)


@compiles(_step, "postgresql")
def _step_in_postgresql(element: _step, compiler: SQLCompiler, **options: Any) -> str:
    # Half the time of computing with seconds, which are floating-point numbers first; since PostgreSQL 14.
    time, length, first = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date_bin(make_interval(secs => {length}), {time}, to_timestamp({first}))"


class begin_of(FunctionElement[int]):  # noqa: N801
    """The first second, since 1970, of a step."""

    type = BigInteger()
    inherit_cache = True
    name = "begin_of"


@compiles(begin_of, "sqlite")
def _begin_in_sqlite(element: begin_of, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(begin_of, "postgresql")
def _begin_in_postgresql(element: begin_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(date_part('epoch', {compiler.process(element.clauses, **options)}) AS BIGINT)"


def step_of(time: ColumnElement[Any], step_s: int) -> ColumnElement[Any]:
    """Return the step of `step_s` seconds that a moment after 1970 lies in: to group by, and to ask `begin_of`."""
    # Not as parameters: PostgreSQL would take the step that is selected for another one than is grouped by.
    return _step(time, literal_column(str(step_s), Integer), literal_column(str(_offset_s(step_s)), Integer))


def first_of_step(second: int, step_s: int) -> int:
    """Return the first second, since 1970, of the step that a second lies in."""
    return second - (second - _offset_s(step_s)) % step_s


def _offset_s(step_s: int) -> int:
    return MONDAY_S if step_s == WEEK_S else 0


def bin_of(value: ColumnElement[Any], edges: Sequence[Any]) -> ColumnElement[int]:
    """Return the number of the bin, from 0, that a value lies in: below edges[1], below edges[2], ..., the rest."""
    inner = edges[1:-1]
    return case(*((value < edge, number) for number, edge in enumerate(inner)), else_=len(inner))
