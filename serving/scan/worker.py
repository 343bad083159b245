"""Who runs the scans that wait? A thread of each server takes the next one and follows its process to the end.

One scan at a time a server; the store hands them out, so that several servers share the queue. How a scan ends:

* its process ended by itself: SUCCEEDED, or FAILED with what it said of its input;
* somebody cancelled it: SIGTERM, then CANCELLED;
* the server is stopped: SIGTERM, and the scan waits again, for this server's successor or another one;
* the process failed for a reason outside it, or was killed: the scan waits again and goes on where it was. After
  `index.scan_records.MAX_ATTEMPTS` attempts that came no further it is INTERRUPTED, until somebody resumes it;
* the server died: after SILENCE_S seconds without a word another server takes the scan.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic

from google.rpc.status_pb2 import Status

from index.background import background
from index.errors import Conflict, LostRace, StoreAway, StoreError
from index.scan_records import ScanRecord, ScanState
from index.store.store import Store
from serving.scan.ending import end_of
from serving.scan.pace import Pace
from serving.scan.process import Launch, ScanProcess
from serving.scan.progress import ScanProgress
from serving.wire.scan import from_progress, from_versions, replanned

log = logging.getLogger(__name__)

# A server that was not heard of for so long has lost its scan; it says something every BEAT_S.
SILENCE_S, BEAT_S = 30.0, 5.0
# How often a worker looks after its process and at what is wanted of it: watchers learn of progress as often.
_LOOK_S = 1.0
# A block takes seconds on a slow machine. What is cut off is done again: only whole blocks are kept.
_CANCEL_WITHIN_S, _STOP_WITHIN_S = 60.0, 10.0


class _Lost(Exception):
    """The scan is somebody else's by now."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ScanWorker:
    """Runs scans one after the other. `launch` says how a scan's process is started."""

    store: Store
    launch: Callable[[ScanRecord], Launch]
    silence_s: float = SILENCE_S
    clock: Callable[[], datetime] = _now

    @contextmanager
    def running(self, *, interval_s: float = 1.0) -> Iterator[None]:
        """Work in a thread of its own until the block ends; look for a scan each `interval_s` seconds."""
        name = uuid.uuid4().hex
        with background("scans", lambda stop: self._work(name, stop, interval_s)):
            yield

    def work_once(self, name: str, stop: threading.Event) -> bool:
        """Take the next scan and follow it to its end, as worker `name`; False when none waits."""
        now = self.clock()
        scan = self.store.claim_scan(name, time=now, unheard_since=now - timedelta(seconds=self.silence_s))
        if scan is None:
            return False
        log.info("the scan %s begins", scan.scan_id)
        _Run(self, scan, name, stop).follow()
        return True

    def _work(self, name: str, stop: threading.Event, interval_s: float) -> None:
        while not stop.wait(interval_s):
            try:
                while not stop.is_set() and self.work_once(name, stop):
                    pass
            except StoreAway as error:
                log.debug("no scan is looked for: %s", error)
            except Exception:
                log.exception("a scan could not be run; it is looked at again")


@dataclass
class _Run:
    """One scan in this worker's hands."""

    worker: ScanWorker
    scan: ScanRecord
    name: str
    stop: threading.Event
    pace: Pace = field(default_factory=Pace)
    told: ScanProgress | None = None
    beaten_at: float = field(default_factory=monotonic)
    cancelled_at: float | None = None

    def follow(self) -> None:
        """Run the process, and put on record how it goes and ends."""
        try:
            with ScanProcess(self.worker.launch(self.scan)) as process:
                code = self._followed(process)
                state, error = self._ending(process, code)
                self._end(process, state, error)
        except _Lost:
            log.warning("the scan %s was taken by another server, which heard nothing of this one", self.scan.scan_id)

    def _followed(self, process: ScanProcess) -> int:
        """Wait for the process, passing on what it tells and what is wanted of it; return its exit code."""
        while (code := process.wait(_LOOK_S)) is None:
            if self.stop.is_set():
                return process.end(within_s=_STOP_WITHIN_S)
            self._heed(process)
        self._heed(process)  # a quick one told everything since the last look
        return code

    def _heed(self, process: ScanProcess) -> None:
        try:
            self._look(process)
        except (LostRace, StoreError) as error:
            if isinstance(error, Conflict) and not isinstance(error, LostRace):
                raise _Lost from error
            log.warning("the scan %s goes on without the store: %s", self.scan.scan_id, error)

    def _look(self, process: ScanProcess) -> None:
        latest, now = process.latest, monotonic()
        if latest is not None and latest is not self.told:
            self.pace.note(latest.done, now)
            wanted = self._beat(
                plan=replanned(self.scan.plan, latest).SerializeToString(),
                progress=from_progress(latest, self.pace).SerializeToString(),
                versions=from_versions(latest.versions).SerializeToString(),
            )
            self.told = latest
        elif now - self.beaten_at >= BEAT_S:
            wanted = self._beat()
        else:
            wanted = self.worker.store.get_scan(self.scan.scan_id)
            if wanted.worker != self.name:
                raise _Lost
        if wanted.state is ScanState.CANCELLING:
            self._cancel(process, now)

    def _beat(self, **news: bytes) -> ScanRecord:
        wanted = self.worker.store.beat_scan(self.scan.scan_id, self.name, time=self.worker.clock(), **news)
        self.beaten_at = monotonic()
        return wanted

    def _cancel(self, process: ScanProcess, now: float) -> None:
        if self.cancelled_at is None:
            self.cancelled_at = now
            process.stop()
        elif now - self.cancelled_at > _CANCEL_WITHIN_S:
            process.kill()

    def _ending(self, process: ScanProcess, code: int) -> tuple[ScanState, Status | None]:
        """Say in which state the scan is now, and why if it failed."""
        state, error = end_of(code, process.words)
        if state is not ScanState.SUCCEEDED:
            if self.cancelled_at is not None:
                return ScanState.CANCELLED, None
            if self.stop.is_set():
                return ScanState.QUEUED, None
            log.warning("the scan %s ended with %d: %s", self.scan.scan_id, code, "\n".join(process.words))
        return state, error

    def _end(self, process: ScanProcess, state: ScanState, error: Status | None) -> None:
        progress = b""
        if process.latest is not None:
            self.pace.note(process.latest.done, monotonic())
            progress = from_progress(process.latest, self.pace).SerializeToString()
        while True:
            try:
                self.worker.store.end_scan(
                    self.scan.scan_id,
                    self.name,
                    state=state,
                    time=self.worker.clock(),
                    progress=progress,
                    error=b"" if error is None else error.SerializeToString(),
                )
            except StoreError as failure:
                if isinstance(failure, Conflict) and not isinstance(failure, LostRace):
                    raise _Lost from failure
                log.warning("how the scan %s ended is not on record yet: %s", self.scan.scan_id, failure)
                if self.stop.wait(_LOOK_S):
                    return
            else:
                return
