"""What waits for a person? Cases, opened in the transaction of the decision that calls for one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select

from index.errors import NotFound
from index.records import Case, CaseState
from index.store.engine import Database
from index.store.tables.cases import cases

_FIELDS = tuple(Case.__dataclass_fields__)


class CaseStore:
    """The part of the store that keeps cases."""

    _database: Database

    def get_case(self, case_id: str) -> Case:
        """Return a case. Raises NotFound."""
        with self._database.read("read a case") as connection:
            row = connection.execute(select(cases).where(cases.c.case_id == case_id)).one_or_none()
        if row is None:
            raise NotFound(f"There is no case with the id {case_id!r}.")
        return _case(row)

    def open_cases(self, *, brand: str | None = None, after: Case | None = None, limit: int = 100) -> tuple[Case, ...]:
        """Return up to `limit` open cases, highest priority first, from the one that follows `after` in the queue."""
        queue = select(cases).where(cases.c.state == str(CaseState.OPEN))
        if brand is not None:
            queue = queue.where(cases.c.brand == brand)
        if after is not None:
            equal = and_(cases.c.priority == after.priority, cases.c.case_id < after.case_id)
            queue = queue.where(or_(cases.c.priority < after.priority, equal))
        # Both descending, so that one index serves the order; ids carry no meaning.
        queue = queue.order_by(cases.c.priority.desc(), cases.c.case_id.desc()).limit(limit)
        with self._database.read("list open cases") as connection:
            return tuple(_case(row) for row in connection.execute(queue))

    def count_open_cases(self, *, brand: str | None = None) -> int:
        """Return how many cases are open, of one brand or of all."""
        query = select(func.count()).where(cases.c.state == str(CaseState.OPEN))
        if brand is not None:
            query = query.where(cases.c.brand == brand)
        with self._database.read("count open cases") as connection:
            return connection.execute(query).scalar_one()


def insert_case(connection: Connection, case: Case) -> None:
    """Insert a new case, within the transaction of its decision."""
    values = {name: getattr(case, name) for name in _FIELDS}
    connection.execute(cases.insert().values(values | {"state": str(case.state), "verdict": str(case.verdict)}))


def _case(row: Row[Any]) -> Case:
    return Case(**{name: getattr(row, name) for name in _FIELDS if name != "state"}, state=CaseState(row.state))
