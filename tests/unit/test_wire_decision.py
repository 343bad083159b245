"""A client sees all of a decision, with every name of the domain on the wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from google.type.money_pb2 import Money as MoneyMessage

from index.money import Money
from index.price_query import LevelCount
from index.price_stories import Story
from index.records import DuplicateSource, ReferenceKind
from index.verification import VerificationState
from serving import domain, findings
from serving.wire.decision import from_decision, from_evidence, from_image_result, from_visual_match
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from vision.errors import ImageFault
from vision.regions import Box
from vision.verify import Variant, Verification

MATCH = findings.VisualMatch(
    image_index=1,
    box=Box(0.25, 0.125, 0.75, 0.5),
    brand_id="nike",
    brand="Nike",
    reference_id="r1",
    kind=ReferenceKind.LOGO,
    similarity=0.875,
    probability=0.5,
    verification=Verification(
        inliers=12,
        tentative=20,
        outline=((-0.25, 0), (0.5, 0), (0.5, 1), (-0.25, 1)),
        variant=Variant.INVERTED,
        overlaid=0.25,
    ),
    reading=findings.Reading(image_index=2, box=Box(0.5, 0.25, 0.75, 0.5), text="NIKE", confidence=0.875, exact=True),
)
EVIDENCE: dict[str, findings.Evidence] = {
    "visual_match": MATCH,
    "duplicate": findings.Duplicate(
        image_index=0,
        source=DuplicateSource.KNOWN_COUNTERFEIT,
        source_id="r2",
        brand="Nike",
        distance=12,
        exact=False,
        mirrored=True,
        verification=Verification(
            inliers=31, tentative=40, outline=((1, 0), (0, 0), (0, 1), (1, 1)), variant=Variant.MIRRORED
        ),
    ),
    "text": findings.TextHit(
        kind=findings.TextKind.REPLICA_WORDING,
        field_name="title",
        start=3,
        end=10,
        matched="1:1 AAA",
        brand="Nike",
        language="en",
        method=findings.LookAlikeMethod.SIGNS,
        before="Bag ",
        after=" quality",
        distance=1,
        image_index=0,
        box=Box(0.0, 0.25, 0.5, 1.0),
    ),
    "category": findings.CategoryEvidence(
        declared="shoes",
        declared_path=("fashion", "shoes"),
        predicted=findings.CategoryGuess(("fashion", "bags"), 0.75),
        mismatch=True,
    ),
    "price": findings.PriceEvidence(
        story=Story.CURRENCY,
        meant_in="USD",
        levels=(LevelCount("brand x category", 42, 10),),
        unit_count=3,
        declared_sale="-40%",
        declared_discount=0.4,
        unit_price=Money(Decimal("5"), "EUR"),
        expected=Money(Decimal("100") / 3, "EUR"),
        low=Money(Decimal("60.5"), "EUR"),
        high=Money(Decimal("140"), "EUR"),
        ratio=0.05,
        score=4.5,
        basis="brand x category",
        observations=42,
        explanation="no innocent explanation fits",
    ),
    "seller": findings.SellerEvidence(
        seller_id="s9",
        known=True,
        brand="Nike",
        authorised=True,
        territory="DE",
        verified=True,
        verification=VerificationState.VERIFIED,
        age_days=400,
        strikes=2,
        decisions=30,
        decayed_strikes=1.5,
        decayed_decisions=20.5,
        strike_rate=0.04,
        strike_rate_low=0.01,
        ring_id="r1",
        ring_size=3,
        ring_rate=0.25,
        upheld_reports=4,
        exposure=1200,
        sales_known=True,
        reports_per_sale=0.004,
    ),
    "report": findings.ReportEvidence(reports=3, weight=1.5, reporters=2),
}
DECISION = domain.Decision(
    decision_id="d1",
    listing_id="a1",
    verdict=domain.Verdict.TAKEDOWN,
    counterfeit_probability=0.75,
    reasons=(domain.Reason("COPY_OF_COUNTERFEIT", "A photo copies one of a known counterfeit.", 4.5),),
    evidence=tuple(EVIDENCE.values()),
    category=domain.Category(("fashion", "bags"), 0.75, (findings.CategoryGuess(("fashion", "shoes"), 0.25),)),
    description="black leather bag",
    attributes=(domain.Attribute("colour", "black", 0.875),),
    image_results=(
        domain.ImageResult("ab" * 32, 640, 480),
        domain.ImageResult("cd" * 32, fault=ImageFault.TRUNCATED, message="ends after 12 bytes"),
    ),
    model_fingerprint="touchstone-s@1",
    index_version="7",
    policy_version="default@abc",
    create_time=datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    timings_ms={"decode": 2.5, "total": 9.25},
    fusion_version="logistic@1",
    calibration_version="12",
    uncalibrated_probability=0.5,
    certificate_id="c1",
    rule_ids=("known-counterfeit-copy",),
)


def test_a_decision_whole() -> None:
    """Every field of a decision reaches the client."""
    message = from_decision(DECISION)

    assert {field.name for field, _ in message.ListFields()} == {field.name for field in message.DESCRIPTOR.fields}
    assert message.verdict == decision_pb2.VERDICT_TAKEDOWN
    assert message.reasons[0].code == "COPY_OF_COUNTERFEIT"
    assert [one.WhichOneof("kind") for one in message.evidence] == list(EVIDENCE)
    assert list(message.category.alternatives[0].path) == ["fashion", "shoes"]
    assert [(one.stage, one.duration_ms) for one in message.timings] == [("decode", 2.5), ("total", 9.25)]
    assert message.create_time.ToDatetime(tzinfo=UTC) == DECISION.create_time
    assert decision_pb2.Decision.FromString(message.SerializeToString()) == message


@pytest.mark.parametrize("name", EVIDENCE)
def test_each_kind_of_evidence_is_told_whole(name: str) -> None:
    """Each kind of evidence fills its own member of the oneof, with every field of it that is not 0 or false."""
    message = from_evidence(EVIDENCE[name])

    member = getattr(message, name)
    told = {field.name for field, _ in member.ListFields()}
    untold = {field.name for field in member.DESCRIPTOR.fields} - told
    # 0, false: a duplicate of the first photo that is not exact.
    assert untold == ({"image_index", "exact"} if name == "duplicate" else set())


def test_no_kind_of_evidence_is_forgotten() -> None:
    """All kinds of the domain, and all members of the oneof, are among those tested here."""
    assert {type(one) for one in EVIDENCE.values()} == set(get_args(findings.Evidence))
    assert [field.name for field in evidence_pb2.Evidence.DESCRIPTOR.oneofs_by_name["kind"].fields] == list(EVIDENCE)


def test_a_visual_match_keeps_its_region() -> None:
    """The region, the reference's kind and the two figures of a match arrive as they are."""
    match = from_evidence(MATCH).visual_match

    assert (match.box.x1, match.box.y1, match.box.x2, match.box.y2) == (0.25, 0.125, 0.75, 0.5)
    assert match.kind == evidence_pb2.REFERENCE_KIND_LOGO
    assert (match.similarity, match.probability) == (0.875, 0.5)
    proof = match.verification
    assert (proof.inlier_count, proof.tentative_count, proof.inverted, proof.mirrored) == (12, 20, True, False)
    assert proof.overlay_share == 0.25
    assert [(point.x, point.y) for point in proof.outline] == [(-0.25, 0), (0.5, 0), (0.5, 1), (-0.25, 1)]


