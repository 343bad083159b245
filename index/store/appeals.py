"""Who appeals against a decision? Appeals, and the cases in which they are decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select, update

from index.audit.entries import Act, Entry
from index.case_records import UNRESOLVED, Case, CaseState
from index.errors import Conflict
from index.rulings import UNDECIDED, Appeal, AppealState, InForce
from index.store.audit import enter
from index.store.cases import cases_where, end_lease, find_case, insert_case, lock_case
from index.store.decisions import find_decision, lock_decision
from index.store.engine import Database
from index.store.retry import run_again
from index.store.rulings import in_force, last_in_force
from index.store.tables.cases import appeals, cases, resolutions

_COLUMNS = tuple(Appeal.__dataclass_fields__)


class AppealStore:
    """The part of the store that keeps appeals."""

    _database: Database

    @run_again
    def add_appeal(self, appeal: Appeal, *, case: Case) -> Appeal:
        """Record an appeal, and return it with the case in which it is decided; `case` is opened if there is none.

        While one is undecided, another by the same appellant returns the first.

        Raises:
            NotFound: there is no such decision.
            Conflict: an appeal against the decision was decided already, or somebody else's is undecided.

        """
        with self._database.write(f"record an appeal against {appeal.decision_id!r}") as connection:
            lock_decision(connection, appeal.decision_id)
            for earlier in against(connection, appeal.decision_id):
                if earlier.state in UNDECIDED and earlier.appellant_id == appeal.appellant_id:
                    return earlier
                raise Conflict(f"There is an appeal against {appeal.decision_id!r} already: it is {earlier.state}.")
            found = _case_to_decide_in(connection, appeal.decision_id)
            if found is None:
                insert_case(connection, case)
                found = case
            recorded = replace(appeal, case_id=found.case_id)
            values = {name: getattr(recorded, name) for name in _COLUMNS}
            values |= {"state": str(recorded.state), "document_sha256s": list(recorded.document_sha256s)}
            connection.execute(appeals.insert().values(**values))
            facts = {"case": found.case_id, "decision": appeal.decision_id}
            entry = Entry(act=Act.APPEALED, subject=appeal.appeal_id, actor=appeal.appellant_id, facts=facts)
            enter(connection, entry)
            _overtake_first_review(connection, appeal)
            locked = lock_case(connection, found.case_id)
            end_lease(connection, locked, appeal.create_time, CaseState.APPEALED, due_time=appeal.due_time)
            return recorded

    def appeals_against(self, decision_id: str) -> tuple[Appeal, ...]:
        """Return the appeals against a decision, the oldest first."""
        with self._database.read("read appeals") as connection:
            return tuple(against(connection, decision_id))

    def case_appeals(self, case_id: str) -> tuple[Appeal, ...]:
        """Return the appeals that are decided in a case, the oldest first."""
        own = select(appeals).where(appeals.c.case_id == case_id)
        with self._database.read("read appeals") as connection:
            rows = connection.execute(own.order_by(appeals.c.create_time, appeals.c.appeal_id))
            return tuple(_appeal(row) for row in rows)

    def verdict_in_force(self, decision_id: str) -> InForce:
        """Return the verdict on a decision that holds now: a person's, or the service's own. Raises NotFound."""
        with self._database.read("read the verdict in force") as connection:
            return in_force(connection, find_decision(connection, decision_id))


def against(connection: Connection, decision_id: str) -> list[Appeal]:
    """Return the appeals against a decision, the oldest first."""
    own = select(appeals).where(appeals.c.decision_id == decision_id)
    return [_appeal(row) for row in connection.execute(own.order_by(appeals.c.create_time, appeals.c.appeal_id))]


def _case_to_decide_in(connection: Connection, decision_id: str) -> Case | None:
    """Return the case whose resolution is in force, else one in which something is left to decide, else the newest."""
    ruled = last_in_force(connection, decision_id)
    if ruled is not None:
        return find_case(connection, ruled.case_id)
    found = cases_where(connection, cases.c.decision_id == decision_id)
    waiting = [one for one in found if one.state in UNRESOLVED] or found
    return waiting[-1] if waiting else None


def _overtake_first_review(connection: Connection, appeal: Appeal) -> None:
    """Let the appeal take the place of a second review that nobody gave yet; the first reviewer stays on record."""
    pending = (
        resolutions.c.decision_id == appeal.decision_id,
        resolutions.c.in_force.is_(False),
        resolutions.c.undo_time.is_(None),
    )
    values = {"undo_time": appeal.create_time, "undo_reason": "overtaken by an appeal"}
    overtaken = connection.scalars(select(resolutions.c.resolution_id).where(*pending)).all()
    connection.execute(update(resolutions).where(*pending).values(**values))
    facts = {"decision": appeal.decision_id, "appeal": appeal.appeal_id}
    enter(connection, *(Entry(act=Act.VERDICT_UNDONE, subject=one, facts=facts) for one in overtaken))


def _appeal(row: Row[Any]) -> Appeal:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return Appeal(
        **values | {"state": AppealState(row.state), "document_sha256s": tuple(row.document_sha256s)},
    )
