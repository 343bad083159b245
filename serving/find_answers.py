"""What does BrandService answer about listings that look like something? Blocking, from request to response."""

from __future__ import annotations

from dataclasses import dataclass

from index.store.store import Store
from serving.caller import Caller
from serving.deadline import Deadline
from touchstone.moderation.v1 import brand_service_pb2 as pb


@dataclass(frozen=True)
class FindAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store

    def find(self, request: pb.FindListingsRequest, caller: Caller, *, deadline: Deadline) -> pb.FindListingsResponse:
        """Answer FindListings."""
        raise NotImplementedError
