"""Does every database hand out bulk scans alike? Added, taken, followed, cancelled, lost and resumed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from index.errors import Conflict, KeyReused, NotFound
from index.rulings import RequestKey
from index.scan_records import MAX_ATTEMPTS, ScanRecord, ScanState
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = RequestKey(scope="StartScan by ann", request_id="k", request_sha256="ab" * 32)


def a_scan(scan_id: str, *, output: str = "", state: ScanState = ScanState.QUEUED, minute: int = 0) -> ScanRecord:
    """Make a scan that was started at a minute past noon; its output is its own unless one is given."""
    time = NOON + minute * MINUTE
    return ScanRecord(
        scan_id=scan_id,
        state=state,
        spec=b"spec",
        output=output or f"/out/{scan_id}.parquet",
        started_by="ann",
        create_time=time,
        plan=b"plan",
        queue_time=time if state is ScanState.QUEUED else None,
    )


def claim(store: Store, worker: str, *, minute: int = 5, silence: int = 1) -> ScanRecord | None:
    """Take the next scan; who was silent for `silence` minutes is taken for dead."""
    time = NOON + minute * MINUTE
    return store.claim_scan(worker, time=time, unheard_since=time - silence * MINUTE)


def claimed(store: Store, worker: str, *, minute: int = 5, silence: int = 1) -> ScanRecord:
    """Take the next scan, which there must be."""
    scan = claim(store, worker, minute=minute, silence=silence)
    assert scan is not None
    return scan


class ScanQueueContract(StoreSuite):
    """What every database must do."""

    def test_a_scan_comes_back_as_it_was_added(self, store: Store) -> None:
        """Every field is kept; an id that there is not is NotFound."""
        scan = store.add_scan(a_scan("s"))

        assert store.get_scan("s") == scan == a_scan("s")
        with pytest.raises(NotFound, match="no-such"):
            store.get_scan("no-such")

    def test_a_request_adds_one_scan(self, store: Store) -> None:
        """The same request again gets the first scan as it now stands; another one under its key is refused."""
        store.add_scan(a_scan("s"), request=KEY)
        running = claimed(store, "w")

        assert store.add_scan(a_scan("other"), request=KEY) == running
        with pytest.raises(NotFound):
            store.get_scan("other")
        with pytest.raises(KeyReused):
            store.add_scan(a_scan("other"), request=replace(KEY, request_sha256="cd" * 32))

    def test_two_unfinished_scans_never_write_to_one_output(self, store: Store) -> None:
        """A second is refused while the first waits, works or is being stopped; one that is only planned is let in."""
        store.add_scan(a_scan("first", output="/out"))
        store.add_scan(a_scan("planned", output="/out", state=ScanState.PLANNED))

        acts: tuple[Callable[[], object], ...] = (
            lambda: None,
            lambda: claim(store, "w"),
            lambda: store.cancel_scan("first", time=NOON),
        )
        for act in acts:
            act()
            with pytest.raises(Conflict, match="'first' writes to the same output"):
                store.add_scan(a_scan("second", output="/out"))
            with pytest.raises(Conflict, match="'first'"):
                store.resume_scan("planned", time=NOON)
        store.end_scan("first", "w", state=ScanState.CANCELLED, time=NOON)

        assert store.add_scan(a_scan("second", output="/out")).state is ScanState.QUEUED

    def test_of_many_scans_at_once_one_gets_the_output(self, store: Store) -> None:
        """Of eight that start at the same moment seven are refused."""

        def add(number: int) -> bool:
            try:
                store.add_scan(a_scan(f"s{number}", output="/out"))
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(add, range(8))) == 1

    def test_scans_are_taken_in_turn(self, store: Store) -> None:
        """The one that waits longest comes first, each is taken once, and planned ones wait for nobody."""
        store.add_scan(a_scan("late", minute=2))
        store.add_scan(a_scan("early", minute=1))
        store.add_scan(a_scan("planned", state=ScanState.PLANNED))
        assert store.count_waiting_scans() == 2

        first, second = claimed(store, "v"), claimed(store, "w")

        assert (first.scan_id, second.scan_id, claim(store, "x")) == ("early", "late", None)
        assert (first.state, first.worker, first.start_time) == (ScanState.RUNNING, "v", NOON + 5 * MINUTE)
        assert store.get_scan("early") == first
        assert store.count_waiting_scans() == 0

    def test_many_workers_take_one_scan_once(self, store: Store) -> None:
        """Of eight that ask at the same moment one gets it."""
        store.add_scan(a_scan("s"))

        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda number: claim(store, f"w{number}"), range(8)))

        assert len([scan for scan in taken if scan is not None]) == 1

    def test_progress_is_kept_and_seen(self, store: Store) -> None:
        """A beat alone changes nothing that anybody sees; with progress the revision grows."""
        store.add_scan(a_scan("s"))
        taken = claimed(store, "w")

        quiet = store.beat_scan("s", "w", time=NOON + 6 * MINUTE)
        further = store.beat_scan("s", "w", time=NOON + 7 * MINUTE, progress=b"half", versions=b"v1")
        still = store.beat_scan("s", "w", time=NOON + 8 * MINUTE)

        assert (quiet.revision, quiet.attempts) == (taken.revision, 1)
        assert (further.revision, further.progress, further.versions) == (taken.revision + 1, b"half", b"v1")
        assert (still.progress, still.attempts, still.beat_time) == (b"half", 0, NOON + 8 * MINUTE)
        assert still == store.get_scan("s")

    def test_a_scan_ends(self, store: Store) -> None:
        """Its last progress and its error are kept with the time, and its worker has nothing to say any more."""
        store.add_scan(a_scan("s"))
        claim(store, "w")

        ended = store.end_scan("s", "w", state=ScanState.FAILED, time=NOON + MINUTE, progress=b"part", error=b"why")

        assert ended == store.get_scan("s")
        assert (ended.state, ended.progress, ended.error) == (ScanState.FAILED, b"part", b"why")
        assert (ended.end_time, ended.worker, ended.beat_time, ended.ended) == (NOON + MINUTE, "", None, True)
        with pytest.raises(Conflict, match="'w'"):
            store.beat_scan("s", "w", time=NOON)
        with pytest.raises(Conflict, match="is failed"):
            store.resume_scan("s", time=NOON)

    def test_cancelling_is_asked_for(self, store: Store) -> None:
        """What nobody works on is cancelled at once, a worker learns of it by its beat, and what has ended stays so."""
        for scan in (a_scan("works"), a_scan("waits", minute=1), a_scan("planned", state=ScanState.PLANNED)):
            store.add_scan(scan)
        claim(store, "w")

        states = {name: store.cancel_scan(name, time=NOON).state for name in ("works", "waits", "planned")}
        told = store.beat_scan("works", "w", time=NOON)
        ended = store.end_scan("works", "w", state=ScanState.CANCELLED, time=NOON)

        assert states == {"works": ScanState.CANCELLING, "waits": ScanState.CANCELLED, "planned": ScanState.CANCELLED}
        assert told.state is ScanState.CANCELLING
        assert store.cancel_scan("works", time=NOON + MINUTE) == ended
        with pytest.raises(NotFound):
            store.cancel_scan("no-such", time=NOON)

    def test_a_cancelled_scan_is_resumed(self, store: Store) -> None:
        """It waits again, from then on, with what it had done; once it is at work it cannot be resumed."""
        store.add_scan(a_scan("s"))
        begun = claimed(store, "w")
        store.beat_scan("s", "w", time=NOON, progress=b"half")
        store.cancel_scan("s", time=NOON)
        store.end_scan("s", "w", state=ScanState.CANCELLED, time=NOON)

        resumed = store.resume_scan("s", time=NOON + 9 * MINUTE, request=KEY)
        again = claimed(store, "v", minute=9)

        assert (resumed.state, resumed.progress, resumed.end_time) == (ScanState.QUEUED, b"half", None)
        assert (again.start_time, again.queue_time) == (begun.start_time, NOON + 9 * MINUTE)
        assert store.resume_scan("s", time=NOON, request=KEY) == again
        with pytest.raises(Conflict, match="is running"):
            store.resume_scan("s", time=NOON)

    def test_a_scan_does_not_go_on_where_another_has_written_since(self, store: Store) -> None:
        """What a cancelled scan left there is gone: resuming it is refused, also when the other one is done."""
        store.add_scan(a_scan("old", output="/out"))
        claim(store, "w", minute=1)
        store.end_scan("old", "w", state=ScanState.CANCELLED, time=NOON)
        store.add_scan(a_scan("new", output="/out"))
        claim(store, "w", minute=2)
        store.end_scan("new", "w", state=ScanState.SUCCEEDED, time=NOON)

        with pytest.raises(Conflict, match="'new' has written"):
            store.resume_scan("old", time=NOON)

    def test_a_scan_whose_worker_died_is_taken_by_another(self, store: Store) -> None:
        """After the silence it is the other's, and the first one, should it live, may write nothing more."""
        store.add_scan(a_scan("s"))
        claim(store, "dead", minute=1)
        store.beat_scan("s", "dead", time=NOON + 2 * MINUTE, progress=b"half")

        assert claim(store, "w", minute=3) is None
        taken = claimed(store, "w", minute=4)

        assert (taken.worker, taken.progress, taken.start_time) == ("w", b"half", NOON + MINUTE)
        with pytest.raises(Conflict):
            store.beat_scan("s", "dead", time=NOON)
        with pytest.raises(Conflict):
            store.end_scan("s", "dead", state=ScanState.SUCCEEDED, time=NOON)

    def test_a_scan_that_was_to_stop_stops_when_its_worker_dies(self, store: Store) -> None:
        """It is cancelled, by whoever looks next, and waits for nobody."""
        store.add_scan(a_scan("s"))
        claim(store, "dead", minute=1)
        store.cancel_scan("s", time=NOON + MINUTE)

        assert claim(store, "w", minute=9) is None
        assert store.get_scan("s").state is ScanState.CANCELLED

    def test_a_scan_that_kills_whoever_takes_it_is_given_up(self, store: Store) -> None:
        """After some attempts that came no further it is INTERRUPTED until a person resumes it."""
        store.add_scan(a_scan("s"))
        claim(store, "w", minute=0)
        store.beat_scan("s", "w", time=NOON, progress=b"some")
        for _ in range(MAX_ATTEMPTS):
            assert store.end_scan("s", "w", state=ScanState.INTERRUPTED, time=NOON).state is ScanState.QUEUED
            claim(store, "w", minute=0)

        ended = store.end_scan("s", "w", state=ScanState.INTERRUPTED, time=NOON + MINUTE)

        assert (ended.state, ended.end_time, ended.ended) == (ScanState.INTERRUPTED, NOON + MINUTE, True)
        assert claim(store, "w") is None
        assert store.resume_scan("s", time=NOON).attempts == 0

    def test_a_worker_that_has_to_go_hands_its_scan_back(self, store: Store) -> None:
        """That is no failed attempt, however often; one that was to stop is cancelled."""
        store.add_scan(a_scan("s"))
        for _ in range(MAX_ATTEMPTS + 1):
            claim(store, "w")
            assert store.end_scan("s", "w", state=ScanState.QUEUED, time=NOON).state is ScanState.QUEUED
        claim(store, "w")
        store.cancel_scan("s", time=NOON)

        assert store.end_scan("s", "w", state=ScanState.QUEUED, time=NOON).state is ScanState.CANCELLED


class TestSqlite(OnSqlite, ScanQueueContract):
    """The embedded default."""


class TestPostgresql(OnPostgres, ScanQueueContract):
    """The server."""
