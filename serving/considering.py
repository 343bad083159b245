"""What do words, price and records say of a listing? The stages after the pixels, in their order.

Called by `serving.pipeline` when matches and category are known. Each stage gives evidence or nothing; one that fails
leaves a fault behind, so that a person looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from index.holds import LegalHold
from index.records import Brand
from serving.batching import BatchingEmbedder
from serving.domain import Category, Listing
from serving.evidence import BrandAtStake, brand_at_stake, category_evidence, claim_mismatch, imitated_by_claim
from serving.findings import CategoryGuess, Evidence, ReportEvidence, SellerEvidence, TextHit, VisualMatch
from serving.hold_evidence import HoldRecords, holds_on
from serving.knowledge import Knowledge
from serving.outage.guard import Ask
from serving.price_evidence import price_evidence, price_fault
from serving.report_evidence import ReportRecords, report_evidence
from serving.seller_evidence import SellerRecords, seller_evidence
from serving.stages import Stages
from serving.visual import Photo
from serving.words.wording import find_wording, openly_claimed
from serving.writing import calls_for_reading, read_writing
from vision.taxonomy import Taxonomy

_NO_HITS: tuple[TextHit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Words:
    """What the seller's words give away: `hits`, and the brand that they openly claim the goods to be of."""

    hits: tuple[TextHit, ...] = ()
    claimed: Brand | None = None


@dataclass(frozen=True, kw_only=True)
class Considered:
    """What words and records say: evidence, the brand at stake, and the legal holds that stand."""

    evidence: tuple[Evidence, ...]
    at_stake: BrandAtStake
    holds: tuple[LegalHold, ...]


@dataclass(frozen=True, kw_only=True)
class _OnRecord:
    """What the store knows of a listing and its seller; nothing where it could not be asked."""

    seller: SellerEvidence | None = None
    reports: ReportEvidence | None = None
    holds: tuple[LegalHold, ...] = ()


class Records(SellerRecords, ReportRecords, Protocol):
    """What is asked of the store."""

    def reading(self) -> AbstractContextManager[None]:
        """Let the reads in a block be one transaction."""


def read_words(listing: Listing, stages: Stages, known: Knowledge) -> Words:
    """Find what title, description and claim give away: cheaper than any photo, and so before them."""

    def reading() -> Words:
        hits = find_wording(listing, known.lexicon)
        return Words(hits=hits, claimed=openly_claimed(listing, hits, known.lexicon))

    return stages.run("text", reading, Words())


def consider(
    listing: Listing,
    hits: Sequence[TextHit],
    seen: Sequence[Evidence],
    photos: Sequence[Photo],
    category: Category,
    *,
    stages: Stages,
    known: Knowledge,
    records: Records,
    ask: Ask,
    holds: HoldRecords,
    taxonomy: Taxonomy,
    embedder: BatchingEmbedder,
) -> Considered:
    """Gather the evidence of words and records, and read the photos where that calls for it.

    `hits` are what `read_words` found, `seen` what the pixels showed. Raises as `Stages.run`.
    """
    matches = [item for item in seen if isinstance(item, VisualMatch)]
    claimed = known.lexicon.resolve(listing.claimed_brand)
    at_stake = brand_at_stake(listing, claimed, hits, matches, known.lexicon)
    guess = CategoryGuess(category.path, category.probability)
    stages.note(price_fault(listing, at_stake, known.prices))
    price = stages.run("price", lambda: price_evidence(listing, at_stake, category, known.prices), None)

    def asking() -> _OnRecord:
        return ask(lambda: _on_record(listing, at_stake, seen, records, holds), deadline=stages.deadline)

    on_record = stages.run("records", asking, _OnRecord())
    found: list[Evidence | None] = [
        *hits,
        claim_mismatch(listing, claimed or imitated_by_claim(hits, known.lexicon), hits, matches),
        stages.run("category", lambda: category_evidence(listing, guess, taxonomy), None),
        price,
        on_record.seller,
        on_record.reports,
    ]
    if calls_for_reading(listing, at_stake, hits, matches, price):
        found += stages.run(
            "writing", lambda: read_writing(listing, photos, embedder, known.lexicon, stages.deadline), _NO_HITS
        )
    evidence = tuple(item for item in found if item is not None)
    return Considered(evidence=evidence, at_stake=at_stake, holds=on_record.holds)


def _on_record(
    listing: Listing, at_stake: BrandAtStake, seen: Sequence[Evidence], records: Records, holds: HoldRecords
) -> _OnRecord:
    """Ask the store once for all that it knows of seller and listing."""
    with records.reading():
        return _OnRecord(
            seller=seller_evidence(listing, at_stake, records, records),
            reports=report_evidence(listing, records),
            holds=holds_on(listing, at_stake, seen, holds),
        )
