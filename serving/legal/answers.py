"""What does StatementService answer? Blocking, from request to response."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from index.evidence_records import TakedownPlace
from index.legal_steps import LegalStep
from index.rulings import RequestKey
from serving.access.caller import Caller
from serving.case_rules import CaseRules
from serving.cases import CaseDesk
from serving.checks import refuse_for_check, shown_takedown
from serving.legal.clock import ClockFacts, deadlines
from serving.legal.register import territory_of, to_register
from serving.legal.register_rules import RegisterBatch
from serving.legal.statements import Statements
from serving.page_tokens import read_token, write_token
from serving.request_keys import key_of
from serving.wire.case import refuse
from serving.wire.rules import check_id
from serving.wire.statement import (
    Recorded,
    from_deadline,
    from_seller_statement,
    from_step,
    to_period,
    to_step,
    to_target,
)
from touchstone.moderation.v1 import statement_service_pb2 as pb


@dataclass(frozen=True)
class StatementAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    desk: CaseDesk

    @property
    def rules(self) -> CaseRules:
        """The operator's rules."""
        return self.desk.rules

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time, in UTC."""
        return self.desk.clock

    @property
    def statements(self) -> Statements:
        """What composes statements."""
        return Statements(self.desk.store, self.desk.rules)

    def get(self, request: pb.GetStatementRequest) -> pb.GetStatementResponse:
        """Answer GetStatement."""
        language = to_target(request)
        store, decision_id = self.desk.store, request.decision_id
        of_case = request.WhichOneof("target") == "case_id"
        check = store.find_check(check_id=request.case_id) if of_case else store.find_check(decision_id=decision_id)
        if check is not None:
            statement = self.statements.of_takedown(shown_takedown(check), language=language)
        else:
            decision_id = store.get_case(request.case_id).decision_id if of_case else decision_id
            statement = self.statements.of_decision(decision_id, language=language)
        days = self.rules.notifier_answer_days
        return pb.GetStatementResponse(statement=from_seller_statement(statement, answer_days=days))

    def export(self, request: pb.ExportStatementsRequest) -> pb.ExportStatementsResponse:
        """Answer ExportStatements: a page of takedowns, of which those count that the register has to do with."""
        period, question = to_period(request), pb.ExportStatementsRequest()
        question.start_time.CopyFrom(request.start_time)
        question.end_time.CopyFrom(request.end_time)
        after = None
        if request.page_token:
            time, by_person, number = read_token(question, request.page_token, datetime, int, int)
            after = TakedownPlace(time, by_person=bool(by_person), number=number)
        store = self.desk.store
        page = store.takedowns_between(period.start, period.end, after=after, limit=period.limit)
        told = [self.statements.of_takedown(one, language="en") for one in page.takedowns]
        batch = RegisterBatch(
            statements=tuple(
                to_register(one, offered=store.first_decision_time(one.listing_id)) for one in told if territory_of(one)
            )
        )
        token = ""
        if (place := page.next_after) is not None:
            token = write_token(question, place.time, int(place.by_person), place.number)
        content = json.dumps(batch.model_dump(mode="json", exclude_none=True), ensure_ascii=False)
        return pb.ExportStatementsResponse(
            content=content, statement_count=len(batch.statements), next_page_token=token
        )

    def clock_of(self, request: pb.GetLegalClockRequest) -> pb.GetLegalClockResponse:
        """Answer GetLegalClock."""
        refuse(check_id("case_id", request.case_id, required=True))
        file, steps = self.desk.file(request.case_id), self.desk.store.case_steps(request.case_id)
        in_force = self.desk.in_force(file)
        facts = ClockFacts(
            case=file.case,
            resolutions=file.resolutions,
            reports=file.reports,
            appeals=file.appeals,
            steps=steps,
            taken_down=in_force.since if in_force.verdict == "TAKEDOWN" else None,
            restriction=self.desk.restriction(file),
        )
        now = self.clock()
        return pb.GetLegalClockResponse(
            deadlines=[from_deadline(one, now=now) for one in deadlines(facts, self.rules)],
            steps=[from_step(step) for step in steps],
        )

    def record(self, request: pb.RecordLegalStepRequest, caller: Caller) -> pb.RecordLegalStepResponse:
        """Answer RecordLegalStep."""
        now = self.clock()
        recorded = to_step(request, now=now)
        refuse_for_check(self.desk.store, recorded.case_id)
        step = self._step(recorded, caller, now, request=key_of(request, request.request_id, caller))
        return pb.RecordLegalStepResponse(step=from_step(step))

    def _step(self, recorded: Recorded, caller: Caller, now: datetime, *, request: RequestKey | None) -> LegalStep:
        store = self.desk.store
        step = LegalStep(
            step_id=uuid.uuid4().hex,
            case_id=recorded.case_id,
            decision_id=store.get_case(recorded.case_id).decision_id,
            kind=recorded.kind,
            time=recorded.time.astimezone(UTC),
            reference=recorded.reference,
            reviewer=self.desk.pseudonym(caller.required()),
            record_time=now,
        )
        return store.add_legal_step(step, request=request)
