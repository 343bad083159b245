"""What does each rpc of CaseService do? Who calls, until when, and then `serving.case_answers` on a worker thread.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
"""

from __future__ import annotations

from typing import Any

import grpc

from serving.access.caller import CALLING, Caller
from serving.case_answers import CaseAnswers
from serving.servicers import deadline_of
from serving.work import Work
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class CaseServicer(CaseServiceServicer):
    """CaseService, for callers whom `serving.access.admission` let in."""

    def __init__(self, answers: CaseAnswers, work: Work, *, max_deadline_s: float) -> None:
        self._answers = answers
        self._work = work.run
        self._max_deadline_s = max_deadline_s

    async def ListCases(self, request: pb.ListCasesRequest, context: Context) -> pb.ListCasesResponse:  # noqa: N802
        """List a page of cases."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.list(request, caller))

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.GetCaseResponse:  # noqa: N802
        """Look a case up."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.get(request, caller))

    async def ClaimCase(self, request: pb.ClaimCaseRequest, context: Context) -> pb.ClaimCaseResponse:  # noqa: N802
        """Take, renew or let go a lease."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.claim(request, caller))

    async def ResolveCase(self, request: pb.ResolveCaseRequest, context: Context) -> pb.ResolveCaseResponse:  # noqa: N802
        """Resolve a case."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.resolve(request, caller))

    async def BatchResolveCases(  # noqa: N802
        self, request: pb.BatchResolveCasesRequest, context: Context
    ) -> pb.BatchResolveCasesResponse:
        """Resolve many cases, or preview it."""
        caller, deadline = self._caller(context), deadline_of(context, self._max_deadline_s)
        return await self._work(lambda: self._answers.resolve_batch(request, caller, deadline=deadline))

    async def UndoResolution(self, request: pb.UndoResolutionRequest, context: Context) -> pb.UndoResolutionResponse:  # noqa: N802
        """Undo a resolution or a batch."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.undo(request, caller))

    async def MarkGoldCase(self, request: pb.MarkGoldCaseRequest, context: Context) -> pb.MarkGoldCaseResponse:  # noqa: N802
        """Mark a case as gold."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.gold.mark(request, caller))

    async def UnmarkGoldCase(self, request: pb.UnmarkGoldCaseRequest, context: Context) -> pb.UnmarkGoldCaseResponse:  # noqa: N802
        """Take the mark from a case."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.gold.unmark(request, caller))

    async def ListGoldCases(self, request: pb.ListGoldCasesRequest, context: Context) -> pb.ListGoldCasesResponse:  # noqa: N802
        """List gold cases."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.gold.list(request, caller))

    async def ReportListing(self, request: pb.ReportListingRequest, context: Context) -> pb.ReportListingResponse:  # noqa: N802
        """Take in a report."""
        caller, deadline = self._caller(context), deadline_of(context, self._max_deadline_s)
        return await self._work(lambda: self._answers.report(request, caller, deadline=deadline))

    async def AppealDecision(self, request: pb.AppealDecisionRequest, context: Context) -> pb.AppealDecisionResponse:  # noqa: N802
        """Take in an appeal."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.appeal(request, caller))

    async def ExportEvidence(self, request: pb.ExportEvidenceRequest, context: Context) -> pb.ExportEvidenceResponse:  # noqa: N802
        """Make an evidence package, or read on in one."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.export(request, caller))

    def _caller(self, _context: Context) -> Caller:
        return CALLING.get()
