"""What do moderators' verdicts make of a probability? The calibration in use, and how a replica comes to the next one.

It stands between fusion and policy. The state changes with people's verdicts (`index.calibration` has the formulas), so
each decision names the version it used, and `state_at` gives that state again, bit for bit, from the log.

Learnt is from reviews and audits, once per decision, in the order of the verdicts' numbers, and only from decisions of
the fusion in use, for another one's probabilities mean something else. Appeals teach nothing: they come from takedowns
alone. A verdict that is undone, or replaced by a later one, is taken out by learning again without it, from the last
state before it. All of that depends on the log alone: whoever learns up to a number gets the same state, the first to
write it wins, and no replica has to be in charge.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from index.calibration import Calibration, Lesson, log_odds
from index.decision_records import DecisionRecord
from index.errors import StoreError
from index.learning import CalibrationOnRecord, standing
from index.store.store import Store
from index.verdicts import HumanVerdict
from serving.domain import Reason
from touchstone.moderation.v1 import decision_pb2

log = logging.getLogger(__name__)

LEARNT = "LEARNT_FROM_VERDICTS"
_PAGE = 1000


@dataclass(frozen=True)
class Adjusted:
    """A calibrated probability, 0..1, the version of what calibrated it, and what that added to the log-odds."""

    probability: float
    version: str
    contribution: Reason


@dataclass(frozen=True)
class Calibrator:
    """One state of the calibration, as a listing uses it. Immutable."""

    state: Calibration

    @cached_property
    def version(self) -> str:
        """The state's version, which decisions name."""
        return self.state.version

    def adjust(self, probability: float, brand: str) -> Adjusted:
        """Calibrate what the evidence says of a listing with this brand at stake ("" for none)."""
        calibrated = self.state.adjust(probability, brand)
        moved = log_odds(calibrated) - log_odds(probability)
        text = f"Moderators' verdicts make {calibrated:.2f} of {probability:.2f} ({self.state.learnt} learnt from)"
        return Adjusted(calibrated, self.version, Reason(LEARNT, text, moved))


@dataclass(frozen=True)
class CalibrationSource:
    """Where the calibration of one fusion comes from: the verdicts in the store."""

    store: Store
    fusion_version: str

    def open(self) -> Calibrator:
        """Learn whatever there is to learn. Raises StoreError."""
        return self._reached(self.store.verdict_head())

    def renew(self, old: Calibrator) -> Calibrator | None:
        """Learn what came after `old`; None when nothing did."""
        head = self.store.verdict_head()
        return None if head == old.state.number else self._reached(head)

    def state_at(self, version: str) -> Calibration:
        """Compute a state of the past from the verdicts. Raises NotFound, and StoreError when it does not come out."""
        record = self.store.find_calibration(version)
        state = replace(self, fusion_version=record.fusion_version).learnt_up_to(record.number)
        if state.version != version:
            raise StoreError(
                f"{self.store.name}: the verdicts up to {record.number} give the calibration {state.version}, not "
                f"{version}: the log was changed, or this machine computes other last bits than the one that learnt."
            )
        return state

    def learnt_up_to(self, number: int, *, from_scratch: bool = False) -> Calibration:
        """Compute the state after the verdicts up to `number`; from the last state on record that leads there."""
        kept = None if from_scratch else self.store.checkpoint(self.fusion_version, number)
        start = Calibration() if kept is None else Calibration.from_bytes(kept)
        lessons = [
            Lesson(probability=verdict.uncalibrated_probability, brand=verdict.brand, infringing=verdict.infringing)
            for verdict in standing(self._verdicts(start.number, number))
        ]
        return start.after(lessons, number=number)

    def _reached(self, number: int) -> Calibrator:
        state = self.learnt_up_to(number)
        record = CalibrationOnRecord(
            fusion_version=self.fusion_version,
            number=number,
            version=state.version,
            learnt=state.learnt,
            create_time=datetime.now(UTC),
        )
        stands = self.store.save_calibration(record, state.to_bytes())
        if stands.version != record.version:
            raise StoreError(
                f"{self.store.name}: another replica learnt {stands.version} from the verdicts up to {number}, this "
                f"one {record.version}; run one release, on machines of one kind."
            )
        log.debug("calibration %s, learnt from %d verdicts", state.version, state.learnt)
        return Calibrator(state)

    def _verdicts(self, after: int, up_to: int) -> Iterator[HumanVerdict]:
        while page := self.store.judged_after(after, up_to=up_to, limit=_PAGE):
            after = page[-1].verdict.number
            for one in page:
                if decision_pb2.Decision.FromString(one.payload).fusion_version == self.fusion_version:
                    yield one.verdict  # without its decision: there may be a million of them


def recompute(source: CalibrationSource, record: DecisionRecord) -> tuple[float, float]:
    """Return a recorded decision's probability as it stands there, and as its calibration gives it now."""
    decision = decision_pb2.Decision.FromString(record.payload)
    state = source.state_at(decision.calibration_version)
    return decision.counterfeit_probability, state.adjust(decision.uncalibrated_probability, record.brand)