def test_a_name_that_is_read_is_told_in_words() -> None:
    """A person is told what is written and where, and what is doubtful about it."""
    reading = from_visual_match(MATCH).reading

    assert (reading.text, reading.confidence, reading.exact, reading.image_index) == ("NIKE", 0.875, True, 2)
    assert (reading.box.x1, reading.box.y2) == (0.5, 0.5)
    assert reading.explanation == "'NIKE' is read here"
    assert MATCH.reading is not None
    nearly = replace(MATCH, reading=replace(MATCH.reading, text="NIKF", exact=False))
    assert "nearly the brand's name" in from_visual_match(nearly).reading.explanation
    assert not from_visual_match(replace(MATCH, reading=None)).HasField("reading")


def test_unproven_match_has_no_verification() -> None:
    """Where no points were found again the message says nothing, rather than none of none."""
    found = from_visual_match(replace(MATCH, verification=None))

    assert not found.HasField("verification")


def test_expected_prices_are_rounded_to_what_the_wire_holds() -> None:
    """A computed price of endless decimals is told to the billionth."""
    price = from_evidence(EVIDENCE["price"]).price

    assert price.expected == MoneyMessage(currency_code="EUR", units=33, nanos=333_333_333)


@pytest.mark.parametrize(
    ("authorised", "told"),
    [
        (None, evidence_pb2.SELLER_AUTHORIZATION_NO_LIST),
        (True, evidence_pb2.SELLER_AUTHORIZATION_AUTHORIZED),
        (False, evidence_pb2.SELLER_AUTHORIZATION_NOT_AUTHORIZED),
    ],
)
def test_no_list_is_not_unauthorised(authorised: bool | None, told: int) -> None:
    """A brand without a list of sellers says nothing about a seller."""
    seller = EVIDENCE["seller"]
    assert isinstance(seller, findings.SellerEvidence)

    assert from_evidence(replace(seller, authorised=authorised)).seller.authorization == told


@pytest.mark.parametrize("state", VerificationState)
def test_every_state_of_verification_has_a_name_on_the_wire(state: VerificationState) -> None:
    """Each state of a seller's verification is told; a seller never seen has no age."""
    seller = EVIDENCE["seller"]
    assert isinstance(seller, findings.SellerEvidence)

    told = from_evidence(replace(seller, verification=state, age_days=None)).seller

    assert evidence_pb2.SellerVerification.Name(told.verification) == f"SELLER_VERIFICATION_{state}"
    assert not told.HasField("age_days")


@pytest.mark.parametrize("fault", [None, *ImageFault])
def test_every_image_fault_has_a_name_on_the_wire(fault: ImageFault | None) -> None:
    """Each fault that an image can have, and none, is a status of its own."""
    message = from_image_result(domain.ImageResult("ab" * 32, fault=fault))

    assert decision_pb2.ImageStatus.Name(message.status) == f"IMAGE_STATUS_{fault.name if fault else 'OK'}"


@pytest.mark.parametrize(
    ("names", "prefix", "enum"),
    [
        (domain.Verdict, "VERDICT_", decision_pb2.Verdict),
        (findings.TextKind, "TEXT_KIND_", evidence_pb2.TextKind),
        (findings.LookAlikeMethod, "LOOK_ALIKE_METHOD_", evidence_pb2.LookAlikeMethod),
        (ReferenceKind, "REFERENCE_KIND_", evidence_pb2.ReferenceKind),
        (DuplicateSource, "DUPLICATE_SOURCE_", evidence_pb2.DuplicateSource),
        (["OK", *ImageFault.__members__], "IMAGE_STATUS_", decision_pb2.ImageStatus),
    ],
)
def test_domain_and_wire_name_the_same_things(names: object, prefix: str, enum: object) -> None:
    """Every enum of the domain has the same members on the wire, but for the unspecified one."""
    members = set(names) if isinstance(names, list) else set(names.__members__)  # type: ignore[attr-defined]

    assert set(enum.keys()) == {f"{prefix}{name}" for name in (*members, "UNSPECIFIED")}  # type: ignore[attr-defined]
