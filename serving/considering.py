"""What do words, price and records say of a listing? The stages after the pixels, in their order.

Called by `serving.pipeline` when matches and category are known. Each stage gives evidence or nothing; one that fails
leaves a fault behind, so that a person looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from serving.batching import BatchingEmbedder
from serving.domain import Category, Listing
from serving.evidence import BrandAtStake, brand_at_stake, category_evidence, claim_mismatch, imitated_by_claim
from serving.findings import CategoryGuess, Evidence, TextHit, VisualMatch
from serving.knowledge import Knowledge
from serving.price_evidence import price_evidence, price_fault
from serving.report_evidence import ReportRecords, report_evidence
from serving.seller_evidence import SellerRecords, seller_evidence
from serving.stages import Stages
from serving.visual import Photo
from serving.wording import find_wording
from serving.writing import calls_for_reading, read_writing
from vision.taxonomy import Taxonomy

_NO_HITS: tuple[TextHit, ...] = ()


class Records(SellerRecords, ReportRecords, Protocol):
    """What is asked of the store."""


def consider(
    listing: Listing,
    seen: Sequence[Evidence],
    photos: Sequence[Photo],
    category: Category,
    *,
    stages: Stages,
    known: Knowledge,
    records: Records,
    taxonomy: Taxonomy,
    embedder: BatchingEmbedder,
) -> tuple[tuple[Evidence, ...], BrandAtStake]:
    """Gather the evidence of words and records, and read the photos where that calls for it.

    `seen` is what the pixels showed. Raises as `Stages.run`.
    """
    matches = [item for item in seen if isinstance(item, VisualMatch)]
    claimed = known.lexicon.resolve(listing.claimed_brand)
    hits = stages.run("text", lambda: find_wording(listing, known.lexicon), _NO_HITS)
    at_stake = brand_at_stake(listing, claimed, hits, matches, known.lexicon)
    guess = CategoryGuess(category.path, category.probability)
    stages.note(price_fault(listing, at_stake, known.prices))
    price = stages.run("price", lambda: price_evidence(listing, at_stake, category, known.prices), None)
    found: list[Evidence | None] = [
        *hits,
        claim_mismatch(listing, claimed or imitated_by_claim(hits, known.lexicon), hits, matches),
        stages.run("category", lambda: category_evidence(listing, guess, taxonomy), None),
        price,
        stages.run("seller", lambda: seller_evidence(listing, at_stake, records, records), None),
        stages.run("reports", lambda: report_evidence(listing, records), None),
    ]
    if calls_for_reading(listing, at_stake, hits, matches, price):
        found += stages.run(
            "writing", lambda: read_writing(listing, photos, embedder, known.lexicon, stages.deadline), _NO_HITS
        )
    return tuple(item for item in found if item is not None), at_stake
