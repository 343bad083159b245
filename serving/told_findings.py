"""What was found in a listing, so that anybody may read it? Findings without a word of the seller's or a reporter's.

Statements of reasons and the public register tell of these. Each is a code with figures and names of registered brands
only; the sentences stand in `serving/legal/data/statement.*.yaml`, so that nothing a user typed can get into them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from serving.evidence import SEEN
from touchstone.moderation.v1 import decision_pb2, evidence_pb2

_DUPLICATES = {
    evidence_pb2.DUPLICATE_SOURCE_KNOWN_COUNTERFEIT: "COPY_OF_KNOWN_COUNTERFEIT",
    evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING: "COPY_OF_REMOVED_LISTING",
}
_WORDINGS = {
    evidence_pb2.TEXT_KIND_REPLICA_WORDING: "REPLICA_WORDING",
    evidence_pb2.TEXT_KIND_BRAND_CLAIM_MISMATCH: "BRAND_CLAIM_MISMATCH",
    evidence_pb2.TEXT_KIND_LOOK_ALIKE: "BRAND_LOOK_ALIKE",
    evidence_pb2.TEXT_KIND_OFF_PLATFORM_CONTACT: "OFF_PLATFORM_CONTACT",
}
# Of these only the brand's name makes a sentence.
_NEEDS_BRAND = ("BRAND_LOOK_ALIKE", "SELLER_NOT_AUTHORISED")

Registered = Callable[[str], str]
"""The name under which a brand is in the registry; "" for what is not there, for a seller may claim any words."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found; `values` go into its sentence. `of_person` says something about the seller."""

    code: str
    values: dict[str, str] = field(default_factory=dict)
    of_person: bool = False


def told_findings(decision: decision_pb2.Decision, registered: Registered) -> tuple[Finding, ...]:
    """Return what speaks against the goods in a decision's evidence, each thing once, in the order of the evidence."""
    found: dict[tuple[str, ...], Finding] = {}
    for evidence in decision.evidence:
        for one in _findings(evidence, registered):
            if one.values.get("brand", "?") or one.code not in _NEEDS_BRAND:
                found.setdefault((one.code, *one.values.values()), one)
    return tuple(found.values())


def _findings(evidence: evidence_pb2.Evidence, registered: Registered) -> Iterator[Finding]:
    kind = evidence.WhichOneof("kind")
    if kind == "duplicate" and evidence.duplicate.source in _DUPLICATES:
        yield Finding(_DUPLICATES[evidence.duplicate.source])
    elif kind == "visual_match":
        yield from _seen(evidence.visual_match, registered)
    elif kind == "text" and evidence.text.kind in _WORDINGS:
        code = _WORDINGS[evidence.text.kind]
        yield Finding(code, {"brand": registered(evidence.text.brand)} if code in _NEEDS_BRAND else {})
    elif kind == "category" and evidence.category.mismatch:
        yield Finding("CATEGORY_MISMATCH")
    elif kind == "price" and evidence.price.score > 0:
        yield Finding("PRICE_BELOW_USUAL", {"percent": f"{100 * evidence.price.ratio:.0f}"})
    elif kind == "seller":
        yield from _of_seller(evidence.seller, registered)
    elif kind == "report" and evidence.report.report_count:
        yield Finding("REPORTED", {"count": str(evidence.report.report_count)})


def _seen(match: evidence_pb2.VisualMatch, registered: Registered) -> Iterator[Finding]:
    name = registered(match.brand)
    if match.probability < SEEN or not name:
        return
    known_fake = match.kind == evidence_pb2.REFERENCE_KIND_COUNTERFEIT
    yield Finding("LIKE_KNOWN_COUNTERFEIT" if known_fake else "BRAND_SEEN", {"brand": name})


def _of_seller(seller: evidence_pb2.SellerEvidence, registered: Registered) -> Iterator[Finding]:
    if seller.authorization == evidence_pb2.SELLER_AUTHORIZATION_NOT_AUTHORIZED:
        yield Finding("SELLER_NOT_AUTHORISED", {"brand": registered(seller.brand)}, of_person=True)
    if seller.strike_count:
        yield Finding("SELLER_STRIKES", {"count": str(seller.strike_count)}, of_person=True)
