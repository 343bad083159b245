"""What does a client see of a decision? Domain decisions to the public `Decision` message.

The last step of a listing's way through. The message made here is also what the store keeps, byte for byte, so a
decision that is asked for again is the one that was given.
"""

from __future__ import annotations

import functools

from google.protobuf.timestamp_pb2 import Timestamp

from serving.domain import Decision, ImageResult
from serving.findings import (
    CategoryEvidence,
    CategoryGuess,
    Duplicate,
    Evidence,
    PriceEvidence,
    Reading,
    ReportEvidence,
    SellerEvidence,
    TextHit,
    VisualMatch,
)
from serving.wire.money import from_money
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from vision.regions import Box
from vision.verify import Variant, Verification


def from_decision(decision: Decision) -> decision_pb2.Decision:
    """Translate a decision to the wire."""
    create_time = Timestamp()
    create_time.FromDatetime(decision.create_time)
    return decision_pb2.Decision(
        decision_id=decision.decision_id,
        listing_id=decision.listing_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{decision.verdict.name}"),
        counterfeit_probability=decision.counterfeit_probability,
        reasons=[decision_pb2.Reason(code=one.code, text=one.text, weight=one.weight) for one in decision.reasons],
        evidence=[from_evidence(one) for one in decision.evidence],
        category=decision_pb2.Category(
            path=decision.category.path,
            probability=decision.category.probability,
            alternatives=[_guess(one) for one in decision.category.alternatives],
        ),
        description=decision.description,
        attributes=[
            decision_pb2.Attribute(name=one.name, value=one.value, probability=one.probability)
            for one in decision.attributes
        ],
        image_results=[from_image_result(one) for one in decision.image_results],
        model_fingerprint=decision.model_fingerprint,
        index_version=decision.index_version,
        policy_version=decision.policy_version,
        timings=[
            decision_pb2.StageTiming(stage=stage, duration_ms=duration)
            for stage, duration in decision.timings_ms.items()
        ],
        create_time=create_time,
        fusion_version=decision.fusion_version,
        calibration_version=decision.calibration_version,
        uncalibrated_probability=decision.uncalibrated_probability,
        certificate_id=decision.certificate_id,
        rule_ids=decision.rule_ids,
    )


def from_image_result(result: ImageResult) -> decision_pb2.ImageResult:
    """Translate what became of one image; no fault is OK."""
    name = "OK" if result.fault is None else result.fault.name
    return decision_pb2.ImageResult(
        status=decision_pb2.ImageStatus.Value(f"IMAGE_STATUS_{name}"),
        sha256=result.sha256,
        width=result.width,
        height=result.height,
        message=result.message,
    )


@functools.singledispatch
def from_evidence(evidence: Evidence) -> evidence_pb2.Evidence:
    """Translate one piece of evidence into its member of the oneof."""
    raise TypeError(f"no member of the Evidence message is known for {type(evidence).__name__}")


@from_evidence.register
def _(evidence: VisualMatch) -> evidence_pb2.Evidence:
    return evidence_pb2.Evidence(visual_match=from_visual_match(evidence))


@from_evidence.register
def _(evidence: Duplicate) -> evidence_pb2.Evidence:
    duplicate = evidence_pb2.Duplicate(
        image_index=evidence.image_index,
        source=evidence_pb2.DuplicateSource.Value(f"DUPLICATE_SOURCE_{evidence.source.name}"),
        source_id=evidence.source_id,
        brand=evidence.brand,
        distance_bits=evidence.distance,
        exact=evidence.exact,
        mirrored=evidence.mirrored,
        verification=_verification(evidence.verification),
    )
    return evidence_pb2.Evidence(duplicate=duplicate)


@from_evidence.register
def _(evidence: TextHit) -> evidence_pb2.Evidence:
    method = evidence.method
    text = evidence_pb2.TextHit(
        kind=evidence_pb2.TextKind.Value(f"TEXT_KIND_{evidence.kind.name}"),
        field_name=evidence.field_name,
        start=evidence.start,
        end=evidence.end,
        matched=evidence.matched,
        brand=evidence.brand,
        language=evidence.language,
        method=evidence_pb2.LookAlikeMethod.Value(f"LOOK_ALIKE_METHOD_{method.name if method else 'UNSPECIFIED'}"),
        distance=evidence.distance,
        image_index=evidence.image_index,
        box=from_box(evidence.box) if evidence.box else None,
        before=evidence.before,
        after=evidence.after,
    )
    return evidence_pb2.Evidence(text=text)


@from_evidence.register
def _(evidence: CategoryEvidence) -> evidence_pb2.Evidence:
    category = evidence_pb2.CategoryEvidence(
        declared=evidence.declared,
        declared_path=evidence.declared_path,
        predicted=_guess(evidence.predicted),
        mismatch=evidence.mismatch,
    )
    return evidence_pb2.Evidence(category=category)


