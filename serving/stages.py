"""How is one stage of a listing's way run? Timed, within the deadline, and without losing the listing when it fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from serving.deadline import Deadline
from serving.domain import Reason
from serving.errors import DeadlineExceeded, Overloaded
from serving.outage.rules import ends_the_listing, fault_of, store_is_away
from serving.telemetry.metrics import Fault
from serving.telemetry.telemetry import UNOBSERVED, Telemetry

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Stages:
    """The stages that one listing has passed: how long each took, and what failed."""

    deadline: Deadline
    timings_ms: dict[str, float] = field(default_factory=dict)
    faults: list[Reason] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    telemetry: Telemetry = UNOBSERVED

    def run(self, name: str, work: Callable[[], T], otherwise: T) -> T:
        """Run one stage; when it fails, note the fault and go on with `otherwise`.

        Raises:
            DeadlineExceeded: the deadline passed before or during the stage.
            Overloaded: the embedder's queue is full.
            ModelUnavailable: what runs the model cannot be reached, and the listing cannot be seen without it.

        """
        self.deadline.check(name)
        try:
            return self.timed(name, work)
        except (DeadlineExceeded, Overloaded):
            raise
        except Exception as error:
            if ends_the_listing(name, error):
                raise
            if store_is_away(error):
                log.info("stage %s goes without the store: %s", name, error)
            else:  # a defect in one stage must not lose the listing: a person looks instead
                log.exception("stage %s failed", name)
            self.telemetry.fault(Fault.STAGE, name)
            self.faults.append(fault_of(name, error))
            return otherwise

    def timed(self, name: str, work: Callable[[], T]) -> T:
        """Run a stage that nothing can stand in for: whatever it raises ends the listing."""
        start = time.perf_counter()
        try:
            with self.telemetry.stage(name):
                return work()
        finally:
            spent = (time.perf_counter() - start) * 1000
            self.timings_ms[name] = self.timings_ms.get(name, 0.0) + spent

    def note(self, fault: Reason | None) -> None:
        """Add a fault that was found beside the stages, if there is one."""
        if fault is not None:
            self.faults.append(fault)

    def finish(self) -> dict[str, float]:
        """Close the account: milliseconds by stage, and "total" with the waiting between them."""
        self.timings_ms["total"] = (time.perf_counter() - self.started) * 1000
        return self.timings_ms
