"""How does a decision come on record? One road, whether it was just taken or has waited on disk for the store.

`Recording` is all that is known of a listing when it was screened; what only the store can tell is asked when it is
recorded. `serving.moderation` makes one of each listing, `serving.outage` keeps those that the store could not take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from index.case_records import CaseOrigin
from index.decision_records import DecisionRecord, ListingImage, RecordOutcome
from index.listing_regions import ListingRegions, Sighting
from index.market_records import PriceObservation
from index.photos import Photo
from index.policies import ShadowOutcome
from index.store.store import Store
from index.titles import signature as title_signature
from serving.case_opening import CaseOpening
from serving.domain import Listing
from serving.facts_record import pack
from serving.findings import PriceEvidence, VisualMatch
from serving.pipeline import Screening
from serving.price_learning import cleared_price
from serving.seller_evidence import presumed_strike
from serving.wire.decision import from_decision


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A decision and what goes on record with it.

    `audit_share` is the chance with which it was drawn to be audited, None when it was not; `looked_at` says that it
    opens a case. `regions` name no brands yet. `photos` are kept by now.
    """

    record: DecisionRecord
    looked_at: bool
    audit_share: float | None
    images: tuple[ListingImage, ...] = field(repr=False)
    regions: ListingRegions = field(repr=False)
    facts: bytes = field(repr=False)
    shadows: tuple[ShadowOutcome, ...] = ()
    price: PriceObservation | None = None
    photos: tuple[Photo, ...] = ()


@dataclass(frozen=True)
class Recorder:
    """Puts decisions on record, with their cases. Thread-safe."""

    store: Store
    opening: CaseOpening

    def record(self, recording: Recording, *, commit_guard: Callable[[], None] | None = None) -> RecordOutcome:
        """Record it, as `Store.record_decision` does. Raises as that does."""
        record, share = recording.record, recording.audit_share
        origin = CaseOrigin.SCREENING if share is None else CaseOrigin.AUDIT
        case = replace(self.opening.case(record, origin=origin), audit_share=share)
        return self.store.record_decision(
            record,
            case=case if recording.looked_at else None,
            carried=case,
            images=recording.images,
            regions=replace(recording.regions, brand_ids=case.brand_ids),
            facts=recording.facts,
            shadows=recording.shadows,
            price=recording.price,
            photos=recording.photos,
            commit_guard=commit_guard,
        )


def recording_of(
    screening: Screening, listing: Listing, *, request_id: str, digest: str, audit_share: float | None, looked_at: bool
) -> Recording:
    """Put together what goes on record of a listing; `digest` is its request's. Photos are the caller's to add."""
    return Recording(
        record=_record(screening, listing, request_id=request_id, digest=digest),
        looked_at=looked_at,
        audit_share=audit_share,
        images=screening.images,
        regions=replace(screening.regions, sightings=_sightings(screening)),
        facts=pack(screening.facts),
        shadows=screening.shadows,
        price=cleared_price(listing, screening.decision, screening.brand),
    )


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
