"""Evidence becomes facts: every name always there, of its type, saying what the evidence says."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from index.money import Money
from index.records import DuplicateSource, ReferenceKind
from index.verification import VerificationState
from serving.domain import ImageResult, Listing, Reason
from serving.facts import FACTS, NO_DISTANCE, Facts, Value
from serving.findings import (
    CategoryEvidence,
    CategoryGuess,
    Duplicate,
    Evidence,
    PriceEvidence,
    ReportEvidence,
    SellerEvidence,
    TextHit,
    TextKind,
    VisualMatch,
)
from serving.gathering import gather
from vision.errors import ImageFault
from vision.regions import Box
from vision.verify import Verification

READ = ImageResult(sha256="0" * 64, width=640, height=480)
PRICE = PriceEvidence(
    unit_price=Money(Decimal(25), "EUR"),
    expected=Money(Decimal(100), "EUR"),
    low=Money(Decimal(60), "EUR"),
    high=Money(Decimal(140), "EUR"),
    ratio=0.25,
    score=1.5,
    basis="brand",
    observations=42,
    explanation="",
)


def _match(brand: str, *, similarity: float, probability: float) -> VisualMatch:
    return VisualMatch(
        image_index=0, box=Box(0, 0, 1, 1), brand_id=brand.lower(), brand=brand, reference_id="r",
        kind=ReferenceKind.LOGO, similarity=similarity, probability=probability,
    )  # fmt: skip


def _copy(source: DuplicateSource, distance: int) -> Duplicate:
    return Duplicate(
        image_index=0, source=source, source_id="s", brand="Nike", distance=distance, exact=False, mirrored=False
    )


def _made_from(source: DuplicateSource, inliers: int) -> Duplicate:
    return Duplicate(
        image_index=1, source=source, source_id="s", brand="Nike", distance=120, exact=False, mirrored=True,
        verification=Verification(inliers=inliers, tentative=90),
    )  # fmt: skip


def _hit(kind: TextKind, matched: str, brand: str = "") -> TextHit:
    return TextHit(kind=kind, field_name="title", start=0, end=len(matched), matched=matched, brand=brand)


def _seller(authorised: bool | None) -> SellerEvidence:
    return SellerEvidence(
        seller_id="s", known=True, brand="Nike", authorised=authorised, verified=True, strikes=2, decisions=9,
        verification=VerificationState.VERIFIED, age_days=30, strike_rate=0.2, strike_rate_low=0.1, ring_id="r",
        ring_size=3, ring_rate=0.3, upheld_reports=2, reports_per_sale=0.01,
    )  # fmt: skip


def _gather(*evidence: Evidence, images: tuple[ImageResult, ...] = (READ,), faults: tuple[Reason, ...] = ()) -> Facts:
    listing = Listing(listing_id="a", images=(), claimed_brand="nike", condition="new", market="DE")
    return gather(listing, evidence, images=images, brand="Nike", brand_known=True, faults=faults)


def test_without_evidence_every_fact_is_there_and_neutral() -> None:
    """Nothing found is said by neutral values, never by a missing name."""
    facts = _gather()

    said = {"listing.claimed_brand", "listing.condition", "listing.market", "images.count", "brand.name", "brand.known"}
    assert list(facts.values) == list(FACTS)
    assert {name for name, fact in FACTS.items() if facts.values[name] != fact.neutral} == said
    assert facts.faults == ()


def test_every_fact_has_the_type_that_it_declares() -> None:
    """CEL is typed: with all kinds of evidence together, each value is exactly of its fact's type."""
    types = {"bool": bool, "int": int, "double": float, "string": str, "list<string>": list}
    category = CategoryEvidence(
        declared="shoes", declared_path=("shoes",), predicted=CategoryGuess(("bags",), 0.9), mismatch=True
    )

    facts = _gather(
        _match("Nike", similarity=0.9, probability=0.8), _copy(DuplicateSource.KNOWN_COUNTERFEIT, 3),
        _hit(TextKind.REPLICA_WORDING, "AAA"), category, PRICE, _seller(None), ReportEvidence(reports=2, weight=1.5),
    )  # fmt: skip

    assert {name: type(value) for name, value in facts.values.items()} == {
        name: types[fact.type] for name, fact in FACTS.items()
    }
    assert all(type(fact.neutral) is types[fact.type] for fact in FACTS.values())


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (
            [_match("Puma", similarity=0.7, probability=0.4), _match("Nike", similarity=0.9, probability=0.5)],
            {"visual.matched": True, "visual.brand": "Nike", "visual.similarity": 0.9, "visual.probability": 0.5},
        ),
        (
            [_match("Nike", similarity=0.6, probability=0.49)],
            {"visual.matched": False, "visual.brand": "Nike", "visual.similarity": 0.6, "visual.probability": 0.49},
        ),
        (
            [_copy(DuplicateSource.KNOWN_COUNTERFEIT, 30), _copy(DuplicateSource.KNOWN_COUNTERFEIT, 4)],
            {
                "duplicate.known_counterfeit": True,
                "duplicate.known_counterfeit_distance": 4,
                "duplicate.known_counterfeit_details": 0,
                "duplicate.known_counterfeit_finding": "photo 1: 4 of 256 bits differ",
            },
        ),
        (
            [_made_from(DuplicateSource.KNOWN_COUNTERFEIT, 9), _made_from(DuplicateSource.KNOWN_COUNTERFEIT, 61)],
            {
                "duplicate.known_counterfeit_distance": 120,
                "duplicate.known_counterfeit_details": 61,
                "duplicate.known_counterfeit_finding": "photo 2: 61 details in the same places, flipped left to right",
            },
        ),
        (
            [_made_from(DuplicateSource.REMOVED_LISTING, 61), _copy(DuplicateSource.REMOVED_LISTING, 12)],
            {"duplicate.removed_listing_finding": "s, photo 1: 12 of 256 bits differ"},
        ),
        (
            [_copy(DuplicateSource.OFFICIAL_REFERENCE, 0)],
            {"duplicate.official": True, "duplicate.known_counterfeit_distance": NO_DISTANCE},
        ),
        ([_copy(DuplicateSource.REMOVED_LISTING, 0)], {"duplicate.removed_listing": True}),
        (
            [_hit(TextKind.REPLICA_WORDING, "1:1"), _hit(TextKind.REPLICA_WORDING, "AAA")],
            {"text.replica_wording": True, "text.replica_words": ["1:1", "AAA"]},
        ),
        (
            [_hit(TextKind.BRAND, x, x) for x in ("Puma", "Nike", "Puma")],
            {"text.brands": ["Nike", "Puma"], "text.replica_wording": False},
        ),
        ([_hit(TextKind.BRAND_CLAIM_MISMATCH, "nike", "Puma")], {"text.claim_mismatch": True, "text.brands": []}),
        (
            [_hit(TextKind.LOOK_ALIKE, "Adibas", "adidas"), _hit(TextKind.LOOK_ALIKE, "n1ke", "Nike")],
            {
                "text.look_alike": True,
                "text.look_alikes": ["Adibas", "n1ke"],
                "text.look_alike_brands": ["Nike", "adidas"],
                "text.brands": [],
                "text.in_photo": [],
            },
        ),
        (
            [replace(_hit(TextKind.OFF_PLATFORM_CONTACT, "yupoo"), image_index=1)],
            {"text.off_platform_contact": True, "text.contacts": ["yupoo"], "text.in_photo": ["yupoo"]},
        ),
        ([PRICE], {"price.known": True, "price.ratio": 0.25, "price.score": 1.5, "price.observations": 42}),
        (
            [_seller(True)],
            {"seller.known": True, "seller.verified": True, "seller.authorised": True, "seller.strikes": 2},
        ),
        ([_seller(False)], {"seller.authorised": False, "seller.unauthorised": True}),
        ([_seller(None)], {"seller.authorised": False, "seller.unauthorised": False}),
        (
            [_seller(None)],
            {
                "seller.verification": "VERIFIED",
                "seller.new": False,
                "seller.decisions": 9,
                "seller.strike_rate": 0.2,
                "seller.strike_rate_low": 0.1,
                "seller.ring_size": 3,
                "seller.ring_rate": 0.3,
                "seller.reports_per_sale": 0.01,
            },
        ),
        ([replace(_seller(None), upheld_reports=0)], {"seller.reports_per_sale": 0.0}),  # the prior accuses nobody
        ([replace(_seller(None), age_days=29)], {"seller.new": True}),
        ([replace(_seller(None), age_days=None)], {"seller.new": True}),
        (
            [ReportEvidence(reports=3, weight=1.25, reporters=2)],
            {"reports.count": 3, "reports.reporters": 2, "reports.weight": 1.25},
        ),
    ],
)
def test_facts_say_what_the_evidence_says(evidence: list[Evidence], expected: dict[str, Value]) -> None:
    """Each kind of evidence sets its own facts: the best match, the nearest copy, all words."""
    values = _gather(*evidence).values

    assert {name: values[name] for name in expected} == expected


