"""Which verdicts may prove a certificate, and what do they prove? The sample, and the act of certifying.

Certified is a share among *all* candidates above a threshold, so the sample must hold all of them, or a part that
chance alone chose. A candidate is a listing for which a rule asked for TAKEDOWN and a certificate alone decided on it.
Without a certificate each one becomes a REVIEW, which people judge: there the sample is complete.
Candidates of the last few days may still wait; they are left out. Older ones that nobody judged count as errors, or
leaving the doubtful cases open would buy a certificate. Takedowns on a certificate count only where they were drawn for
an audit: what sellers appeal against, or buyers report, is no sample. An appeal that is upheld turns a candidate of the
sample into an error, and otherwise teaches nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from index.guarantee import FIRST_LOOK, STARTS, THRESHOLDS, Promise, Proof, last_look, prove, verified_needed
from index.learning import (
    Certificate,
    CertificateOnRecord,
    CertificateState,
    JudgedDecision,
    TierOfBrand,
    audited,
    overturned,
    standing,
)
from index.store.store import Store
from index.verdicts import HumanVerdict
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
    """A listing that a rule would have taken down: what the service said and when, and whether that was wrong."""

    decide_time: datetime
    probability: float
    wrong: bool
    policy_version: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The candidates of a tier that a threshold could let through, in the order of their decisions.

    `unjudged` of them count as errors because nobody judged them in time.

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
        """Return what the sample proves at its last look, which asks its first candidates; None before it."""
        look = last_look(len(self.candidates))
        if look is None:
            return None
        asked = self.candidates[: look.candidates]
        probabilities = np.array([candidate.probability for candidate in asked], dtype=np.float64)
        wrong = np.array([candidate.wrong for candidate in asked], dtype=np.bool_)
        return prove(probabilities, wrong, look.promise(promise))


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
        decided: dict[str, tuple[datetime, str]] = {}
        verdicts: list[HumanVerdict] = []
        for one, policy in self._judged(tier, tiers, after=after, up_to=last, before=now - self.settle):
            decided[one.verdict.decision_id] = (one.decide_time, policy)
            verdicts.append(one.verdict)
        drawn, taken_back = audited(verdicts), overturned(verdicts)
        judged = [
            Candidate(
                decide_time=decided[verdict.decision_id][0],
                probability=verdict.probability,
                wrong=not verdict.infringing or verdict.decision_id in taken_back,
                policy_version=decided[verdict.decision_id][1],
            )
            for verdict in standing(verdicts)
            if verdict.machine_verdict != Verdict.TAKEDOWN or verdict.decision_id in drawn
        ]
        unjudged = list(self._unjudged(tier, tiers, before=now - self.settle))
        high = [candidate for candidate in (*judged, *unjudged) if candidate.probability >= THRESHOLDS[-1]]
        return Sample(
            tier=tier,
            candidates=tuple(sorted(high, key=lambda candidate: candidate.decide_time)),
            unjudged=sum(candidate.probability >= THRESHOLDS[-1] for candidate in unjudged),
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
    ) -> Iterator[tuple[JudgedDecision, str]]:
        """Yield the verdicts on candidates of the tier, each with the policy's version."""
        while page := self.store.judged_after(after, up_to=up_to, limit=_PAGE):
            after = page[-1].verdict.number
            for one in page:
                in_tier = one.verdict.brand and _tier(tiers, one.verdict.brand) == tier
                if in_tier and one.decide_time < before and one.model_fingerprint == self.versions.model:
                    decision = decision_pb2.Decision.FromString(one.payload)
                    if self._is_candidate(decision):
                        yield replace(one, payload=b""), decision.policy_version  # there may be many

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
                        decide_time=one.create_time,
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
    count, wrong = len(sample.candidates), sum(candidate.wrong for candidate in sample.candidates)
    found = (
        f"no threshold for {sample.tier} brands is proved: {count:,} candidates of at least {THRESHOLDS[-1]:.2f} are "
        f"on record, {wrong:,} of them wrong ({sample.unjudged:,} because nobody judged them). "
    )
    look = last_look(count)
    if look is None:
        return f"{found}The first look is at {FIRST_LOOK:,}."
    level = (1.0 - look.promise(promise).confidence) / STARTS
    needs = ", ".join(f"{verified_needed(errors, promise, level=level):,} with {errors}" for errors in (0, 1, 3, 10))
    return f"{found}The look at {look.candidates:,} takes {needs} errors at one threshold."


def _tier(tiers: dict[str, TierOfBrand], brand: str) -> str:
    return Certificates(of_tier={}, tiers=tiers).tier_of(brand)