@from_evidence.register
def _(evidence: PriceEvidence) -> evidence_pb2.Evidence:
    price = evidence_pb2.PriceEvidence(
        unit_price=from_money(evidence.unit_price),
        expected=from_money(evidence.expected),
        low=from_money(evidence.low),
        high=from_money(evidence.high),
        ratio=evidence.ratio,
        score=evidence.score,
        basis=evidence.basis,
        observation_count=evidence.observations,
        explanation=evidence.explanation,
        story=evidence_pb2.PriceStory.Value(f"PRICE_STORY_{evidence.story.name}"),
        meant_in_currency=evidence.meant_in,
        levels=[
            evidence_pb2.PriceLevel(name=one.name, observation_count=one.observations, band_weight=one.band_weight)
            for one in evidence.levels
        ],
        unit_count=evidence.unit_count,
        declared_sale=evidence.declared_sale,
        declared_discount=evidence.declared_discount,
    )
    return evidence_pb2.Evidence(price=price)


@from_evidence.register
def _(evidence: SellerEvidence) -> evidence_pb2.Evidence:
    seller = evidence_pb2.SellerEvidence(
        seller_id=evidence.seller_id,
        known=evidence.known,
        brand=evidence.brand,
        authorization=_authorization(evidence.authorised),
        verified=evidence.verified,
        strike_count=evidence.strikes,
        decision_count=evidence.decisions,
        territory=evidence.territory,
        verification=evidence_pb2.SellerVerification.Value(f"SELLER_VERIFICATION_{evidence.verification.name}"),
        age_days=evidence.age_days,
        decayed_strikes=evidence.decayed_strikes,
        decayed_decisions=evidence.decayed_decisions,
        strike_rate=evidence.strike_rate,
        strike_rate_low=evidence.strike_rate_low,
        ring_id=evidence.ring_id,
        ring_size=evidence.ring_size,
        ring_rate=evidence.ring_rate,
        upheld_report_count=evidence.upheld_reports,
        exposure_count=evidence.exposure,
        sales_known=evidence.sales_known,
        reports_per_sale=evidence.reports_per_sale,
    )
    return evidence_pb2.Evidence(seller=seller)


@from_evidence.register
def _(evidence: ReportEvidence) -> evidence_pb2.Evidence:
    report = evidence_pb2.ReportEvidence(
        report_count=evidence.reports, weight=evidence.weight, reporter_count=evidence.reporters
    )
    return evidence_pb2.Evidence(report=report)


def from_visual_match(match: VisualMatch) -> evidence_pb2.VisualMatch:
    """Translate a match between a region and a reference, as evidence or as the answer to a search."""
    return evidence_pb2.VisualMatch(
        image_index=match.image_index,
        box=from_box(match.box),
        brand_id=match.brand_id,
        brand=match.brand,
        reference_id=match.reference_id,
        kind=evidence_pb2.ReferenceKind.Value(f"REFERENCE_KIND_{match.kind.name}"),
        similarity=match.similarity,
        probability=match.probability,
        verification=_verification(match.verification),
        reading=_reading(match.reading),
    )


def _reading(reading: Reading | None) -> evidence_pb2.Reading | None:
    if reading is None:
        return None
    return evidence_pb2.Reading(
        text=reading.text,
        confidence=reading.confidence,
        exact=reading.exact,
        image_index=reading.image_index,
        box=from_box(reading.box),
        explanation=reading.explanation,
    )


def _verification(verification: Verification | None) -> evidence_pb2.Verification | None:
    if verification is None:
        return None
    return evidence_pb2.Verification(
        inlier_count=verification.inliers,
        tentative_count=verification.tentative,
        outline=[evidence_pb2.Point(x=x, y=y) for x, y in verification.outline or ()],
        inverted=verification.variant is Variant.INVERTED,
        mirrored=verification.variant is Variant.MIRRORED,
        overlay_share=verification.overlaid,
    )


def from_box(box: Box) -> evidence_pb2.Box:
    """Translate a box."""
    return evidence_pb2.Box(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)


def _guess(guess: CategoryGuess) -> evidence_pb2.CategoryGuess:
    return evidence_pb2.CategoryGuess(path=guess.path, probability=guess.probability)


def _authorization(authorised: bool | None) -> evidence_pb2.SellerAuthorization.ValueType:
    if authorised is None:
        return evidence_pb2.SELLER_AUTHORIZATION_NO_LIST
    return (
        evidence_pb2.SELLER_AUTHORIZATION_AUTHORIZED if authorised else evidence_pb2.SELLER_AUTHORIZATION_NOT_AUTHORIZED
    )
