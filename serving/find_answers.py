"""What does BrandService answer about listings that look like something? Blocking, from request to response."""

from __future__ import annotations

from dataclasses import dataclass, replace

from index.errors import NotFound, NotPermitted
from index.listing_catalogue import ListingCatalogue
from index.listings import ListingWhere
from index.store.store import Store
from serving.access.caller import Caller
from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.decoding import Decoder, decode_here
from serving.domain import ImageResult
from serving.find_pages import to_place, to_token
from serving.finding import Look, find_all, looks_of_image, looks_of_reference
from serving.urgency import in_bulk
from serving.visibility import visible_reference
from serving.wire.decision import from_image_result
from serving.wire.find import FindQuery, from_match, to_find_query
from touchstone.moderation.v1 import brand_service_pb2 as pb
from vision.calibration import MatchCalibration
from vision.decode import DecodeLimits


@dataclass(frozen=True)
class FindAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    catalogue: ListingCatalogue
    embedder: BatchingEmbedder
    calibration: MatchCalibration
    limits: DecodeLimits = DecodeLimits()
    decoder: Decoder = decode_here

    def find(self, request: pb.FindListingsRequest, caller: Caller, *, deadline: Deadline) -> pb.FindListingsResponse:
        """Answer FindListings.

        Raises:
            InvalidListing, ImageError: the request breaks a rule, or its image cannot be read.
            NotFound: there is no such reference, or none that the caller sees, or none embedded by this model.
            NotPermitted: the caller asks for sellers and may not know them.
            DeadlineExceeded, Overloaded, ListingIndexError: it cannot be done now.

        """
        query, place = to_find_query(request), to_place(request)
        where = _permitted(query.where, caller)
        response = pb.FindListingsResponse()
        if query.reference_id:
            looks = self._looks_of_reference(query, caller)
        else:
            looks, result = self._looks_of_image(query, deadline)
            response.image_result.CopyFrom(from_image_result(result))
        if where is None:
            return response
        # One more than is shown tells whether there is another page.
        most = place.shown + query.limit + 1
        found = find_all(self.catalogue, looks, most=most, where=where, deadline=deadline)
        rest = place.after(found)
        shown = rest[: query.limit]
        response.hits.extend(from_match(match, names_seller=caller.knows_sellers) for match in shown)
        if shown and (len(rest) > len(shown) or len(found) == most):
            response.next_page_token = to_token(request, place.shown + len(shown), shown[-1])
        return response

    def _looks_of_reference(self, query: FindQuery, caller: Caller) -> tuple[Look, ...]:
        reference = visible_reference(self.store, query.reference_id, caller)
        views = self.store.reference_vectors(query.reference_id, self.embedder.fingerprint)
        if not len(views):
            raise NotFound(
                f"The reference {query.reference_id!r} is not embedded by the model {self.embedder.fingerprint}; "
                "upload its image again."
            )
        return looks_of_reference(reference, views, self.calibration, at_least=query.at_least)

    def _looks_of_image(self, query: FindQuery, deadline: Deadline) -> tuple[tuple[Look, ...], ImageResult]:
        image = self.decoder(query.image, self.limits, deadline=deadline)
        with in_bulk():
            looks = looks_of_image(
                image.pixels, query.box, self.embedder, self.calibration, at_least=query.at_least, deadline=deadline
            )
        return looks, ImageResult(sha256=image.sha256, width=image.width, height=image.height)


def _permitted(where: ListingWhere, caller: Caller) -> ListingWhere | None:
    """Leave out brands that the caller does not see, as if they were not there; None when nothing is left to find."""
    if where.seller_ids and not caller.knows_sellers:
        raise NotPermitted("filter.seller_ids: who sells a listing is not told to brand owners; leave it out.")
    seen = tuple(brand_id for brand_id in where.brand_ids if caller.sees(brand_id))
    return None if where.brand_ids and not seen else replace(where, brand_ids=seen)
