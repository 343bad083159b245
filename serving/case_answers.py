"""What does CaseService answer? From request to response, blocking: the servicer and the commands stand on this alike.

Requests are checked by `serving.wire.case` and `serving.wire.complaint`, work is done by `serving.cases` and
`serving.complaints`, and `serving.wire.case_answers` writes down what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.rpc.status_pb2 import Status

from index.case_records import Case
from serving.access.caller import Caller
from serving.access.permissions import Permission, check_audience, entitled
from serving.case_batches import BatchOutcome, CaseBatches, ItemOutcome
from serving.case_pages import to_place, to_token
from serving.cases import CaseDesk
from serving.complaints import Complaints
from serving.deadline import NEVER, Deadline
from serving.gold_answers import GoldAnswers
from serving.packages.making import Packages
from serving.receipts import Receipts
from serving.request_keys import key_of
from serving.wire.case import to_batch, to_case_id, to_claim, to_query, to_resolution, to_undoing
from serving.wire.case_answers import from_appeal, from_case, from_file, from_gold, from_report, from_resolution
from serving.wire.complaint import to_complaint, to_objection
from serving.wire.decision import from_image_result
from serving.wire.package import from_package, to_export
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb


@dataclass(frozen=True)
class CaseAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    desk: CaseDesk
    complaints: Complaints
    packages: Packages

    @property
    def gold(self) -> GoldAnswers:
        """What is answered about gold cases."""
        return GoldAnswers(self.desk)

    def list(self, request: pb.ListCasesRequest, caller: Caller) -> pb.ListCasesResponse:
        """List a page of cases."""
        query = to_query(request)
        after = to_place(request, query.order)
        with self.desk.store.reading():
            page = self.desk.list(query, caller, after=after)
            cases = self._briefly(page.cases, caller)
        return pb.ListCasesResponse(
            cases=cases,
            next_page_token=to_token(page.next_after, request),
            total_count=page.total,
        )

    def get(self, request: pb.GetCaseRequest, caller: Caller) -> pb.GetCaseResponse:
        """Look a case up."""
        file, rules = self.desk.file(to_case_id(request)), self.desk.rules
        case = from_file(file, viewer=caller.name)
        gold = self.desk.store.find_gold(case.case_id) if entitled(caller, Permission.READ_GOLD) else None
        if gold is not None:
            case.gold.CopyFrom(from_gold(gold))
        return pb.GetCaseResponse(
            case=case,
            reason_codes=rules.reason_codes,
            statement_required=rules.needs_statement(file.case.market),
        )

    def claim(self, request: pb.ClaimCaseRequest, caller: Caller) -> pb.ClaimCaseResponse:
        """Take, renew or let go a lease."""
        file = self.desk.claim(to_claim(request), caller)
        return pb.ClaimCaseResponse(case=from_file(file, viewer=caller.name))

    def resolve(self, request: pb.ResolveCaseRequest, caller: Caller) -> pb.ResolveCaseResponse:
        """Resolve a case."""
        file, resolution = self.desk.resolve(
            request.case_id,
            to_resolution(request, self.desk.rules),
            caller,
            lease_token=request.lease_token,
            etag=request.etag,
            request=key_of(request, request.request_id, caller),
        )
        case = from_file(file, viewer=caller.name)
        return pb.ResolveCaseResponse(case=case, resolution=from_resolution(resolution))

    def resolve_batch(
        self, request: pb.BatchResolveCasesRequest, caller: Caller, *, deadline: Deadline = NEVER
    ) -> pb.BatchResolveCasesResponse:
        """Resolve many cases, or preview it."""
        selection, outcome = to_batch(request, self.desk.rules)
        batches = CaseBatches(self.desk)
        if request.preview_only:
            return _from_batch(batches.preview(selection, outcome, caller))
        key = key_of(request, request.request_id, caller)
        return _from_batch(batches.resolve(selection, outcome, caller, request=key, deadline=deadline))

    def undo(self, request: pb.UndoResolutionRequest, caller: Caller) -> pb.UndoResolutionResponse:
        """Undo a resolution or a batch."""
        cases, count = self.desk.undo(to_undoing(request), caller)
        return pb.UndoResolutionResponse(cases=self._briefly(cases, caller), undone_count=count)

    def report(
        self, request: pb.ReportListingRequest, caller: Caller, *, deadline: Deadline = NEVER
    ) -> pb.ReportListingResponse:
        """Take in a report."""
        report, results = self.complaints.report(
            to_complaint(request, self.complaints.rules),
            caller,
            request=key_of(request, request.request_id, caller),
            deadline=deadline,
        )
        return pb.ReportListingResponse(
            report=from_report(report),
            image_results=[from_image_result(result) for result in results],
            case_id=report.case_id,
            receipt_token=Receipts(self.complaints.store).token(report.report_id),
        )

    def appeal(self, request: pb.AppealDecisionRequest, caller: Caller) -> pb.AppealDecisionResponse:  # noqa: ARG002
        """Take in an appeal; whoever calls, the request names the seller."""
        appeal = self.complaints.appeal(to_objection(request))
        return pb.AppealDecisionResponse(appeal=from_appeal(appeal), case_id=appeal.case_id)

    def export(self, request: pb.ExportEvidenceRequest, caller: Caller) -> pb.ExportEvidenceResponse:
        """Make an evidence package, or read on in one."""
        asked = to_export(request)
        if asked.package_id:
            package = self.packages.get(asked.case_id, asked.package_id)
        else:
            name = self.desk.pseudonym(caller.required())
            check_audience(caller, asked.audience)
            package = self.packages.make(asked.wish(exported_by=name))
        check_audience(caller, package.audience)
        piece = from_package(package, self.packages.content(package), asked)
        if not piece.next_offset_bytes:
            self.packages.read_out(package)
        return piece

    def _briefly(self, cases: Sequence[Case], caller: Caller) -> Sequence[case_pb2.Case]:
        made, now = self.desk.resolutions_in([case.case_id for case in cases], caller), self.desk.clock()
        return [from_case(case, made.get(case.case_id, ()), now=now, viewer=caller.name) for case in cases]


def _from_batch(outcome: BatchOutcome) -> pb.BatchResolveCasesResponse:
    return pb.BatchResolveCasesResponse(
        batch_id=outcome.batch_id,
        results=[_from_item(item) for item in outcome.items],
        resolved_count=outcome.resolved,
    )


def _from_item(item: ItemOutcome) -> pb.BatchResolveCasesResult:
    result = pb.BatchResolveCasesResult(case_id=item.case_id, listing_id=item.listing_id)
    if item.resolution is not None:
        result.resolution.CopyFrom(from_resolution(item.resolution))
    elif item.error:
        result.error.CopyFrom(Status.FromString(item.error))
    return result
