"""What did people decide? The verdicts that calibration, certificates and strikes are learnt from.

`CaseService` writes one with each resolution that comes into force and marks it undone with each that is undone;
learning reads them in the order of their numbers.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class VerdictSource(enum.StrEnum):
    """Why a person looked. Only an AUDIT is a random sample; nothing is learnt from appeals, which are one-sided."""

    REVIEW = "review"
    AUDIT = "audit"
    APPEAL = "appeal"


@dataclass(frozen=True, kw_only=True)
class HumanVerdict:
    """A person's verdict on a decision.

    `number` grows in the order of the commits; an undone verdict gets a new row under a new number with `undone` set.
    `brand` is the brand at stake by name, "" when none was; `machine_verdict` what the service had said, with
    `probability` and `uncalibrated_probability`, 0..1; `certificate_id` what a takedown rested on, or "".
    """

    number: int
    decision_id: str
    listing_id: str
    seller_id: str
    brand: str
    infringing: bool
    source: VerdictSource
    machine_verdict: str
    probability: float
    uncalibrated_probability: float
    certificate_id: str
    create_time: datetime
    undone: bool = False
