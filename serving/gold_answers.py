"""What does CaseService answer about gold cases? Marked and unmarked by leads, listed for who may see them; blocking.

How people are checked with them stands in `serving.checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from index.check_records import GoldOnRecord
from serving.access.caller import Caller
from serving.cases import CaseDesk
from serving.errors import FieldViolation
from serving.page_tokens import read_token, write_token
from serving.wire.case import DEFAULT_PAGE, MAX_PAGE, refuse
from serving.wire.case_answers import from_case, from_gold
from serving.wire.rules import check_id, check_range, check_text
from touchstone.moderation.v1 import case_service_pb2 as pb

MAX_NOTE_CHARACTERS = 2_000


@dataclass(frozen=True)
class GoldAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    desk: CaseDesk

    def mark(self, request: pb.MarkGoldCaseRequest, caller: Caller) -> pb.MarkGoldCaseResponse:
        """Answer MarkGoldCase."""
        refuse(_mark_violations(request))
        name = self.desk.pseudonym(caller.required())
        gold = self.desk.store.mark_gold(
            request.case_id, note=request.note.strip(), marked_by=name, time=self.desk.clock()
        )
        return pb.MarkGoldCaseResponse(gold=from_gold(gold))

    def unmark(self, request: pb.UnmarkGoldCaseRequest, caller: Caller) -> pb.UnmarkGoldCaseResponse:
        """Answer UnmarkGoldCase."""
        refuse(check_id("case_id", request.case_id, required=True))
        caller.required()
        unmarked = self.desk.store.unmark_gold(request.case_id, time=self.desk.clock())
        return pb.UnmarkGoldCaseResponse(unmarked=unmarked)

    def list(self, request: pb.ListGoldCasesRequest, caller: Caller) -> pb.ListGoldCasesResponse:
        """Answer ListGoldCases."""
        refuse(check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE))
        question, after = pb.ListGoldCasesRequest(), None
        if request.page_token:
            time, case_id = read_token(question, request.page_token, datetime, str)
            after = time, case_id
        page = self.desk.store.list_gold(after=after, limit=request.page_size or DEFAULT_PAGE)
        made = self.desk.resolutions_in([one.gold.case_id for one in page.golds], caller)
        now = self.desk.clock()

        def told(one: GoldOnRecord) -> pb.GoldCase:
            case = from_case(one.case, made.get(one.gold.case_id, ()), now=now, viewer=caller.name)
            case.gold.CopyFrom(from_gold(one.gold))
            return pb.GoldCase(case=case, answer_count=one.answers, agreed_count=one.agreed)

        return pb.ListGoldCasesResponse(
            gold_cases=[told(one) for one in page.golds],
            next_page_token=write_token(question, *page.next_after) if page.next_after else "",
        )


def _mark_violations(request: pb.MarkGoldCaseRequest) -> Iterator[FieldViolation]:
    yield from check_id("case_id", request.case_id, required=True)
    yield from check_text("note", request.note, limit=MAX_NOTE_CHARACTERS)
    if not request.note.strip():
        yield FieldViolation("note", "is empty; say why the verdict is right, for those who answer otherwise")
