"""What does the service do for its callers? Screen once per idempotency key, record, look up, remove, follow.

The servicer and the in-process command line both stand on this, so they answer alike. Requests come in as protobuf
messages, because their bytes are what an idempotency key is held against; everything between is the domain's.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from index.case_records import CaseOrigin
from index.decision_records import DecisionEvent, DecisionRecord, EventKind, RemovalReason, RemovedListing
from index.errors import KeyReused, StoreError
from index.listing_regions import Sighting
from index.photos import Photo
from index.store.store import Store
from index.titles import signature as title_signature
from serving.auditing import Auditor
from serving.case_opening import CaseOpening
from serving.checks import shown_decision
from serving.deadline import NEVER, Deadline
from serving.domain import Listing, Verdict
from serving.errors import FieldViolation, InvalidListing
from serving.facts_record import pack
from serving.findings import PriceEvidence, VisualMatch
from serving.photo_keeping import PhotoKeeper
from serving.photo_records import photos_of_decision
from serving.pipeline import Pipeline, Screening
from serving.price_learning import cleared_price
from serving.seller_evidence import presumed_strike
from serving.wire.decision import from_decision
from serving.wire.requests import to_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

log = logging.getLogger(__name__)

ScreenRequest = pb.ScreenListingRequest | pb.ScreenListingsRequest

_CAUSES = {
    EventKind.DECIDED: pb.VERDICT_CAUSE_SCREENED,
    EventKind.REMOVED: pb.VERDICT_CAUSE_REMOVED,
    EventKind.RESOLVED: pb.VERDICT_CAUSE_CASE_RESOLVED,
    EventKind.UNDONE: pb.VERDICT_CAUSE_RESOLUTION_UNDONE,
    EventKind.APPEAL_DECIDED: pb.VERDICT_CAUSE_APPEAL_DECIDED,
}


@dataclass(frozen=True)
class Moderation:
    """The application's operations: blocking, thread-safe, and each one whole or not at all."""

    pipeline: Pipeline
    store: Store
    opening: CaseOpening
    auditor: Auditor
    photos: PhotoKeeper

    def screen(self, request: ScreenRequest, *, deadline: Deadline = NEVER) -> decision_pb2.Decision:
        """Decide on a listing and record the decision; with a `request_id` used before, return what stands.

        Raises:
            InvalidListing: the request breaks a rule, or its `request_id` was used for another listing.
            DeadlineExceeded, Overloaded: from the pipeline; nothing was recorded.
            StoreError: the decision could not be recorded.

        """
        listing = to_listing(request)
        digest = hashlib.sha256(request.listing.SerializeToString(deterministic=True)).hexdigest()
        try:
            if request.request_id:
                earlier = self.store.find_idempotent(request.request_id, request_sha256=digest)
                if earlier is not None:
                    return decision_of(earlier)
            screening = self.pipeline.screen(listing, deadline=deadline)
            record = _record(screening, listing, request_id=request.request_id, digest=digest)
            share = self.auditor.share_of(screening.decision.certificate_id)
            audited = self.auditor.draw(record.decision_id) < share
            case = self.opening.case(record, origin=CaseOrigin.AUDIT if audited else CaseOrigin.SCREENING)
            case = replace(case, audit_share=share if audited else None)
            looked_at = audited or _needs_person(screening)
            with self.pipeline.telemetry.stage("record"):
                outcome = self.store.record_decision(
                    record,
                    case=case if looked_at else None,
                    carried=case,
                    images=screening.images,
                    regions=replace(screening.regions, brand_ids=case.brand_ids, sightings=_sightings(screening)),
                    facts=pack(screening.facts),
                    shadows=screening.shadows,
                    price=cleared_price(listing, screening.decision, screening.brand),
                    photos=self._keep_photos(record, screening, listing, deadline) if looked_at else (),
                    commit_guard=lambda: deadline.check("the decision was recorded"),
                )
        except KeyReused as error:
            raise InvalidListing((FieldViolation("request_id", str(error)),)) from error
        if outcome.case_id and not looked_at:
            self._keep_photos_later(record, screening, listing, deadline)
        return decision_of(outcome.record)

    def decision(self, decision_id: str) -> decision_pb2.Decision:
        """Return a recorded decision, byte for byte. Raises NotFound."""
        return decision_of(shown_decision(self.store, decision_id))

    def remove(self, listing_id: str, reason: RemovalReason, *, note: str = "") -> RemovedListing:
        """Record that the marketplace removed a listing. Raises NotFound when it was never screened."""
        return self.store.remove_listing(listing_id, reason, datetime.now(UTC), note=note)

    def _keep_photos(
        self, record: DecisionRecord, screening: Screening, listing: Listing, deadline: Deadline
    ) -> tuple[Photo, ...]:
        """Make a listing's photos durable for whoever looks at its case; it is decided without them, too."""
        photos = photos_of_decision(record, screening.decision.image_results, listing.images)
        return self.photos.keep(photos, listing.images, deadline=deadline)

    def _keep_photos_later(
        self, record: DecisionRecord, screening: Screening, listing: Listing, deadline: Deadline
    ) -> None:
        """Keep the photos of an ALLOW whose case was opened for what people said: nobody knew of it before."""
        try:
            self.store.add_photos(self._keep_photos(record, screening, listing, deadline))
        except StoreError as error:  # the decision stands, and so does its case
            log.warning("the photos of the decision %s are not kept: %s", record.decision_id, error)


