"""How is it counted? One registry of Prometheus metrics for one application; nothing is global.

Who has something to count takes the application's `serving.telemetry.telemetry.Telemetry` and calls, for example,
`telemetry.fault(Fault.STAGE, "verify")`; what has a value at any moment is told once, `telemetry.gauge(WORK, read)`,
and read at each scrape. A new kind of fault and a new metric each begin in `serving.telemetry.metrics`.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from serving.telemetry.metrics import FAULTS, METRICS, Fault, Kind, Metric

log = logging.getLogger(__name__)

OTHER = "other"
# Values of one label whose number is not the code's to bound.
_LIMITS = {"policy_version": 20, "brand": 100, "reason": 100, "error": 50}


class Meter:
    """All metrics of one application. Thread-safe; nothing here raises, whatever is counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._made = {metric.name: _make(metric, self._registry) for metric in METRICS}
        self._series: dict[tuple[str, tuple[str, ...]], Counter | Gauge | Histogram] = {}
        self._seen: dict[tuple[str, str], set[str]] = {}
        self._reads: list[tuple[Metric, Callable[[], float | Mapping[str, float]]]] = []
        self._infos: list[tuple[Metric, Callable[[], Mapping[str, str]]]] = []
        self._lock = threading.Lock()
        ProcessCollector(registry=self._registry)

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Count something, by the values of the metric's labels in their order."""
        series = self._of(metric, labels)
        assert isinstance(series, Counter)
        series.inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into a histogram; one that is no number is left out."""
        series = self._of(metric, labels)
        assert isinstance(series, Histogram)
        if not math.isnan(value):
            series.observe(value)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Say what a gauge stands at."""
        series = self._of(metric, labels)
        assert isinstance(series, Gauge)
        series.set(value)

    def move(self, metric: Metric, by: float, *labels: str) -> None:
        """Move a gauge up or down."""
        series = self._of(metric, labels)
        assert isinstance(series, Gauge)
        series.inc(by)

    def read(self, metric: Metric, read: Callable[[], float | Mapping[str, float]]) -> None:
        """Ask `read` for a gauge at each scrape: a number or, with one label, a number for each of its values.

        It must answer at once: what asks the store belongs to `serving.telemetry.sampling`.
        """
        with self._lock:
            self._reads.append((metric, read))

    def info(self, metric: Metric, read: Callable[[], Mapping[str, str]]) -> None:
        """Let a gauge stand at 1 with the labels that `read` gives at each scrape, and no others."""
        with self._lock:
            self._infos.append((metric, read))

    def value(self, name: str, **labels: str) -> float | None:
        """Return what a sample stands at, or None when there is none; for readiness and tests."""
        return self._registry.get_sample_value(name, labels)

    def page(self) -> bytes:
        """Write everything down in Prometheus' text format."""
        with self._lock:
            reads, infos = list(self._reads), list(self._infos)
        for metric, read in reads:
            with self._noting(metric):
                for labels, value in _by_label(read()):
                    self.set(metric, value, *labels)
        for metric, look in infos:
            with self._noting(metric):
                self._tell(metric, look())
        return generate_latest(self._registry)

    def _tell(self, metric: Metric, labels: Mapping[str, str]) -> None:
        gauge = self._made[metric.name]
        assert isinstance(gauge, Gauge)
        with self._lock:
            gauge.clear()
            gauge.labels(**labels).set(1)

    @contextmanager
    def _noting(self, metric: Metric) -> Iterator[None]:
        """Let one figure that cannot be read not hide the others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever `read` is: a scrape is answered
            log.warning("%s cannot be read: %s", metric.name, type(error).__name__)
            self.add(FAULTS, Fault.SAMPLING, metric.name)

    def _of(self, metric: Metric, labels: tuple[str, ...]) -> Counter | Gauge | Histogram:
        series = self._series.get((metric.name, labels))
        if series is None:
            series = self._begin(metric, labels)
        return series

    def _begin(self, metric: Metric, labels: tuple[str, ...]) -> Counter | Gauge | Histogram:
        """Begin a series, under "other" where its label has had as many values as it may."""
        made = self._made[metric.name]
        if not metric.labels:
            self._series[metric.name, labels] = made
            return made
        with self._lock:
            bounded = tuple(
                self._bounded(metric.name, name, value) for name, value in zip(metric.labels, labels, strict=True)
            )
        series = made.labels(*bounded)
        if bounded == labels:  # "other" stands for any number of values: none of them is kept
            self._series[metric.name, labels] = series
        return series

    def _bounded(self, metric: str, label: str, value: str) -> str:
        limit = _LIMITS.get(label)
        if limit is None:
            return value
        seen = self._seen.setdefault((metric, label), set())
        if value not in seen and len(seen) >= limit:
            return OTHER
        seen.add(value)
        return value


def _by_label(found: float | Mapping[str, float]) -> list[tuple[tuple[str, ...], float]]:
    if isinstance(found, Mapping):
        return [((label,), value) for label, value in found.items()]
    return [((), found)]


def _make(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    name, says = metric.name, metric.meaning
    match metric.kind:
        case Kind.COUNTER:
            return Counter(name.removesuffix("_total"), says, metric.labels, registry=registry)
        case Kind.GAUGE:
            return Gauge(name, says, metric.labels, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(name, says, metric.labels, registry=registry, buckets=metric.buckets)
