"""What is told of what goes on? The one thing that every part of an application tells, whatever becomes of it.

`Telemetry` holds a `Meter`, a `Tracing`, both or neither; without them every call here returns at once. Parts get it
from `serving.app`, and begin to use it like this:

    with telemetry.stage("verify"):              # a span, and a value of touchstone_stage_seconds
        ...
    telemetry.fault(Fault.STAGE, "verify")       # touchstone_faults_total{kind="stage", reason="verify"}
    telemetry.count(REFUSALS, rpc, "Overloaded") # any counter of serving.telemetry.metrics, labels in their order
    telemetry.gauge(WORK, lambda: work.unfinished)  # asked at each scrape; must answer at once
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from index.errors import LostRace, StoreError
from serving.telemetry.metrics import (
    BATCH_CROPS,
    BATCH_SECONDS,
    BRAND_DECISIONS,
    DECISION_SECONDS,
    DECISIONS,
    FAULTS,
    LANE_WAIT,
    PHOTOS,
    PROBABILITY,
    READY,
    STAGE_SECONDS,
    STORE_ERRORS,
    STORE_SECONDS,
    Fault,
    Metric,
)
from serving.telemetry.request import REQUEST, REQUEST_ID

if TYPE_CHECKING:
    from serving.domain import Decision
    from serving.lane import Batch
    from serving.telemetry.meter import Meter
    from serving.telemetry.tracing import Tracing

_NOTHING: AbstractContextManager[None] = nullcontext()


@dataclass(frozen=True)
class Telemetry:
    """What is counted and traced; nothing without `meter` and `tracing`. Thread-safe."""

    meter: Meter | None = None
    tracing: Tracing | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything becomes of what is told."""
        return self.meter is not None or self.tracing is not None

    def stage(self, name: str) -> AbstractContextManager[Any]:
        """Time a block as a stage of a listing's way: a span, and a value of touchstone_stage_seconds."""
        return self._timed(STAGE_SECONDS, name, name) if self.is_on else _NOTHING

    def span(self, name: str) -> AbstractContextManager[Any]:
        """Make a span of a block, where the present request is traced."""
        return _NOTHING if self.tracing is None else self.tracing.span(name)

    def transaction(self, kind: str) -> AbstractContextManager[Any]:
        """Time a transaction of the store: `read` or `write`."""
        return self._timed(STORE_SECONDS, kind, f"store {kind}", errors=STORE_ERRORS) if self.is_on else _NOTHING

    def fault(self, kind: Fault, reason: str) -> None:
        """Count what failed inside without failing the whole; `reason` is one word of the code's own."""
        self.count(FAULTS, kind, reason)

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Count something, by the values of the metric's labels in their order."""
        if self.meter is not None:
            self.meter.add(metric, *labels, by=by)

    def gauge(self, metric: Metric, read: Callable[[], float | Mapping[str, float]]) -> None:
        """Have a gauge read at each scrape, as `Meter.read`."""
        if self.meter is not None:
            self.meter.read(metric, read)

    def ready(self, *, ready: bool) -> None:
        """Say whether requests may be sent here."""
        if self.meter is not None:
            self.meter.set(READY, float(ready))

    def decided(self, decision: Decision, *, brand: str) -> None:
        """Count a decision, by the name of a brand of the registry, or "unknown" or "none"."""
        if self.tracing is not None:
            self.tracing.note(
                {
                    "touchstone.decision_id": decision.decision_id,
                    "touchstone.verdict": str(decision.verdict),
                    "touchstone.policy_version": decision.policy_version,
                    "touchstone.index_version": decision.index_version,
                    "touchstone.photos": len(decision.image_results),
                }
            )
        meter = self.meter
        if meter is None:
            return
        verdict = str(decision.verdict)
        meter.add(DECISIONS, verdict, decision.policy_version)
        meter.add(BRAND_DECISIONS, brand, verdict)
        meter.observe(PROBABILITY, decision.counterfeit_probability)
        meter.observe(DECISION_SECONDS, decision.timings_ms["total"] / 1000)
        for image in decision.image_results:
            meter.add(PHOTOS, "ok" if image.fault is None else str(image.fault))

    # --- a lane's observer (`serving.lane.LaneObserver`) -------------------------------------------------------------

    def ticket(self) -> object:
        """Return what ties a job to its request: its span, if that is recorded."""
        if self.tracing is None:
            return None
        from serving.telemetry.tracing import present

        return present()

    def ran(self, batch: Batch) -> None:
        """Take note of a batch."""
        if self.tracing is not None:
            self.tracing.ran(batch)
        meter = self.meter
        if meter is None:
            return
        meter.observe(BATCH_CROPS, batch.crops, batch.lane)
        meter.observe(BATCH_SECONDS, batch.ended - batch.began, batch.lane)
        for queued in batch.queued:
            meter.observe(LANE_WAIT, batch.began - queued, batch.lane)
        if batch.error is not None:
            meter.add(FAULTS, Fault.BATCH, type(batch.error).__name__)

    # --- requests ----------------------------------------------------------------------------------------------------

    def outgoing(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata by which a call to a service goes on with this request and its trace."""
        request = REQUEST.get()
        named = ((REQUEST_ID, request.request_id),) if request is not None else ()
        if self.tracing is None:
            return named
        from serving.telemetry.tracing import carried

        return (*named, *carried())

    def _timed(self, metric: Metric, label: str, span: str, *, errors: Metric | None = None) -> _Timed:
        return _Timed(self.meter, metric, label, self.span(span), errors=errors)


class _Timed:
    """Times a block into a histogram and a span; counts what it raised in `errors`."""

    def __init__(
        self,
        meter: Meter | None,
        metric: Metric,
        label: str,
        span: AbstractContextManager[Any],
        *,
        errors: Metric | None,
    ) -> None:
        self._meter = meter
        self._metric = metric
        self._label = label
        self._span = span
        self._errors = errors

    def __enter__(self) -> None:
        self._span.__enter__()
        self._began = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._meter is not None:
            self._meter.observe(self._metric, time.perf_counter() - self._began, self._label)
            if self._errors is not None and _is_of_the_store(error):
                self._meter.add(self._errors, self._label, type(error).__name__)
        self._span.__exit__(kind, error, trace)


def _is_of_the_store(error: BaseException | None) -> bool:
    """Tell whether a transaction failed for the store's own reasons: not for what it was asked."""
    return type(error) is StoreError or isinstance(error, LostRace)


UNOBSERVED = Telemetry()
"""Nothing becomes of what is told."""
