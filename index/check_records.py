"""How well do people decide where the right answer is sure? Frozen records of gold cases and of checks with them.

A check is a gold case as it is shown to one person, under an id of its own and moved to today; `index.store.checks`
keeps them apart from cases, so that no count of those can have one in it. All times are timezone-aware.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from index.case_records import Case
from index.decision_records import DecisionRecord
from index.intervals import Proportion


@dataclass(frozen=True, kw_only=True)
class Gold:
    """A resolved case whose right answer is sure: `verdict` is that answer, `note` says why; a pseudonym marked it."""

    case_id: str
    verdict: str
    note: str
    marked_by: str
    mark_time: datetime


@dataclass(frozen=True, kw_only=True)
class GoldOnRecord:
    """A gold case, and how many people answered to it and agreed with it so far."""

    gold: Gold
    case: Case
    answers: int
    agreed: int


@dataclass(frozen=True, kw_only=True)
class GoldPage:
    """Some gold cases, those marked last first; `next_after` is where the next page goes on, None after the last."""

    golds: tuple[GoldOnRecord, ...]
    next_after: tuple[datetime, str] | None


@dataclass(frozen=True, kw_only=True)
class Disguise:
    """What a gold case is shown as: the ids, the decision's `payload`, and its place among what waits, `queue_key`."""

    check_id: str
    decision_id: str
    payload: bytes
    create_time: datetime
    expected_harm: float
    drawn: bool
    queue_key: float


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check of `reviewer` with a gold case: `case` and `decision` are what people see of it."""

    case: Case
    decision: DecisionRecord
    queue_key: float
    gold_case: Case
    reviewer: str
    right_verdict: str


@dataclass(frozen=True, kw_only=True)
class CheckAnswer:
    """What somebody answered to a check, and what was right; `note` is why."""

    check_id: str
    gold_case_id: str
    listing_id: str
    verdict: str
    right_verdict: str
    agreed: bool
    note: str
    answer_time: datetime


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How somebody answered to checks: the share that was right, and the answers, the newest first."""

    agreed: Proportion
    answers: tuple[CheckAnswer, ...]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What one person's list of cases differs by: their checks, each with its place in the queue, are among it.

    `veiled` are listings on which people decided in cases that would tell what is right: those are left out.
    """

    checks: tuple[tuple[Case, float], ...] = ()
    veiled: frozenset[str] = frozenset()
