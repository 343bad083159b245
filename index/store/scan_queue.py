"""Which scan is worked on next, and by whom? The queue of bulk scans, shared by all servers of an installation.

A worker takes a scan (`claim_scan`), says again and again that it is at it (`beat_scan`), and ends or hands it back
(`end_scan`). One that was not heard of for long has lost its scan to the queue: what it writes afterwards is refused.
Changes of state are few, so one lock keeps them apart.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound
from index.rulings import RequestKey
from index.scan_records import AT_WORK, MAX_ATTEMPTS, RESUMABLE, UNFINISHED, ScanRecord, ScanState
from index.store.audit import digest, enter
from index.store.engine import Database
from index.store.locks import lock_scans
from index.store.requests import claim_request
from index.store.retry import run_again
from index.store.tables.scans import scans

_FIELDS = tuple(field.name for field in fields(ScanRecord))


class ScanQueueStore:
    """The part of the store that keeps bulk scans."""

    _database: Database

    @run_again
    def add_scan(self, scan: ScanRecord, *, request: RequestKey | None = None) -> ScanRecord:
        """Put a scan on record, or return what the same request made before.

        Raises Conflict when it is queued and another unfinished one writes to its output; KeyReused.
        """
        with self._database.write(f"add the scan {scan.scan_id!r}") as connection:
            if (made := claim_request(connection, request, scan.scan_id, scan.create_time)) is not None:
                return _read(connection, made)
            lock_scans(connection)
            if scan.state is ScanState.QUEUED:
                _refuse_rivals(connection, scan)
            connection.execute(scans.insert().values({name: getattr(scan, name) for name in _FIELDS}))
            entry = Entry(
                act=Act.SCAN_ASKED, subject=scan.scan_id, actor=scan.started_by, facts={"spec": digest(scan.spec)}
            )
            enter(connection, entry)
            return scan

    def get_scan(self, scan_id: str) -> ScanRecord:
        """Return a scan. Raises NotFound."""
        with self._database.read(f"read the scan {scan_id!r}") as connection:
            return _read(connection, scan_id)

    def done_scans(self, most: int) -> tuple[ScanRecord, ...]:
        """Return the scans that were done last, the latest first."""
        done = select(scans).where(scans.c.state == str(ScanState.SUCCEEDED))
        with self._database.read("read how earlier scans went") as connection:
            rows = connection.execute(done.order_by(scans.c.end_time.desc(), scans.c.scan_id).limit(most)).all()
        return tuple(map(_of, rows))

    def count_waiting_scans(self) -> int:
        """Count the scans that wait for their turn."""
        waiting = select(func.count()).select_from(scans).where(scans.c.state == str(ScanState.QUEUED))
        with self._database.read("count the scans that wait") as connection:
            return int(connection.execute(waiting).scalar_one())

    @run_again
    def resume_scan(self, scan_id: str, *, time: datetime, request: RequestKey | None = None) -> ScanRecord:
        """Put a scan that was planned, cancelled or interrupted into the queue; the same request again changes nothing.

        Raises NotFound; Conflict when it is at work or done, another writes to its output, or has begun to since it
        was; KeyReused.
        """
        with self._database.write(f"resume the scan {scan_id!r}") as connection:
            if claim_request(connection, request, scan_id, time) is not None:
                return _read(connection, scan_id)
            lock_scans(connection)
            scan = _read(connection, scan_id)
            if scan.state not in RESUMABLE:
                raise Conflict(f"The scan {scan_id!r} is {scan.state}; only one that was stopped can be resumed.")
            _refuse_rivals(connection, scan)
            return _put(connection, scan, state=ScanState.QUEUED, queue_time=time, end_time=None, attempts=0)

    @run_again
    def cancel_scan(self, scan_id: str, *, time: datetime) -> ScanRecord:
        """Ask a scan to stop: at once if nobody works on it. One that has ended stays as it is. Raises NotFound."""
        with self._database.write(f"cancel the scan {scan_id!r}") as connection:
            lock_scans(connection)
            scan = _read(connection, scan_id)
            if scan.state in (ScanState.PLANNED, ScanState.QUEUED, ScanState.RUNNING):
                enter(connection, Entry(act=Act.SCAN_CANCELLED, subject=scan_id))
            if scan.state is ScanState.RUNNING:
                return _put(connection, scan, state=ScanState.CANCELLING)
            if scan.state in (ScanState.PLANNED, ScanState.QUEUED):
                return _put(connection, scan, state=ScanState.CANCELLED, end_time=time)
            return scan

    def claim_scan(self, worker: str, *, time: datetime, unheard_since: datetime) -> ScanRecord | None:
        """Take the next scan for `worker`; None when none waits.

        Scans whose worker was last heard of before `unheard_since` wait again, or are stopped if they were to be.
        """
        lost = (scans.c.state.in_([str(state) for state in AT_WORK]), scans.c.beat_time < unheard_since)
        waits = scans.c.state == str(ScanState.QUEUED)
        looked_for = select(scans.c.scan_id).where(or_(and_(*lost), waits)).limit(1)
        with self._database.read("look for a scan to work on") as connection:
            if connection.execute(looked_for).first() is None:  # most often so: nothing is written then
                return None
        return self._claim(worker, time, lost, waits)

    @run_again
    def _claim(self, worker: str, time: datetime, lost: tuple[Any, ...], waits: Any) -> ScanRecord | None:
        with self._database.write("take a scan") as connection:
            lock_scans(connection)
            for left in connection.execute(select(scans).where(*lost)).all():
                _hand_back(connection, _of(left), time)
            order = (scans.c.queue_time, scans.c.scan_id)
            row = connection.execute(select(scans).where(waits).order_by(*order).limit(1)).first()
            if row is None:
                return None
            scan = _of(row)
            return _put(
                connection,
                scan,
                state=ScanState.RUNNING,
                worker=worker,
                beat_time=time,
                start_time=scan.start_time or time,
                attempts=scan.attempts + 1,
            )

    @run_again
    def beat_scan(
        self,
        scan_id: str,
        worker: str,
        *,
        time: datetime,
        plan: bytes = b"",
        progress: bytes = b"",
        versions: bytes = b"",
    ) -> ScanRecord:
        """Say that a worker is at a scan, and how far it came if it came further; return what is wanted of it.

        Raises Conflict when the scan is no longer this worker's.
        """
        told = {"plan": plan, "progress": progress, "versions": versions}
        news = {name: value for name, value in told.items() if value}
        with self._database.write(f"note that the scan {scan_id!r} goes on") as connection:
            lock_scans(connection)
            changed = {"beat_time": time, **news}
            if news:
                changed |= {"revision": scans.c.revision + 1, "attempts": 0}
            connection.execute(update(scans).where(*_held(scan_id, worker)).values(changed))
            return _read_held(connection, scan_id, worker)

    @run_again
    def end_scan(
        self, scan_id: str, worker: str, *, state: ScanState, time: datetime, progress: bytes = b"", error: bytes = b""
    ) -> ScanRecord:
        """End a scan in an ended state, or hand it back: it waits again.

        INTERRUPTED hands it back for a failure, unless that came too often; QUEUED because the worker has to go.

        Raises Conflict when the scan is no longer this worker's.
        """
        with self._database.write(f"end the scan {scan_id!r}") as connection:
            lock_scans(connection)
            scan = _read_held(connection, scan_id, worker)
            scan = replace(scan, progress=progress or scan.progress, error=error)
            if state is ScanState.QUEUED:
                return _hand_back(connection, replace(scan, attempts=0), time)
            if state is ScanState.INTERRUPTED:
                return _hand_back(connection, scan, time)
            return _put(connection, scan, state=state, end_time=time, worker="", beat_time=None)


def _hand_back(connection: Connection, scan: ScanRecord, time: datetime) -> ScanRecord:
    """Let a scan that nobody works on any more wait again, or end it if somebody asked for that or it is hopeless."""
    state, end_time = ScanState.QUEUED, None
    if scan.state is ScanState.CANCELLING:
        state, end_time = ScanState.CANCELLED, time
    elif scan.attempts >= MAX_ATTEMPTS:
        state, end_time = ScanState.INTERRUPTED, time
    return _put(connection, scan, state=state, end_time=end_time, worker="", beat_time=None)


def _refuse_rivals(connection: Connection, scan: ScanRecord) -> None:
    """Let two scans neither write to one output at a time, nor one go on where another has begun since."""
    others = select(scans).where(scans.c.output == scan.output, scans.c.scan_id != scan.scan_id)
    for row in connection.execute(others):
        other = _of(row)
        if other.state in UNFINISHED:
            raise Conflict(f"The scan {other.scan_id!r} writes to the same output and is {other.state}.")
        if scan.start_time is not None and other.start_time is not None and other.start_time > scan.start_time:
            raise Conflict(f"The scan {other.scan_id!r} has written to the same output since; start a new one.")


def _held(scan_id: str, worker: str) -> tuple[Any, ...]:
    states = [str(state) for state in AT_WORK]
    return scans.c.scan_id == scan_id, scans.c.worker == worker, scans.c.state.in_(states)


def _read_held(connection: Connection, scan_id: str, worker: str) -> ScanRecord:
    row = connection.execute(select(scans).where(*_held(scan_id, worker))).one_or_none()
    if row is None:
        raise Conflict(f"The scan {scan_id!r} is not in the hands of {worker!r}.")
    return _of(row)


def _read(connection: Connection, scan_id: str) -> ScanRecord:
    row = connection.execute(select(scans).where(scans.c.scan_id == scan_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no scan with the id {scan_id!r}; check the id.")
    return _of(row)


def _put(connection: Connection, scan: ScanRecord, **changes: Any) -> ScanRecord:
    changed = replace(scan, revision=scan.revision + 1, **changes)
    values = {name: getattr(changed, name) for name in _FIELDS if name != "scan_id"}
    connection.execute(update(scans).where(scans.c.scan_id == scan.scan_id).values(values))
    return changed


def _of(row: Row[Any]) -> ScanRecord:
    return ScanRecord(**{**row._asdict(), "state": ScanState(row.state)})
