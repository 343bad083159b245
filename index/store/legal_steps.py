"""Which steps of the law's procedures were taken in a case? Recorded once, and never changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select, update

from index.audit.entries import Act, Entry
from index.errors import Conflict
from index.legal_steps import LegalStep, LegalStepKind
from index.rulings import UNDECIDED, AppealState, RequestKey
from index.store.audit import enter
from index.store.cases import change_case, lock_case
from index.store.decisions import lock_decision
from index.store.engine import Database
from index.store.requests import claim_request
from index.store.retry import run_again
from index.store.tables.cases import appeals
from index.store.tables.evidence import legal_steps

_COLUMNS = tuple(LegalStep.__dataclass_fields__)
# Of a counter-statement there is nothing to send on without an appeal.
_OF_APPEALS = (LegalStepKind.COUNTER_FORWARDED, LegalStepKind.COUNTER_ARRIVED)


class LegalStepStore:
    """The part of the store that keeps the steps of the law's procedures."""

    _database: Database

    @run_again
    def add_legal_step(self, step: LegalStep, *, request: RequestKey | None = None) -> LegalStep:
        """Record a step; with a request that came before, return the one that it made.

        An appeal whose statement was sent on to the notifier is FORWARDED from then on, until it is decided.

        Raises:
            NotFound: there is no such case or decision.
            Conflict: nobody appealed, so that there is nothing that could have been sent on.
            KeyReused: the idempotency key was another request's.

        """
        with self._database.write(f"record a legal step in {step.case_id!r}") as connection:
            earlier = claim_request(connection, request, step.step_id, step.record_time)
            if earlier is not None:
                found = connection.execute(select(legal_steps).where(legal_steps.c.step_id == earlier)).one()
                return _record(found)
            lock_decision(connection, step.decision_id)
            case = lock_case(connection, step.case_id)
            if step.kind in _OF_APPEALS:
                _note_forwarded(connection, step)
            values = {name: getattr(step, name) for name in _COLUMNS} | {"kind": str(step.kind)}
            connection.execute(legal_steps.insert().values(**values))
            change_case(connection, case, step.record_time)
            facts = {
                "case": step.case_id,
                "decision": step.decision_id,
                "kind": str(step.kind),
            }
            enter(connection, Entry(act=Act.LEGAL_STEP, subject=step.step_id, actor=step.reviewer, facts=facts))
            return step

    def case_steps(self, case_id: str) -> tuple[LegalStep, ...]:
        """Return the steps in a case, in the order in which they were recorded."""
        query = select(legal_steps).where(legal_steps.c.case_id == case_id).order_by(legal_steps.c.number)
        with self._database.read("read legal steps") as connection:
            return tuple(map(_record, connection.execute(query)))


def steps_about(connection: Connection, decision_ids: list[str]) -> list[LegalStep]:
    """Return the steps about some decisions, in the order in which they were recorded."""
    query = select(legal_steps).where(legal_steps.c.decision_id.in_(decision_ids)).order_by(legal_steps.c.number)
    return list(map(_record, connection.execute(query)))


def _note_forwarded(connection: Connection, step: LegalStep) -> None:
    against = appeals.c.decision_id == step.decision_id
    if connection.scalars(select(appeals.c.appeal_id).where(against)).first() is None:
        raise Conflict(f"Nobody appealed against {step.decision_id!r}, so there is no statement to send on.")
    undecided = appeals.c.state.in_([str(state) for state in UNDECIDED])
    connection.execute(update(appeals).where(against, undecided).values(state=str(AppealState.FORWARDED)))


def _record(row: Row[Any]) -> LegalStep:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return LegalStep(**values | {"kind": LegalStepKind(row.kind)})
