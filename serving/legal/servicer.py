"""What does each rpc of StatementService do? Who calls, and then `serving.legal.answers` on a worker thread.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
"""

from __future__ import annotations

from typing import Any

import grpc

from serving.access.caller import CALLING
from serving.legal.answers import StatementAnswers
from serving.work import Work
from touchstone.moderation.v1 import statement_service_pb2 as pb
from touchstone.moderation.v1.statement_service_pb2_grpc import StatementServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class StatementServicer(StatementServiceServicer):
    """StatementService, for callers whom `serving.access.admission` let in."""

    def __init__(self, answers: StatementAnswers, work: Work) -> None:
        self._answers = answers
        self._work = work.run

    async def GetStatement(self, request: pb.GetStatementRequest, context: Context) -> pb.GetStatementResponse:  # noqa: ARG002, N802
        """Compose what a seller is told."""
        return await self._work(lambda: self._answers.get(request))

    async def ExportStatements(  # noqa: N802
        self,
        request: pb.ExportStatementsRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ExportStatementsResponse:
        """Write a page for the public register."""
        return await self._work(lambda: self._answers.export(request))

    async def GetLegalClock(self, request: pb.GetLegalClockRequest, context: Context) -> pb.GetLegalClockResponse:  # noqa: ARG002, N802
        """Tell which times run."""
        return await self._work(lambda: self._answers.clock_of(request))

    async def RecordLegalStep(  # noqa: N802
        self,
        request: pb.RecordLegalStepRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.RecordLegalStepResponse:
        """Record a step."""
        caller = CALLING.get()
        return await self._work(lambda: self._answers.record(request, caller))
