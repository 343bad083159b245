"""How do things stand? Figures that nobody's call brings up: the index's age, the queue, drift, the disk.

What is in memory is read at each scrape. What the store must be asked is asked by a thread of its own, so that a scrape
never waits for it: a figure that could not be read stays as it was, and `touchstone_store_up` says so.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from index.background import background
from index.case_records import CaseState
from index.insight import Span
from index.refresh import Holder
from index.shift import PRICE_EDGES, SCORE_EDGES, shift
from index.store.store import Store
from serving.app import Application
from serving.telemetry.metrics import (
    BUILD_INFO,
    CACHE,
    CASES,
    CASES_AGE,
    CASES_OVERDUE,
    DISK_FREE,
    DISK_SIZE,
    DRIFT,
    DRIFT_BY_CHANCE,
    FAULTS,
    INDEX_BEHIND,
    LANE_DEPTH,
    LANE_LIMIT,
    LISTINGS_BEHIND,
    REFERENCES,
    REFRESH_AGE,
    SPOOL_AGE,
    SPOOL_SET_ASIDE,
    SPOOL_WAITING,
    STORE_UP,
    Fault,
    Metric,
)
from serving.wire.insight import USUAL_SPAN, USUAL_WINDOW

if TYPE_CHECKING:
    from serving.outage.spool import Spool
    from serving.telemetry.meter import Meter

log = logging.getLogger(__name__)

# Counting the queue takes milliseconds, comparing five weeks of scores up to seconds (docs/insight.md).
_OFTEN_S, _SELDOM_S = 10.0, 600.0


@contextmanager
def sampling(application: Application) -> Iterator[None]:
    """Keep the application's gauges up to date until the block ends; nothing where there is no meter."""
    meter = application.telemetry.meter
    if meter is None:
        yield
        return
    read_at_scrapes(application, meter)
    sampler = Sampler(application, meter)
    with background("metrics sampler", sampler.run):
        yield


def read_at_scrapes(application: Application, meter: Meter) -> None:
    """Tell the meter what it can read by itself at each scrape."""
    settings, pipeline, in_force = application.settings, application.pipeline, application.in_force
    spool = application.moderation.spool
    parts: dict[str, Holder[Any]] = {
        "index": application.knowledge,
        "listings": application.listings,
        "policies": in_force.policies,
        "calibration": in_force.calibrator,
        "certificates": in_force.certificates,
    }
    meter.read(REFRESH_AGE, lambda: {name: holder.age_s for name, holder in parts.items()})
    meter.read(REFERENCES, lambda: len(application.knowledge.current.catalogue))
    meter.read(LANE_DEPTH, lambda: dict(application.embedder.waiting))
    meter.read(LANE_LIMIT, lambda: dict.fromkeys(application.embedder.waiting, settings.max_waiting))
    meter.read(DISK_FREE, lambda: shutil.disk_usage(settings.data_dir).free)
    meter.read(DISK_SIZE, lambda: shutil.disk_usage(settings.data_dir).total)
    meter.read(SPOOL_WAITING, lambda: len(spool))
    meter.read(SPOOL_AGE, lambda: _waited_s(spool))
    meter.read(SPOOL_SET_ASIDE, spool.set_aside.count)
    meter.read(
        CACHE,
        lambda: {
            "references": len(pipeline.verifier.recent),
            "copies": len(pipeline.copies.recent),
            "images": len(application.images.recent),
        },
    )

    def in_use() -> dict[str, str]:
        return {
            "version": version("touchstone"),
            "model": application.embedder.fingerprint,
            "index": application.knowledge.current.catalogue.version,
            "policy": in_force.policies.current.active.version,
            "fusion": in_force.fusion.version,
            "calibration": in_force.calibrator.current.version,
        }

    meter.info(BUILD_INFO, in_use)


def _waited_s(spool: Spool) -> float:
    oldest = spool.oldest
    return 0.0 if oldest is None else max((datetime.now(UTC) - oldest).total_seconds(), 0.0)


class Sampler:
    """Asks the store, in one thread. `clock` gives the time, in UTC."""

    def __init__(
        self, application: Application, meter: Meter, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store: Store = application.store
        self._application = application
        self._meter = meter
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Look at everything in its turn until told to stop."""
        drift_due = 0.0
        while True:
            self.look()
            if time.monotonic() >= drift_due:
                self.drifted()
                drift_due = time.monotonic() + _SELDOM_S
            if stop.wait(_OFTEN_S):
                return

    def look(self) -> None:
        """Read what is asked for often."""
        up = self._try(INDEX_BEHIND, self._behind) and self._try(CASES, self._queue)
        self._meter.set(STORE_UP, float(up))

    def drifted(self) -> None:
        """Read what is asked for seldom."""
        self._try(DRIFT, self._drift)

    def _try(self, metric: Metric, look: Callable[[], None]) -> bool:
        try:
            look()
        except Exception as error:  # noqa: BLE001 - a sampler that ended would leave old figures standing for good
            log.warning("%s cannot be read: %s", metric.name, type(error).__name__)
            self._meter.add(FAULTS, Fault.SAMPLING, metric.name)
            return False
        return True

    def _behind(self) -> None:
        # The store's state is read first: what comes meanwhile makes the index newer than that, not older.
        store, events = self._store.version(), self._store.event_head()
        behind = store - self._application.knowledge.current.catalogue.store_version
        self._meter.set(INDEX_BEHIND, max(behind, 0))
        self._meter.set(LISTINGS_BEHIND, max(events - self._application.listings.current.cursor, 0))

    def _queue(self) -> None:
        queue = self._store.queue_counts(now=self._clock())
        for state in CaseState:
            self._meter.set(CASES, queue.states.get(state, 0), str(state))
        empty = queue.waiting == 0
        self._meter.set(CASES_AGE, 0.0 if empty else queue.median_age_s, "0.5")
        self._meter.set(CASES_AGE, 0.0 if empty else queue.p90_age_s, "0.9")
        self._meter.set(CASES_OVERDUE, queue.due_in_s[0])

    def _drift(self) -> None:
        now = self._clock()
        window = now - USUAL_WINDOW
        scores, prices = self._store.histograms(Span(window - USUAL_SPAN, now), window=window)
        for of, edges, counts in (("scores", SCORE_EDGES, scores), ("prices", PRICE_EDGES, prices)):
            none = (0,) * (len(edges) - 1)
            found = shift(edges, counts.reference.get("", none), counts.window.get("", none))
            self._meter.set(DRIFT, found.psi, of)
            self._meter.set(DRIFT_BY_CHANCE, found.by_chance, of)
