"""How does what is on record become package.json? From `Material` to a `Document`, field by field.

What the service does not know stays None: nothing is guessed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from index.brand_records import Right
from index.evidence_records import Audience
from index.reports import ReporterType
from index.rulings import Resolution
from serving.packages.chain import stamp
from serving.packages.finds import amount, copies, matches, price, wording
from serving.packages.material import Material
from serving.packages.parts import Listing, Photo, Seller
from serving.packages.schema import (
    SCHEMA_VERSION,
    AppealTold,
    Customs,
    DecisionTold,
    DisclosureTold,
    Document,
    Export,
    Prior,
    Purchase,
    Reason,
    Reports,
    RightTold,
    Step,
)
from touchstone.moderation.v1 import decision_pb2, evidence_pb2

_RING_BASIS = "the same photos and titles"
_IDENTITY = (
    *("legal_name", "country", "address", "phone", "email", "government_id", "bank_account", "bank_account_holder"),
    *("tax_id", "trade_register", "trade_register_number", "lei"),
)
_RIGHT = ("office_code", "registration_number", "application_number", "international_registration_number", "owner_name")


@dataclass(frozen=True, kw_only=True)
class Making:
    """What is new with a package: who asked for it, for whom, and the files that are in it, by what they show."""

    package_id: str
    created_at: str
    audience: Audience
    recipient: str
    basis: str
    exported_by: str
    redaction: str
    retain_until: str
    chain_head: str
    chain_length: int
    signer: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def document_of(material: Material, making: Making) -> Document:
    """Put everything that is known into one document."""
    decision, case = material.decision, material.file.case
    return Document(
        schema_version=SCHEMA_VERSION,
        package_id=making.package_id,
        case_id=case.case_id,
        created_at=making.created_at,
        previous_package_sha256="" if material.previous is None else material.previous.digest,
        chain_head=making.chain_head,
        chain_length=making.chain_length,
        signer=_known(making.signer),
        listing=_listing(material, making.files),
        matches=matches(material, making.files),
        copies=copies(decision),
        wording=wording(decision),
        price=price(decision),
        seller=_seller(material),
        reports=_reports(material),
        decision=_decision(material),
        rights=tuple(map(_right, material.rights)),
        test_purchase=Purchase(),
        customs=Customs(),
        disclosure=_disclosure(material, making),
    )


def _listing(material: Material, files: Mapping[str, str]) -> Listing:
    record, decision = material.file.decision, material.decision
    facts = material.facts.values if material.facts is not None else {}
    priced = next((one.price for one in decision.evidence if one.HasField("price")), None)
    urls = {url for one in material.history.reports if one.notice is not None for url in one.notice.urls}
    return Listing(
        listing_id=record.listing_id,
        urls=tuple(sorted(urls)) or None,
        claimed_brand=_known(facts.get("listing.claimed_brand")),
        declared_category=_known(facts.get("category.declared")),
        condition=_known(facts.get("listing.condition")),
        market=record.market or None,
        photos=_photos(material, files),
        capture_time=stamp(record.create_time),
        unit_price=None if priced is None else amount(priced.unit_price),
        currency=None if priced is None else priced.unit_price.currency_code,
        unit_count=None if priced is None else priced.unit_count,
    )


def _photos(material: Material, files: Mapping[str, str]) -> tuple[Photo, ...]:
    hashes = {photo.sha256: photo.pdq for photo in material.photos}
    return tuple(
        Photo(
            index=index,
            sha256=result.sha256,
            pdq=pdq.hex() if (pdq := hashes.get(result.sha256)) else None,
            embedding_model=material.file.decision.model_fingerprint,
            width=result.width or None,
            height=result.height or None,
            status=decision_pb2.ImageStatus.Name(result.status).removeprefix("IMAGE_STATUS_"),
            file=files.get(f"photo {index}"),
            overlay=files.get(f"overlay {index}"),
        )
        for index, result in enumerate(material.decision.image_results)
    )


def _seller(material: Material) -> Seller:
    known: dict[str, Any] = {"seller_id": material.file.case.seller_id or None}
    record = material.identity
    if record is not None:
        known |= {name: _known(getattr(record.identity, name)) for name in _IDENTITY}
        known["verification"] = str(record.state_at(material.file.read_time))
        if (checked := record.identity.verification) is not None:
            known |= {"verification_method": checked.method or None, "verify_time": stamp(checked.time)}
    found = next((one.seller for one in material.decision.evidence if one.HasField("seller")), None)
    if found is not None:
        state = evidence_pb2.SellerVerification.Name(found.verification).removeprefix("SELLER_VERIFICATION_")
        known.setdefault("verification", state)
        known |= {"strikes": found.decayed_strikes, "decisions": found.decayed_decisions}
        known |= {"strike_rate": found.strike_rate, "strike_rate_low": found.strike_rate_low}
        known["ring_id"] = found.ring_id or None
    if material.ring:
        known |= {"linked_accounts": material.ring, "link_basis": _RING_BASIS}
    return Seller(**known)


def _reports(material: Material) -> Reports:
    reports = material.history.reports
    trusted = (one.report_id for one in reports if one.reporter_type is ReporterType.TRUSTED_FLAGGER)
    notices = [one.notice for one in reports if one.notice is not None]
    return Reports(
        counts=dict(sorted(Counter(str(one.reporter_type) for one in reports).items())),
        notices=len(notices),
        trusted_flagger_reports=tuple(trusted),
        reporters=tuple(dict.fromkeys(one.reporter_id for one in reports)) or None,
        notifiers=tuple(f"{one.notifier_name} <{one.notifier_email}>" for one in notices) or None,
    )


def _decision(material: Material) -> DecisionTold:
    message, record, history = material.decision, material.file.decision, material.history
    ruled = next((one for one in reversed(_standing(material)) if one.in_force), None)
    others = [one for one in history.decisions if one.decision_id != record.decision_id]
    appeals = [one for one in history.appeals if one.decision_id == record.decision_id]
    return DecisionTold(
        decision_id=record.decision_id,
        verdict=material.verdict,
        machine_verdict=record.verdict,
        decide_time=stamp(record.create_time),
        resolve_time=None if ruled is None else stamp(ruled.resolve_time),
        reason_code=None if ruled is None else ruled.outcome.reason_code,
        note=None if ruled is None else _known(ruled.outcome.note),
        policy_version=record.policy_version,
        rule_ids=tuple(message.rule_ids),
        embedding_model=record.model_fingerprint,
        fusion_model=message.fusion_version or None,
        calibration=message.calibration_version or None,
        index_version=record.index_version,
        probability=message.counterfeit_probability,
        uncalibrated_probability=message.uncalibrated_probability,
        certificate_id=message.certificate_id or None,
        reviewers=_reviewers(material),
        reasons=tuple(Reason(code=one.code, weight=one.weight, text=_known(one.text)) for one in message.reasons),
        prior_decisions=tuple(
            Prior(decision_id=one.decision_id, verdict=one.verdict, time=stamp(one.create_time)) for one in others
        ),
        appeals=tuple(
            AppealTold(
                appeal_id=one.appeal_id,
                state=str(one.state),
                create_time=stamp(one.create_time),
                decide_time=None if one.decide_time is None else stamp(one.decide_time),
            )
            for one in appeals
        ),
        steps=tuple(
            Step(kind=str(one.kind), time=stamp(one.time), reference=_known(one.reference)) for one in history.steps
        ),
    )


def _standing(material: Material) -> list[Resolution]:
    own = material.file.decision.decision_id
    return [one for one in material.history.resolutions if one.decision_id == own and one.stands]


def _reviewers(material: Material) -> tuple[str, ...]:
    named = [name for one in _standing(material) for name in (one.reviewer, one.second_reviewer) if name]
    return tuple(dict.fromkeys(named))


def _right(right: Right) -> RightTold:
    return RightTold(
        right_id=right.right_id,
        type=str(right.type),
        status=str(right.status),
        territories=right.territories,
        **{name: _known(getattr(right, name)) for name in _RIGHT},
    )


def _disclosure(material: Material, making: Making) -> DisclosureTold:
    """Tell who else got a package: brand owners learn of those for brand owners alone, and not of their names."""
    others = material.log
    if making.audience is Audience.BRAND_OWNER:  # an inquiry must not be given away
        own_kind = (one for one in material.log if one.audience is Audience.BRAND_OWNER)
        others = tuple(replace(one, recipient="", disclosure_basis="") for one in own_kind)
    log = [
        Export(
            package_id=one.package_id,
            time=stamp(one.create_time),
            audience=str(one.audience),
            recipient=one.recipient,
            basis=one.disclosure_basis,
            exported_by=one.exported_by,
            sha256=one.digest,
        )
        for one in others
    ]
    own = Export(
        package_id=making.package_id,
        time=making.created_at,
        audience=str(making.audience),
        recipient=making.recipient,
        basis=making.basis,
        exported_by=making.exported_by,
    )
    return DisclosureTold(
        audience=str(making.audience),
        recipient=making.recipient,
        basis=making.basis,
        redaction=making.redaction,
        retain_until=making.retain_until,
        log=(*log, own),
    )


def _known(value: object) -> str | None:
    """Return what is known; an empty text says nothing."""
    return str(value) if value else None
