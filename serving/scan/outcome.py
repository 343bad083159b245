"""How does a decision become a row of a scan? The columns of `serving.scan.rows`, from what the pipeline found."""

from __future__ import annotations

import math
from collections.abc import Sequence

from serving.domain import Listing, Verdict
from serving.facts_record import pack
from serving.findings import PriceEvidence, VisualMatch
from serving.pipeline import Screening
from serving.price_evidence import pieces
from serving.scan.blocks import ScanItem
from serving.scan.rows import ScanRow
from serving.scan.sight import ReadImage

PATH = " > "


def row_of(
    item: ScanItem, listing: Listing, images: Sequence[ReadImage], screening: Screening, *, decision_id: str
) -> ScanRow:
    """Make the row of a listing that was decided on; `error` tells of the images that could not be used."""
    decision = screening.decision
    matches = [one for one in decision.evidence if isinstance(one, VisualMatch)]
    best = max(matches, key=lambda one: one.probability, default=None)
    box = best.box if best else None
    price = next((one for one in decision.evidence if isinstance(one, PriceEvidence)), None)
    broken = [image.result.message for image in images if image.code]
    return ScanRow(
        listing_id=item.listing_id,
        line=item.line,
        verdict=str(decision.verdict),
        counterfeit_probability=decision.counterfeit_probability,
        brand=screening.brand or None,
        category=PATH.join(decision.category.path) or None,
        price_score=at_even_odds(price.score) if price else None,
        reasons=tuple(reason.code for reason in decision.reasons),
        decision_id=decision_id,
        model_fingerprint=decision.model_fingerprint,
        index_version=decision.index_version,
        policy_version=decision.policy_version,
        error="; ".join(broken) or None,
        title=item.title or None,
        seller_id=item.seller_id or None,
        market=item.market or None,
        price_amount=float(item.price.amount / pieces(listing)) if item.price else None,
        price_currency=item.price.currency if item.price else None,
        images=item.images,
        match_brand=best.brand if best else None,
        match_reference_id=best.reference_id if best else None,
        match_score=best.probability if best else None,
        match_image=best.image_index if best else None,
        match_box=(box.x1, box.y1, box.x2, box.y2) if box else None,
        image_sha256=tuple(image.result.sha256 for image in images),
        image_hashes=tuple(_hash(image) for image in images),
        facts=pack(screening.facts),
    )


def failed_row(item: ScanItem, error: str) -> ScanRow:
    """Make the row of a listing that nothing could be said of: a person must look."""
    return ScanRow(
        listing_id=item.listing_id,
        line=item.line,
        verdict=str(Verdict.REVIEW),
        error=error,
        title=item.title or None,
        seller_id=item.seller_id or None,
        market=item.market or None,
        images=item.images,
    )


def _hash(image: ReadImage) -> bytes:
    return image.photo.hash.bits if image.photo is not None and image.photo.hash.reliable else b""


def at_even_odds(score: float) -> float:
    """Turn the log-likelihood ratio of a counterfeit's price to an honest one's into a probability, 0..1."""
    return 1.0 / (1.0 + math.exp(min(max(-score, -700.0), 700.0)))
