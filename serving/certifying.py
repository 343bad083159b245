"""Which verdicts may prove a certificate, and what do they prove? The sample, and the act of certifying.

Certified is a share among *all* candidates above a threshold, so the sample must hold all of them, or a part that
chance alone chose. A candidate is a listing for which a rule asked for TAKEDOWN and a certificate alone decided on it.
Without a certificate each one becomes a REVIEW, which people judge, highest first: there the sample is complete.
Candidates of the last few days may still wait; they are left out. Older ones that nobody judged count as errors, or
leaving the doubtful cases open would buy a certificate. Takedowns on a certificate count only where they were drawn for
an audit: what sellers appeal against, or buyers report, is no sample. An appeal that is upheld turns a candidate of the
sample into an error, and otherwise teaches nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from index.guarantee import STARTS, THRESHOLDS, Promise, Proof, prove, verified_needed
from index.learning import (
    Certificate,
    CertificateOnRecord,
    CertificateState,
    TierOfBrand,
    overturned,
    standing,
)
from index.store.store import Store
from index.verdicts import HumanVerdict, VerdictSource
from serving.domain import Verdict
from serving.guarantee import NOT_CERTIFIED, SUSPENDED, Certificates, Versions
from touchstone.moderation.v1 import decision_pb2

# People get so long for a candidate before it counts as one that nobody could call counterfeit.
SETTLE = timedelta(days=3)
# A market changes; what was proved is proved anew after so long.
LASTS = timedelta(days=90)
_PAGE = 1000
_REFUSALS = frozenset({NOT_CERTIFIED, SUSPENDED})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A listing that a rule would have taken down: what the service said, and whether that was wrong."""

    probability: float
    wrong: bool
    policy_version: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The candidates of a tier. `unjudged` of them count as errors because nobody judged them in time.

    `after_verdict` < numbers of the verdicts asked <= `last_verdict`.
    """

    tier: str
    candidates: tuple[Candidate, ...]
    unjudged: int
    after_verdict: int
    last_verdict: int

    @property
    def policy_versions(self) -> tuple[str, ...]:
        """The policies under which the candidates were decided on, by name."""
        return tuple(sorted({candidate.policy_version for candidate in self.candidates}))

    def proof(self, promise: Promise) -> Proof | None:
        """Return what the sample proves."""
        probabilities = np.array([candidate.probability for candidate in self.candidates], dtype=np.float64)
        wrong = np.array([candidate.wrong for candidate in self.candidates], dtype=np.bool_)
        return prove(probabilities, wrong, promise)


@dataclass(frozen=True, kw_only=True)
class Certifier:
    """Draws samples from the store, and makes certificates of what they prove."""

    store: Store
    versions: Versions
    settle: timedelta = SETTLE
    lasts: timedelta = LASTS

    def sample(self, tier: str, *, now: datetime) -> Sample:
        """Collect a tier's candidates that may be asked: since its last suspension, which refuted what was before."""
        known = self.store.list_certificates()
        tiers = {one.brand: one for one in self.store.list_tiers()}
        after, last = self._last_suspension(tier, known), self.store.verdict_head()
        policies: dict[str, str] = {}
        verdicts: list[HumanVerdict] = []
        for verdict, policy_version in self._judged(tier, tiers, after=after, up_to=last, before=now - self.settle):
            policies[verdict.decision_id] = policy_version
            verdicts.append(verdict)
        taken_back = overturned(verdicts)
        candidates = [
            Candidate(
                probability=verdict.probability,
                wrong=not verdict.infringing or verdict.decision_id in taken_back,
                policy_version=policies[verdict.decision_id],
            )
            for verdict in standing(verdicts)
            if verdict.machine_verdict != Verdict.TAKEDOWN or verdict.source is VerdictSource.AUDIT
        ]
        unjudged = list(self._unjudged(tier, tiers, before=now - self.settle))
        return Sample(
            tier=tier,
            candidates=(*candidates, *unjudged),
            unjudged=len(unjudged),
            after_verdict=after,
            last_verdict=last,
        )

    def certificate(self, sample: Sample, promise: Promise, *, now: datetime) -> Certificate | None:
        """Make the certificate that a sample proves, not yet in force; None when it proves none."""
        proof = sample.proof(promise)
        if proof is None:
            return None
        return Certificate(
            certificate_id=f"cert-{uuid.uuid4().hex[:12]}",
            tier=sample.tier,
            threshold=proof.threshold,
            target=promise.target,
            confidence=promise.confidence,
            verified=proof.verified,
            errors=proof.errors,
            bound=proof.bound,
            fusion_version=self.versions.fusion,
            calibration=self.versions.calibration,
            model_fingerprint=self.versions.model,
            policy_version=", ".join(sample.policy_versions),
            last_verdict=sample.last_verdict,
            create_time=now,
            expire_time=now + self.lasts,
        )

    def _last_suspension(self, tier: str, known: tuple[CertificateOnRecord, ...]) -> int:
        changes = (
            change
            for one in known
            if one.certificate.tier == tier
            for change in self.store.certificate_changes(one.certificate.certificate_id)
        )
        suspensions = (change.after_verdict for change in changes if change.state is CertificateState.SUSPENDED)
        return max(suspensions, default=0)

    def _judged(
        self, tier: str, tiers: dict[str, TierOfBrand], *, after: int, up_to: int, before: datetime
    ) -> Iterator[tuple[HumanVerdict, str]]:
        """Yield the verdicts on candidates of the tier, each with the policy's version."""
        while page := self.store.judged_after(after, up_to=up_to, limit=_PAGE):
            after = page[-1].verdict.number
            for one in page:
                in_tier = one.verdict.brand and _tier(tiers, one.verdict.brand) == tier
                if in_tier and one.decide_time < before and one.model_fingerprint == self.versions.model:
                    decision = decision_pb2.Decision.FromString(one.payload)
                    if self._is_candidate(decision):
                        yield one.verdict, decision.policy_version

    def _unjudged(self, tier: str, tiers: dict[str, TierOfBrand], *, before: datetime) -> Iterator[Candidate]:
        after = ""
        while page := self.store.unjudged_reviews(before=before, after=after, limit=_PAGE):
            after = page[-1].decision_id
            for one in page:
                if not one.brand or _tier(tiers, one.brand) != tier or one.model_fingerprint != self.versions.model:
                    continue
                decision = decision_pb2.Decision.FromString(one.payload)
                if self._is_candidate(decision):
                    yield Candidate(
                        probability=decision.counterfeit_probability,
                        wrong=True,
                        policy_version=decision.policy_version,
                    )

    def _is_candidate(self, decision: decision_pb2.Decision) -> bool:
        """Whether a rule asked for this takedown and a certificate alone decides on it, with the versions in use."""
        asked = decision.certificate_id or any(reason.code in _REFUSALS for reason in decision.reasons)
        return bool(asked) and (decision.fusion_version, decision.calibration_version.partition(":")[0]) == (
            self.versions.fusion,
            self.versions.calibration,
        )


def what_is_missing(sample: Sample, promise: Promise) -> str:
    """Say, for people, why a sample proves no threshold."""
    level = (1.0 - promise.confidence) / STARTS
    needs = ", ".join(f"{verified_needed(errors, promise, level=level):,} with {errors}" for errors in (0, 1, 3, 10))
    lowest = sum(candidate.probability >= THRESHOLDS[-1] for candidate in sample.candidates)
    wrong = sum(candidate.wrong and candidate.probability >= THRESHOLDS[-1] for candidate in sample.candidates)
    return (
        f"no threshold for {sample.tier} brands is proved: {lowest:,} candidates of at least {THRESHOLDS[-1]:.2f} are "
        f"on record, {wrong:,} of them wrong ({sample.unjudged:,} because nobody judged them). "
        f"It takes {needs} errors at one threshold."
    )


def _tier(tiers: dict[str, TierOfBrand], brand: str) -> str:
    return Certificates(of_tier={}, tiers=tiers).tier_of(brand)
