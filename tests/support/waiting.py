"""Decisions that wait for the store, for the suites of `serving.outage`."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from index.decision_records import DecisionRecord, ListingImage
from index.listing_regions import ListingRegions, Place, Sighting
from index.photos import Photo, PhotoOwner
from index.policies import ShadowOutcome
from serving.recording import Recording
from touchstone.moderation.v1 import decision_pb2
from vision.regions import Box

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOX = Box(0.1, 0.2, 0.6, 0.7)


def a_recording(
    decision_id: str, *, listing_id: str = "", key: str | None = None, request: str = "00" * 32
) -> Recording:
    """Make one with every field filled in."""
    listing_id = listing_id or f"listing-{decision_id}"
    decision = decision_pb2.Decision(
        decision_id=decision_id, listing_id=listing_id, verdict=decision_pb2.VERDICT_REVIEW, counterfeit_probability=0.5
    )
    record = DecisionRecord(
        decision_id=decision_id,
        listing_id=listing_id,
        verdict="REVIEW",
        create_time=NOON,
        payload=decision.SerializeToString(),
        request_sha256=request,
        idempotency_key=key,
        seller_id="seller",
        brand="Acme",
        model_fingerprint="model",
        index_version="7-abc",
        policy_version="policy@1",
        title_signature=b"\x00\xfe",
        probability=0.5,
        price_ratio=math.inf,
    )
    photo = Photo(
        owner=PhotoOwner.DECISION,
        owner_id=decision_id,
        position=0,
        sha256="aa" * 32,
        size=7,
        listing_id=listing_id,
        create_time=NOON,
    )
    return Recording(
        record=record,
        looked_at=True,
        audit_share=0.25,
        images=(ListingImage(sha256="aa" * 32, pdq=bytes(32), embedding=b"\xff\x3c" * 4), ListingImage(sha256="bb")),
        regions=ListingRegions(
            places=(Place(0, BOX), Place(0, BOX)),
            photos=1,
            marks=np.array([[0.5, -0.25, 0.125, 1.0]], np.float32),
            category_path=("shoes", "sports"),
            sightings=(Sighting(brand_id="acme", reference_id="r", image_index=0, box=BOX, probability=0.75),),
        ),
        facts=b"\x00facts\xff",
        shadows=(ShadowOutcome(policy_version="p@2", verdict="ALLOW", fired=("one",)),),
        photos=(photo,),
    )


def same(one: Recording, other: Recording) -> bool:
    """Tell whether two are equal, vectors included."""
    vectors = np.array_equal(one.regions.marks, other.regions.marks)
    regions = replace(one.regions, marks=other.regions.marks)
    plain = {name: getattr(regions, name) == getattr(other.regions, name) for name in ("places", "photos", "sightings")}
    return vectors and all(plain.values()) and replace(one, regions=other.regions) == other
