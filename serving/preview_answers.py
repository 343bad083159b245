"""What does BrandService answer about what a reference would hit? Blocking, from request to response."""

from __future__ import annotations

from dataclasses import dataclass

from index.store.store import Store
from serving.caller import Caller
from serving.deadline import Deadline
from touchstone.moderation.v1 import brand_service_pb2 as pb


@dataclass(frozen=True)
class PreviewAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store

    def preview(
        self, request: pb.PreviewReferenceRequest, caller: Caller, *, deadline: Deadline
    ) -> pb.PreviewReferenceResponse:
        """Answer PreviewReference."""
        raise NotImplementedError
