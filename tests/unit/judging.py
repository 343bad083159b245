"""Decisions as the service records them, and what people said of them: what the tests of learning are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from index.calibration import PROCEDURE
from index.decision_records import DecisionRecord
from index.learning import Certificate
from index.store.store import Store
from index.store.tables.decisions import decisions
from index.store.verdicts import add_verdict
from index.verdicts import HumanVerdict, VerdictSource
from touchstone.moderation.v1 import decision_pb2

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
MODEL = "model"
FUSION = "fusion-1"


CERTIFICATE = Certificate(
    certificate_id="c1",
    tier="standard",
    threshold=0.99,
    target=0.995,
    confidence=0.95,
    verified=1000,
    errors=1,
    bound=0.0048,
    fusion_version=FUSION,
    calibration=PROCEDURE,
    model_fingerprint=MODEL,
    policy_version="policy@1",
    last_verdict=0,
    create_time=NOON,
    expire_time=NOON + timedelta(days=90),
)


def a_decision(
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
    listing: str = "",
) -> DecisionRecord:
    """Make a decision; `asked` says that a rule asked for TAKEDOWN."""
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
    return DecisionRecord(
        decision_id=decision_id,
        listing_id=listing or f"listing-{decision_id}",
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


def record(store: Store, decision_id: str, **given: Any) -> DecisionRecord:
    """Put `a_decision` on record."""
    decision = a_decision(decision_id, **given)
    store.record_decision(decision)
    return decision


def judge(store: Store, decision: DecisionRecord, **given: Any) -> HumanVerdict:
    """Put `a_verdict` on a recorded decision into the log, as the case service does."""
    with store._database.write("add a verdict") as connection:
        return add_verdict(connection, a_verdict(decision, **given))


def judge_many(store: Store, made: Sequence[DecisionRecord], **given: Any) -> None:
    """Record decisions and verdicts on them in one transaction: a thousand commits take their time."""
    fields = DecisionRecord.__dataclass_fields__
    with store._database.write("add verdicts") as connection:
        connection.execute(decisions.insert(), [{name: getattr(one, name) for name in fields} for one in made])
        for decision in made:
            add_verdict(connection, a_verdict(decision, **given))


def a_verdict(
    decision: DecisionRecord,
    *,
    infringing: bool,
    source: VerdictSource = VerdictSource.REVIEW,
    undone: bool = False,
) -> HumanVerdict:
    """Make a person's verdict on a decision."""
    said = decision_pb2.Decision.FromString(decision.payload)
    return HumanVerdict(
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