def test_predicted_category_is_a_path_in_words() -> None:
    """A policy compares categories as people write them."""
    guess = CategoryGuess(("fashion", "shoes", "sneakers"), 0.75)

    values = _gather(
        CategoryEvidence(declared="bags", declared_path=("fashion", "bags"), predicted=guess, mismatch=True)
    ).values

    assert values["category.declared"] == "bags"
    assert values["category.predicted"] == "fashion > shoes > sneakers"
    assert values["category.probability"] == 0.75
    assert values["category.mismatch"] is True


@pytest.mark.parametrize(
    ("faults", "unreadable", "code", "says"),
    [
        ([None, None], 0, None, ""),
        ([ImageFault.CORRUPT, None, ImageFault.EMPTY], 2, "IMAGE_UNREADABLE", "2 of 3 photos"),
        ([ImageFault.CORRUPT, ImageFault.EMPTY], 2, "IMAGES_UNREADABLE", "CORRUPT, EMPTY"),
        ([], 0, "NO_IMAGES", "no photo"),
    ],
)
def test_photos_that_cannot_be_used_are_faults(
    faults: list[ImageFault | None], unreadable: int, code: str | None, says: str
) -> None:
    """A photo that cannot be used, or none at all, is a fault that names what is wrong."""
    facts = _gather(images=tuple(ImageResult(sha256="", fault=fault) for fault in faults))

    assert facts.values["images.unreadable"] == unreadable
    assert [reason.code for reason in facts.faults] == ([code] if code else [])
    assert all(says in reason.text for reason in facts.faults)


def test_faults_of_stages_are_kept_and_survive_a_changed_fact() -> None:
    """What failed on the way stays with the facts to the end."""
    failed = Reason("STAGE_FAILED", "search")

    facts = _gather(faults=(failed,)).plus("fused.probability", 0.25)

    assert facts.faults == (failed,)
    assert facts.values["fused.probability"] == 0.25


def test_an_authorisation_does_not_cover_another_brand_that_is_seen() -> None:
    """Whom one brand lists may not sell another's goods under its name; a second look at the same brand is no other."""
    seen = _match("Nike", similarity=0.99, probability=0.99)
    other = _match("Adidas", similarity=0.8, probability=0.7)
    doubtful = _match("Adidas", similarity=0.6, probability=0.3)

    facts = [_gather(*matches, _seller(True)).values for matches in ([seen], [seen, doubtful], [seen, other])]

    assert [values["seller.authorised"] for values in facts] == [True, True, False]
    assert not facts[2]["seller.unauthorised"]
