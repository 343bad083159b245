"""What does BrandService answer about references: upload, list, review, retire? Blocking, from request to response."""

from __future__ import annotations

from dataclasses import dataclass, replace

from index.refresh import Holder
from index.store.store import Store
from serving.access.caller import Caller
from serving.deadline import Deadline
from serving.knowledge import Knowledge
from serving.reference_reviews import Reviews
from serving.uploads import Uploads
from serving.visibility import visible_brand
from serving.wire.reference import from_reference, to_next, to_query, to_retirement, to_review
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb


@dataclass(frozen=True)
class ReferenceAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    knowledge: Holder[Knowledge]
    uploads: Uploads
    reviews: Reviews

    def list(self, request: pb.ListReferencesRequest, caller: Caller) -> pb.ListReferencesResponse:
        """Answer ListReferences."""
        wanted, after, limit = to_query(request)
        brand = visible_brand(self.store, wanted.brand_id, caller)
        wanted = replace(wanted, brand_id=brand.brand_id)
        found = self.store.list_references(wanted, after=after, limit=limit + 1)
        page = found[:limit]
        return pb.ListReferencesResponse(
            references=[from_reference(reference) for reference in page],
            next_page_token=to_next(request, page[-1]) if len(found) > limit else "",
        )

    def review(self, request: pb.ReviewReferenceRequest, caller: Caller) -> pb.ReviewReferenceResponse:
        """Answer ReviewReference."""
        reference = self.reviews.decide(to_review(request), caller)
        return pb.ReviewReferenceResponse(reference=from_reference(reference), index_version=self.index_version())

    def retire(self, request: pb.RetireReferenceRequest, caller: Caller) -> pb.RetireReferenceResponse:
        """Answer RetireReference."""
        reference = self.reviews.decide(to_retirement(request), caller)
        return pb.RetireReferenceResponse(reference=from_reference(reference), index_version=self.index_version())

    def upload(
        self, header: pb.UploadReferenceHeader, content: bytes, caller: Caller, *, deadline: Deadline
    ) -> brand_pb2.Reference:
        """Take in one reference of an UploadReference stream; what it raises is that reference's own error."""
        return from_reference(self.uploads.upload(header, content, caller, deadline=deadline))

    def index_version(self) -> str:
        """Bring this replica to the store's state, and name the state of the index from which on changes hold."""
        self.knowledge.refresh()
        return self.knowledge.current.catalogue.version
