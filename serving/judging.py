"""What follows from the facts of one listing? The last stage: weigh all evidence, calibrate, decide.

A listing takes its `Judge` when it comes in and keeps it to its end, so a reload drops no request, and a decision names
one version of everything that made it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from index.calibration import Calibration
from index.policies import ShadowOutcome
from serving.calibrating import Calibrator
from serving.domain import Reason
from serving.facts import Facts
from serving.fusion import Fusion, explain, worth_saying
from serving.fusion_file import PRIOR
from serving.gate import UNCERTIFIED, TakedownGate
from serving.policy import Outcome, decide
from serving.policy_book import Policies, shadow_outcomes

UNLEARNT = Calibrator(Calibration())
"""The calibration before any verdict: every probability stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What follows, and the versions of what it follows from.

    `facts` hold `fused.probability`, calibrated, as the policy saw it; `uncalibrated` is the fusion's own, 0..1. Where
    fusion came to no figure the policy saw none, and both are the worst: a person must look, and soon.
    """

    facts: Facts
    outcome: Outcome
    probability: float
    uncalibrated: float
    reasons: tuple[Reason, ...]
    shadows: tuple[ShadowOutcome, ...]
    policy_version: str
    fusion_version: str
    calibration_version: str


@dataclass(frozen=True, kw_only=True)
class Judge:
    """One state of policies, fusion, calibration and certificates. Any number of threads may use it."""

    policies: Policies
    fusion: Fusion = PRIOR
    calibrator: Calibrator = UNLEARNT
    gate: TakedownGate = UNCERTIFIED

    def judge(self, facts: Facts) -> Judgement:
        """Decide on one listing; what shadow policies say changes nothing."""
        fused = self.fusion.fuse(facts)
        brand = facts.values["brand.name"]
        assert isinstance(brand, str)
        figure = math.isfinite(fused.probability)
        uncalibrated = fused.probability if figure else 1.0
        adjusted = self.calibrator.adjust(uncalibrated, brand)
        facts = facts.plus("fused.probability", adjusted.probability if figure else math.nan)
        outcome = decide(facts, self.policies.active, self.gate)
        return Judgement(
            facts=facts,
            outcome=outcome,
            probability=adjusted.probability,
            uncalibrated=uncalibrated,
            reasons=explain(outcome.reasons, worth_saying((*fused.weighed, adjusted.contribution))),
            shadows=shadow_outcomes(facts, self.policies.shadows, self.gate),
            policy_version=self.policies.active.version,
            fusion_version=fused.version,
            calibration_version=adjusted.version,
        )
