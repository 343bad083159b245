"""What does the service decide on labelled listings, and on which facts? The part of `eval decisions` that asks.

Each listing goes through `Moderation.screen` like any other: checked on the wire, screened, recorded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.manifest import ListingRow
from serving.app import Application
from serving.domain import Listing, Reason, Verdict
from serving.facts import Facts
from serving.facts_record import unpack
from serving.wire.requests import from_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from training.progress import Progress


@dataclass(frozen=True, kw_only=True)
class JudgedListing:
    """One listing: what is true of it, what was decided and why, and the facts that fusion was asked about."""

    listing_id: str
    images: tuple[Path, ...]
    infringing: bool
    verdict: Verdict
    probability: float
    reasons: tuple[Reason, ...]
    facts: Facts
    policy_version: str
    fusion_version: str
    ms: float


def decide_on(application: Application, rows: Sequence[ListingRow], progress: Progress) -> list[JudgedListing]:
    """Screen labelled listings one after the other. Calls `progress(done, total)` after each."""
    judged = []
    for row in rows:
        request = pb.ScreenListingRequest(listing=from_listing(_listing(row)))
        start = time.perf_counter()
        decision = application.moderation.screen(request)
        judged.append(
            _judged(
                row,
                decision,
                unpack(application.store.facts_of(decision.decision_id)),
                ms=(time.perf_counter() - start) * 1000,
            )
        )
        progress(len(judged), len(rows))
    return judged


def _judged(row: ListingRow, decision: decision_pb2.Decision, facts: Facts, *, ms: float) -> JudgedListing:
    return JudgedListing(
        listing_id=row.listing_id,
        images=row.images,
        infringing=row.labels.infringing is True,
        verdict=Verdict(decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_")),
        probability=decision.counterfeit_probability,
        reasons=tuple(Reason(reason.code, reason.text, reason.weight) for reason in decision.reasons),
        facts=facts,
        policy_version=decision.policy_version,
        fusion_version=decision.fusion_version,
        ms=ms,
    )


def _listing(row: ListingRow) -> Listing:
    return Listing(
        listing_id=row.listing_id,
        images=tuple(path.read_bytes() for path in row.images),
        title=row.title,
        description=row.description,
        claimed_brand=row.claimed_brand,
        category=row.category,
        condition=row.condition,
        price=row.price,
        unit_count=row.unit_count,
        seller_id=row.seller_id,
        market=row.market,
    )
