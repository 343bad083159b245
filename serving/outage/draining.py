"""How does what waited come on record? Oldest first, by the road of every decision, exactly once.

Several at once, of different listings: after an outage of minutes there are many.

A decision's id is its own: recorded before the process died, it is found on record and let go. Its idempotency key may
have been used meanwhile, through another replica; it is recorded without it then, for the caller was told of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from index.background import background
from index.errors import Conflict, KeyReused, NotFound, StoreError
from serving.outage.rules import store_is_away
from serving.outage.spool import Spool
from serving.outage.spooled import without_key
from serving.outage.waiting import Waiting
from serving.recording import Recorder, Recording

log = logging.getLogger(__name__)

# So often a decision is tried that the store refuses although it answers.
_ATTEMPTS = 5
_AT_ONCE = 4


@dataclass(frozen=True)
class Drain:
    """Records what waits in the spool. One thread of a process does."""

    spool: Spool
    recorder: Recorder

    @contextmanager
    def running(self, *, interval_s: float = 1.0) -> Iterator[None]:
        """Take up what was left, and record what waits as soon as the store takes it, until the block ends."""
        with background("spool", lambda stop: self._work(stop, interval_s), wake=self.spool.arrived.set):
            yield

    def drain(self, stop: threading.Event | None = None) -> int:
        """Record what waits, until the store does not take it; return how many are on record now."""
        return self._drain(stop or threading.Event())[0]

    def _drain(self, stop: threading.Event) -> tuple[int, bool]:
        """Drain, and tell how many were recorded and whether the store was away."""
        recorded = 0
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="spool") as threads:
            while (batch := self.spool.first(_AT_ONCE)) and not stop.is_set():
                outcomes = list(threads.map(self._try, batch))
                recorded += outcomes.count(True)
                if None in outcomes:
                    return recorded, True
        return recorded, False

    def _try(self, waiting: Waiting) -> bool | None:
        """Record one and let go of it: True. False when it was put aside, None when the store is away."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._record(waiting)
            except (OSError, ValueError) as error:
                self.spool.refuse(waiting, str(error))
                return False
            except StoreError as error:
                if store_is_away(error):
                    return None
                if attempt == _ATTEMPTS:
                    self.spool.refuse(waiting, str(error))
                    return False
            else:
                self.spool.done(waiting)
                return True
        return None

    def _work(self, stop: threading.Event, interval_s: float) -> None:
        while not stop.is_set():
            self.spool.arrived.clear()
            away = False
            try:
                self.spool.adopt()
                recorded, away = self._drain(stop)
                if recorded:
                    log.warning("%d decisions that waited for the store are on record", recorded)
            except Exception:
                log.exception("recording what waits failed; it is tried again")
                away = True
            # What arrives while the store is away is no reason to ask it at once.
            (stop if away else self.spool.arrived).wait(interval_s)

    def _record(self, waiting: Waiting) -> None:
        recording = waiting.recording()
        try:
            outcome = self.recorder.record(recording)
        except KeyReused:
            self._record_again(without_key(recording))
        except Conflict:
            if not self._is_there(recording):
                raise
        else:
            if outcome.record.decision_id != waiting.decision_id:
                self._record_again(without_key(recording))

    def _record_again(self, recording: Recording) -> None:
        try:
            self.recorder.record(recording)
        except Conflict:
            if not self._is_there(recording):
                raise

    def _is_there(self, recording: Recording) -> bool:
        try:
            found = self.recorder.store.get_decision(recording.record.decision_id)
        except NotFound:
            return False
        return found.payload == recording.record.payload
