"""Which verdict holds now? What people decided, read back; `index.store.resolutions` writes it.

The verdict in force on a decision is that of the last resolution that stands and needs nobody else any more; without
one it is the decision's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from index.decision_records import DecisionRecord
from index.errors import NotFound
from index.rulings import Ground, InForce, Outcome, Resolution, Statement
from index.store.engine import Database, in_batches
from index.store.tables.cases import resolutions

_OUTCOME = ("verdict", "reason_code", "note", "statement")
_COLUMNS = tuple(name for name in Resolution.__dataclass_fields__ if name in resolutions.c)


class RulingStore:
    """The part of the store that tells what people decided."""

    _database: Database

    def get_resolution(self, resolution_id: str) -> Resolution:
        """Return a resolution. Raises NotFound."""
        with self._database.read("read a resolution") as connection:
            return find_resolution(connection, resolution_id)

    def resolutions_in(self, case_ids: Iterable[str]) -> dict[str, tuple[Resolution, ...]]:
        """Return the resolutions in each of the cases that has any, the first first."""
        found: dict[str, list[Resolution]] = {}
        with self._database.read("read resolutions") as connection:
            for batch in in_batches(case_ids):
                listed = select(resolutions).where(resolutions.c.case_id.in_(batch)).order_by(resolutions.c.number)
                for row in connection.execute(listed):
                    found.setdefault(row.case_id, []).append(_record(row))
        return {case_id: tuple(items) for case_id, items in found.items()}


def find_resolution(connection: Connection, resolution_id: str) -> Resolution:
    """Return a resolution. Raises NotFound."""
    this = select(resolutions).where(resolutions.c.resolution_id == resolution_id)
    row = connection.execute(this).one_or_none()
    if row is None:
        raise NotFound(f"There is no resolution with the id {resolution_id!r}.")
    return _record(row)


def all_on(connection: Connection, decision_id: str) -> list[Resolution]:
    """Return every resolution on a decision, undone ones too, the first first."""
    query = select(resolutions).where(resolutions.c.decision_id == decision_id)
    return [_record(row) for row in connection.execute(query.order_by(resolutions.c.number))]


def resolutions_where(connection: Connection, query: Select[Any]) -> list[tuple[int, Resolution]]:
    """Return the resolutions that a query of whole rows finds, in its order, each with its number."""
    return [(row.number, _record(row)) for row in connection.execute(query)]


def standing(connection: Connection, decision_id: str) -> list[Resolution]:
    """Return the resolutions on a decision that nobody undid, the first first."""
    return [one for one in all_on(connection, decision_id) if one.stands]


def in_force(connection: Connection, decision: DecisionRecord, *, at: datetime | None = None) -> InForce:
    """Return the verdict on a decision that holds now, or that held at a moment."""
    found = InForce(verdict=decision.verdict, since=decision.create_time)
    for one in all_on(connection, decision.decision_id):
        holds = one.in_force and one.stands if at is None else one.held_at(at)
        if holds and one.outcome.verdict != found.verdict:
            found = InForce(verdict=one.outcome.verdict, since=one.resolve_time)
    return found


def last_in_force(connection: Connection, decision_id: str) -> Resolution | None:
    """Return the resolution that holds on a decision, or None when the service's own verdict does."""
    return next((one for one in reversed(standing(connection, decision_id)) if one.in_force), None)


def insert_resolution(connection: Connection, resolution: Resolution, **further: Any) -> None:
    """Insert a resolution; `further` are the columns that a record lacks."""
    values = {name: getattr(resolution, name) for name in _COLUMNS} | outcome_columns(resolution.outcome)
    connection.execute(resolutions.insert().values(**values, **further))


def outcome_columns(outcome: Outcome) -> dict[str, Any]:
    """Spread an outcome over its columns."""
    statement = None
    if outcome.statement is not None:
        statement = asdict(outcome.statement)
        end = outcome.statement.end_time
        statement["end_time"] = None if end is None else end.isoformat()
    return {name: getattr(outcome, name) for name in _OUTCOME} | {"statement": statement}


def outcome_of(row: Row[Any]) -> Outcome:
    """Read an outcome from its columns."""
    return Outcome(**{name: getattr(row, name) for name in _OUTCOME if name != "statement"}, statement=_told(row))


def _record(row: Row[Any]) -> Resolution:
    return Resolution(**{name: getattr(row, name) for name in _COLUMNS}, outcome=outcome_of(row))


def _told(row: Row[Any]) -> Statement | None:
    if row.statement is None:
        return None
    end = row.statement["end_time"]
    kept = row.statement | {
        "ground": Ground(row.statement["ground"]),
        "territories": tuple(row.statement["territories"]),
        "end_time": None if end is None else datetime.fromisoformat(end),
    }
    return Statement(**kept)
