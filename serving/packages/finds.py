"""How does a package tell of what was found? The evidence of a decision as parts of package.json."""

from __future__ import annotations

from collections.abc import Mapping

from google.type.money_pb2 import Money

from index.brand_records import mark_key
from serving.packages.material import Material
from serving.packages.parts import Copy, Match, Price, Wording
from serving.wire.money import to_money
from touchstone.moderation.v1 import decision_pb2, evidence_pb2


def matches(material: Material, files: Mapping[str, str]) -> tuple[Match, ...]:
    """Tell of the regions that look like references; `files` has crops and references by the match's number."""
    found = [one.visual_match for one in material.decision.evidence if one.HasField("visual_match")]
    return tuple(_match(material, one, number, files) for number, one in enumerate(found))


def _match(material: Material, one: evidence_pb2.VisualMatch, number: int, files: Mapping[str, str]) -> Match:
    proof = one.verification if one.HasField("verification") else None
    reference = material.references.get(one.reference_id)
    mark = "" if reference is None or reference.mark_id is None else reference.mark_id
    rights = material.mark_rights.get(mark) or material.mark_rights.get(mark_key(one.brand_id, mark)) or ()
    return Match(
        image_index=one.image_index,
        box=(one.box.x1, one.box.y1, one.box.x2, one.box.y2),
        brand_id=one.brand_id,
        brand=one.brand,
        reference_id=one.reference_id,
        reference_kind=evidence_pb2.ReferenceKind.Name(one.kind).removeprefix("REFERENCE_KIND_"),
        right_ids=rights,
        similarity=one.similarity,
        probability=one.probability,
        inlier_count=None if proof is None else proof.inlier_count,
        tentative_count=None if proof is None else proof.tentative_count,
        overlay_share=0.0 if proof is None else proof.overlay_share,
        outline=() if proof is None else tuple((point.x, point.y) for point in proof.outline),
        reading=one.reading.text if one.HasField("reading") else None,
        crop=files.get(f"crop {number}"),
        reference_file=files.get(f"reference {number}"),
    )


def copies(decision: decision_pb2.Decision) -> tuple[Copy, ...]:
    """Tell of photos that copy others."""
    found = (one.duplicate for one in decision.evidence if one.HasField("duplicate"))
    return tuple(
        Copy(
            image_index=one.image_index,
            source=evidence_pb2.DuplicateSource.Name(one.source).removeprefix("DUPLICATE_SOURCE_"),
            source_id=one.source_id,
            exact=one.exact,
            distance_bits=one.distance_bits,
            inlier_count=one.verification.inlier_count if one.HasField("verification") else None,
        )
        for one in found
    )


def wording(decision: decision_pb2.Decision) -> tuple[Wording, ...]:
    """Tell of wording."""
    found = (one.text for one in decision.evidence if one.HasField("text"))
    return tuple(
        Wording(
            kind=evidence_pb2.TextKind.Name(one.kind).removeprefix("TEXT_KIND_"),
            field_name=one.field_name,
            matched=one.matched or None,
            brand=one.brand or None,
        )
        for one in found
    )


def price(decision: decision_pb2.Decision) -> Price:
    """Tell how the price stands."""
    found = next((one.price for one in decision.evidence if one.HasField("price")), None)
    if found is None:
        return Price()
    return Price(
        cell=found.basis or None,
        observations=found.observation_count,
        expected=amount(found.expected),
        low=amount(found.low),
        high=amount(found.high),
        ratio=found.ratio,
        log_odds=found.score,
        explanation=found.explanation or None,
        story=evidence_pb2.PriceStory.Name(found.story).removeprefix("PRICE_STORY_"),
    )


def amount(money: Money) -> str:
    """Write an amount in decimal digits, without the currency."""
    return f"{to_money(money).amount:f}"
