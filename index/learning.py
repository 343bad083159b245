"""What is learnt from people's verdicts? The records that the store keeps of it: certificates, bets, calibrations.

`index.guarantee` proves certificates, `index.wager` watches them, `index.calibration` learns;
`index.store.learning` and `index.store.certificates` keep what came out.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from index.verdicts import HumanVerdict, VerdictSource
from index.wager import Wager

# The tier of every brand that was given none.
DEFAULT_TIER = "standard"


@dataclass(frozen=True, kw_only=True)
class JudgedDecision:
    """A verdict with the decision that it is on: when it was made, by which model, and its recorded bytes."""

    verdict: HumanVerdict
    decide_time: datetime
    model_fingerprint: str
    payload: bytes


class CertificateState(enum.StrEnum):
    """Whether a certificate allows takedowns: only a valid one does. EXPIRED is never written: time alone says it."""

    VALID = "valid"
    SUSPENDED = "suspended"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A threshold from which on takedowns of a tier's brands were proved right, and under what.

    At least `target` of the takedowns are right, said with `confidence`: of `verified` candidates `errors` were wrong,
    and `bound` is the upper bound of the share of errors. It holds for one fusion, one procedure of calibration and one
    model; `policy_version` and `last_verdict` say what it was made under and from. Immutable.
    """

    certificate_id: str
    tier: str
    threshold: float
    target: float
    confidence: float
    verified: int
    errors: int
    bound: float
    fusion_version: str
    calibration: str
    model_fingerprint: str
    policy_version: str
    last_verdict: int
    create_time: datetime
    expire_time: datetime


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """When a certificate came into a state, by whom and why. Verdicts after `after_verdict` count for the bet."""

    state: CertificateState
    reason: str
    actor: str
    create_time: datetime
    after_verdict: int


@dataclass(frozen=True, kw_only=True)
class CertificateOnRecord:
    """A certificate with its present state and the bet against it since it last came into force."""

    certificate: Certificate
    changed: StateChange
    wager: Wager = field(default_factory=Wager)

    def state_at(self, moment: datetime) -> CertificateState:
        """Return the state at a moment from now on, if nobody changes it."""
        if self.changed.state is CertificateState.VALID and moment >= self.certificate.expire_time:
            return CertificateState.EXPIRED
        return self.changed.state


@dataclass(frozen=True, kw_only=True)
class TierOfBrand:
    """A brand that was given a tier, and since when."""

    brand: str
    tier: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class CalibrationOnRecord:
    """A state of the calibration of one fusion: after which verdict, under which name."""

    fusion_version: str
    number: int
    version: str
    learnt: int
    create_time: datetime


def standing(verdicts: Iterable[HumanVerdict]) -> tuple[HumanVerdict, ...]:
    """Return what stands of the verdicts, in the order of their numbers: per decision the last review or audit.

    One that was undone stands no more. Appeals are left out: they are made on takedowns that sellers think wrong.
    """
    last = {
        verdict.decision_id: verdict
        for verdict in sorted(verdicts, key=_number)
        if verdict.source is not VerdictSource.APPEAL
    }
    return tuple(sorted((verdict for verdict in last.values() if not verdict.undone), key=_number))


def audited(verdicts: Iterable[HumanVerdict]) -> frozenset[str]:
    """Return the decisions with an audit that stands: chance chose them, whoever looked at them later."""
    last = {
        verdict.decision_id: verdict
        for verdict in sorted(verdicts, key=_number)
        if verdict.source is VerdictSource.AUDIT
    }
    return frozenset(name for name, verdict in last.items() if not verdict.undone)


def overturned(verdicts: Iterable[HumanVerdict]) -> frozenset[str]:
    """Return the decisions whose takedown an appeal took back: they are errors, whatever was said before."""
    last = {
        verdict.decision_id: verdict
        for verdict in sorted(verdicts, key=_number)
        if verdict.source is VerdictSource.APPEAL
    }
    return frozenset(name for name, verdict in last.items() if not verdict.undone and not verdict.infringing)


def _number(verdict: HumanVerdict) -> int:
    return verdict.number
