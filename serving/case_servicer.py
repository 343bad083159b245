"""What does each rpc of CaseService do? Thin: from protobuf to `serving.cases` and `serving.complaints`, and back.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
What is not built is refused by `serving.unimplemented`.
"""

from __future__ import annotations

import hashlib
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from index.rulings import RequestKey
from serving.caller import Caller, Trust, caller_of
from serving.case_pages import to_place, to_token
from serving.cases import BatchOutcome, CaseDesk, ItemOutcome
from serving.complaints import Complaints
from serving.servicers import deadline_of
from serving.unimplemented import EXPORT_EVIDENCE, refuse
from serving.wire_case import to_batch, to_case_id, to_claim, to_query, to_resolution, to_undoing
from serving.wire_case_answers import from_appeal, from_case, from_file, from_report, from_resolution
from serving.wire_complaint import to_complaint, to_objection
from serving.wire_decision import from_image_result
from serving.work import Work
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class CaseServicer(CaseServiceServicer):
    """CaseService. `trust` says from whom a call's metadata is believed about who calls."""

    def __init__(
        self, desk: CaseDesk, complaints: Complaints, work: Work, *, trust: Trust, max_deadline_s: float
    ) -> None:
        self._desk = desk
        self._complaints = complaints
        self._work = work.run
        self._trust = trust
        self._max_deadline_s = max_deadline_s

    async def ListCases(self, request: pb.ListCasesRequest, context: Context) -> pb.ListCasesResponse:  # noqa: N802
        """List a page of cases."""
        query = to_query(request)
        after, caller = to_place(request, query.order), self._caller(context)

        def work() -> pb.ListCasesResponse:
            page, now = self._desk.list(query, after=after), self._desk.clock()
            made = self._desk.store.resolutions_in(case.case_id for case in page.cases)
            return pb.ListCasesResponse(
                cases=[from_case(case, made.get(case.case_id, ()), now=now, viewer=caller.name) for case in page.cases],
                next_page_token=to_token(page.next_after, request),
                total_count=page.total,
            )

        return await self._work(work)

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.GetCaseResponse:  # noqa: N802
        """Look a case up."""
        case_id, caller = to_case_id(request), self._caller(context)
        return await self._work(
            lambda: pb.GetCaseResponse(case=from_file(self._desk.file(case_id), viewer=caller.name))
        )

    async def ClaimCase(self, request: pb.ClaimCaseRequest, context: Context) -> pb.ClaimCaseResponse:  # noqa: N802
        """Take, renew or let go a lease."""
        claim, caller = to_claim(request), self._caller(context)
        return await self._work(
            lambda: pb.ClaimCaseResponse(case=from_file(self._desk.claim(claim, caller), viewer=caller.name))
        )

    async def ResolveCase(self, request: pb.ResolveCaseRequest, context: Context) -> pb.ResolveCaseResponse:  # noqa: N802
        """Resolve a case."""
        caller = self._caller(context)
        outcome = to_resolution(request, self._desk.rules)

        def work() -> pb.ResolveCaseResponse:
            file, resolution = self._desk.resolve(
                request.case_id,
                outcome,
                caller,
                lease_token=request.lease_token,
                etag=request.etag,
                request=_key(request, request.request_id, caller),
            )
            return pb.ResolveCaseResponse(
                case=from_file(file, viewer=caller.name), resolution=from_resolution(resolution)
            )

        return await self._work(work)

    async def BatchResolveCases(  # noqa: N802
        self, request: pb.BatchResolveCasesRequest, context: Context
    ) -> pb.BatchResolveCasesResponse:
        """Resolve many cases, or preview it."""
        caller, deadline = self._caller(context), deadline_of(context, self._max_deadline_s)
        selection, outcome = to_batch(request, self._desk.rules)

        def work() -> pb.BatchResolveCasesResponse:
            if request.preview_only:
                return _from_batch(self._desk.preview(selection, outcome, caller))
            key = _key(request, request.request_id, caller)
            return _from_batch(self._desk.resolve_batch(selection, outcome, caller, request=key, deadline=deadline))

        return await self._work(work)

    async def UndoResolution(self, request: pb.UndoResolutionRequest, context: Context) -> pb.UndoResolutionResponse:  # noqa: N802
        """Undo a resolution or a batch."""
        undoing, caller = to_undoing(request), self._caller(context)

        def work() -> pb.UndoResolutionResponse:
            cases, count = self._desk.undo(undoing, caller)
            made, now = self._desk.store.resolutions_in(case.case_id for case in cases), self._desk.clock()
            shown = [from_case(case, made.get(case.case_id, ()), now=now, viewer=caller.name) for case in cases]
            return pb.UndoResolutionResponse(cases=shown, undone_count=count)

        return await self._work(work)

    async def ReportListing(self, request: pb.ReportListingRequest, context: Context) -> pb.ReportListingResponse:  # noqa: N802
        """Take in a report."""
        caller, deadline = self._caller(context), deadline_of(context, self._max_deadline_s)
        complaint = to_complaint(request, self._complaints.rules)

        def work() -> pb.ReportListingResponse:
            key = _key(request, request.request_id, caller)
            report, results = self._complaints.report(complaint, caller, request=key, deadline=deadline)
            return pb.ReportListingResponse(
                report=from_report(report),
                image_results=[from_image_result(result) for result in results],
                case_id=report.case_id,
            )

        return await self._work(work)

    async def AppealDecision(self, request: pb.AppealDecisionRequest, context: Context) -> pb.AppealDecisionResponse:  # noqa: ARG002, N802
        """Take in an appeal."""
        objection = to_objection(request)

        def work() -> pb.AppealDecisionResponse:
            appeal = self._complaints.appeal(objection)
            return pb.AppealDecisionResponse(appeal=from_appeal(appeal), case_id=appeal.case_id)

        return await self._work(work)

    async def ExportEvidence(  # noqa: N802
        self,
        request: pb.ExportEvidenceRequest,  # noqa: ARG002
        context: Context,
    ) -> pb.ExportEvidenceResponse:
        """Refuse: it is not built yet."""
        await refuse(EXPORT_EVIDENCE, context)

    def _caller(self, context: Context) -> Caller:
        return caller_of(context.invocation_metadata() or (), context.peer(), self._trust)


def _key(request: Message, request_id: str, caller: Caller) -> RequestKey | None:
    if not request_id:
        return None
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    scope = f"{request.DESCRIPTOR.name} by {caller.name}"
    return RequestKey(scope=scope, request_id=request_id, request_sha256=digest)


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
