"""What does BrandService answer about references: upload, list, review, retire? Blocking, from request to response."""

from __future__ import annotations

from dataclasses import dataclass

from index.store.store import Store
from serving.caller import Caller
from serving.deadline import Deadline
from touchstone.moderation.v1 import brand_service_pb2 as pb


@dataclass(frozen=True)
class ReferenceAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store

    def list(self, request: pb.ListReferencesRequest, caller: Caller) -> pb.ListReferencesResponse:
        """Answer ListReferences."""
        raise NotImplementedError

    def review(self, request: pb.ReviewReferenceRequest, caller: Caller) -> pb.ReviewReferenceResponse:
        """Answer ReviewReference."""
        raise NotImplementedError

    def retire(self, request: pb.RetireReferenceRequest, caller: Caller) -> pb.RetireReferenceResponse:
        """Answer RetireReference."""
        raise NotImplementedError

    def upload(
        self, header: pb.UploadReferenceHeader, content: bytes, caller: Caller, *, deadline: Deadline
    ) -> pb.UploadReferenceResult:
        """Answer one reference of an UploadReference stream; what is wrong with it is its own error."""
        raise NotImplementedError