def decision_of(record: DecisionRecord) -> decision_pb2.Decision:
    """Read the decision as it was recorded."""
    return decision_pb2.Decision.FromString(record.payload)


def event_of(event: DecisionEvent) -> pb.WatchDecisionsResponse:
    """Tell a follower of one event. A removal is the marketplace's own act: the verdict stays as it is."""
    decision = decision_of(event.decision)
    response = pb.WatchDecisionsResponse(
        cursor=str(event.cursor),
        listing_id=event.decision.listing_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{event.verdict}"),
        cause=_CAUSES[event.kind],
        decision=decision,
        case_id=event.case_id,
    )
    response.event_time.FromDatetime(event.create_time)
    return response


def _record(screening: Screening, listing: Listing, *, request_id: str, digest: str) -> DecisionRecord:
    decision = screening.decision
    return DecisionRecord(
        decision_id=decision.decision_id,
        listing_id=decision.listing_id,
        verdict=str(decision.verdict),
        create_time=decision.create_time,
        payload=from_decision(decision).SerializeToString(deterministic=True),
        request_sha256=digest,
        idempotency_key=request_id or None,
        seller_id=listing.seller_id,
        market=listing.market,
        brand=screening.brand,
        claimed_brand_id=screening.claimed.brand_id if screening.claimed is not None else "",
        model_fingerprint=decision.model_fingerprint,
        index_version=decision.index_version,
        policy_version=decision.policy_version,
        presumed_strike=presumed_strike(decision),
        title_signature=title_signature(listing.title),
        probability=decision.counterfeit_probability,
        price_ratio=next((one.ratio for one in decision.evidence if isinstance(one, PriceEvidence)), None),
    )


def _sightings(screening: Screening) -> tuple[Sighting, ...]:
    """Say where each brand was seen: by its likeliest match."""
    matches = (found for found in screening.decision.evidence if isinstance(found, VisualMatch))
    best: dict[str, VisualMatch] = {}
    for match in matches:
        if match.brand_id not in best or match.probability > best[match.brand_id].probability:
            best[match.brand_id] = match
    return tuple(
        Sighting(
            brand_id=match.brand_id,
            reference_id=match.reference_id,
            image_index=match.image_index,
            box=match.box,
            probability=match.probability,
        )
        for match in best.values()
    )


def _needs_person(screening: Screening) -> bool:
    """Whatever a person must look at becomes a case; a takedown is looked at too, for the seller may appeal."""
    return screening.decision.verdict is not Verdict.ALLOW
