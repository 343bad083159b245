"""Decisions as the service records them, and what people said of them: what the tests of learning are made of."""

from __future__ import annotations

from datetime import UTC, datetime

from index.calibration import PROCEDURE
from index.records import Case, DecisionRecord
from index.store.store import Store
from index.store.verdicts import add_verdict
from index.verdicts import HumanVerdict, VerdictSource
from touchstone.moderation.v1 import decision_pb2

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
MODEL = "model"
FUSION = "fusion-1"


def record(
    store: Store,
    decision_id: str,
    *,
    probability: float = 0.9,
    brand: str = "Acme",
    verdict: str = "REVIEW",
    certificate_id: str = "",
    asked: bool = True,
    fusion: str = FUSION,
    calibration: str = f"{PROCEDURE}:0:none",
    uncalibrated: float | None = None,
) -> DecisionRecord:
    """Put a decision on record, with the case that it opens; `asked` says that a rule asked for TAKEDOWN."""
    payload = decision_pb2.Decision(
        decision_id=decision_id,
        counterfeit_probability=probability,
        uncalibrated_probability=probability if uncalibrated is None else uncalibrated,
        fusion_version=fusion,
        calibration_version=calibration,
        certificate_id=certificate_id,
        policy_version="policy@1",
        reasons=[decision_pb2.Reason(code="TAKEDOWN_NOT_CERTIFIED")] if asked and not certificate_id else [],
    )
    decision = DecisionRecord(
        decision_id=decision_id,
        listing_id=f"listing-{decision_id}",
        idempotency_key=None,
        request_sha256="00" * 32,
        verdict=verdict,
        create_time=NOON,
        payload=payload.SerializeToString(deterministic=True),
        seller_id="seller",
        brand=brand,
        model_fingerprint=MODEL,
        index_version="1",
        policy_version="policy@1",
    )
    case = Case(
        case_id=f"case-{decision_id}",
        decision_id=decision_id,
        listing_id=decision.listing_id,
        verdict=verdict,
        brand=brand,
        create_time=NOON,
        priority=probability,
    )
    store.record_decision(decision, case=None if verdict == "ALLOW" else case)
    return decision


def judge(
    store: Store,
    decision: DecisionRecord,
    *,
    infringing: bool,
    source: VerdictSource = VerdictSource.REVIEW,
    undone: bool = False,
) -> HumanVerdict:
    """Put a person's verdict on a recorded decision into the log, as the case service does."""
    said = decision_pb2.Decision.FromString(decision.payload)
    verdict = HumanVerdict(
        number=0,
        decision_id=decision.decision_id,
        listing_id=decision.listing_id,
        seller_id=decision.seller_id,
        brand=decision.brand,
        infringing=infringing,
        source=source,
        machine_verdict=decision.verdict,
        probability=said.counterfeit_probability,
        uncalibrated_probability=said.uncalibrated_probability,
        certificate_id=said.certificate_id,
        create_time=NOON,
        undone=undone,
    )
    with store._database.write("add a verdict") as connection:
        return add_verdict(connection, verdict)
