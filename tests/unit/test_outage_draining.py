"""What waited comes on record once, with its case and its event, whatever happened meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from index.case_records import CaseOrigin
from index.decision_records import EventKind
from index.errors import StoreAway
from index.store.store import Store
from serving.case_opening import CaseOpening
from serving.case_rules import load_case_rules
from serving.outage.draining import Drain
from serving.outage.set_aside import REFUSED
from serving.outage.spool import Spool
from serving.recording import Recorder, Recording
from tests.support.databases import with_tables
from tests.support.waiting import a_recording


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


@contextmanager
def _drain(store: Store, folder: Path) -> Iterator[Drain]:
    with closing(Spool(folder, most_bytes=2**20)) as spool:
        yield Drain(spool, Recorder(store, CaseOpening(store, load_case_rules())))


def _decided(store: Store) -> list[str]:
    return [event.decision.decision_id for event in store.events_after(0) if event.kind is EventKind.DECIDED]


def test_what_waited_is_recorded_with_case_event_and_photos(store: Store, tmp_path: Path) -> None:
    """As if it had been recorded when it was decided."""
    with _drain(store, tmp_path) as drain:
        drain.spool.put(a_recording("d1", key="k"))
        drain.spool.put(a_recording("d2"))

        assert drain.drain() == 2
        assert len(drain.spool) == 0

    assert sorted(_decided(store)) == ["d1", "d2"]
    events = [event for event in store.events_after(0) if event.decision.decision_id == "d1"]
    assert store.get_decision("d1") == a_recording("d1", key="k").record
    assert store.find_idempotent("k", request_sha256="00" * 32) == store.get_decision("d1")
    case = store.get_case(events[0].case_id)
    assert (case.decision_id, case.origin, case.audit_share) == ("d1", CaseOrigin.AUDIT, 0.25)
    assert store.decision_images("d1") == a_recording("d1").images


def test_decisions_on_a_listing_keep_their_order(store: Store, tmp_path: Path) -> None:
    """However many are recorded at once, the last one taken is the one in force."""
    with _drain(store, tmp_path) as drain:
        for number in range(24):
            drain.spool.put(a_recording(f"d{number:02}", listing_id=f"l{number % 3}"))

        assert drain.drain() == 24

    decided = [event.decision for event in store.events_after(0) if event.kind is EventKind.DECIDED]
    for listing_id in ("l0", "l1", "l2"):
        mine = [one.decision_id for one in decided if one.listing_id == listing_id]
        assert mine == sorted(mine)
        assert len(mine) == 8


def test_a_crash_between_recording_and_letting_go_records_once(store: Store, tmp_path: Path) -> None:
    """Whether there is a key or none."""
    for _ in range(2):
        with _drain(store, tmp_path) as drain:
            drain.spool.adopt()
            drain.spool.put(a_recording("d1", key="k"))
            drain.spool.put(a_recording("d2"))
            for recording in (a_recording("d1", key="k"), a_recording("d2")):
                if not _decided(store) or len(_decided(store)) < 2:
                    drain.recorder.record(recording)

            drain.drain()

    assert sorted(_decided(store)) == ["d1", "d2"]
    assert store.counts().open_cases == 2


@pytest.mark.parametrize("request_sha256", ["00" * 32, "11" * 32])
def test_a_key_that_another_decision_took_is_left_to_it(store: Store, tmp_path: Path, request_sha256: str) -> None:
    """What the caller was told is on record all the same, and later than the other one."""
    with _drain(store, tmp_path) as drain:
        drain.spool.put(a_recording("late", key="k", listing_id="l"))
        other = a_recording("other", key="k", request=request_sha256, listing_id="l")
        drain.recorder.record(replace(other, audit_share=None))

        assert drain.drain() == 1

    assert _decided(store) == ["other", "late"]
    assert store.get_decision("late").idempotency_key is None
    latest = store.latest_decision("l")
    assert latest is not None
    assert latest.decision_id == "late"


def test_what_waits_stays_while_the_store_is_away(store: Store, tmp_path: Path) -> None:
    """Nothing is lost or put aside for an absence, however often it is tried."""

    def refuse() -> None:
        raise StoreAway("away")

    with _drain(store, tmp_path) as drain:
        drain.spool.put(a_recording("d1"))
        store.admitting(refuse)
        for _ in range(20):
            assert drain.drain() == 0
        store.admitting(lambda: None)

        assert drain.drain() == 1
        assert not (tmp_path / REFUSED).exists()


def test_what_the_store_refuses_holds_nothing_up(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A decision whose id is another's is put aside, and an operator learns of it."""
    other = a_recording("d1", listing_id="another")
    with _drain(store, tmp_path) as drain:
        drain.recorder.record(other)
        drain.spool.put(a_recording("d1"))
        drain.spool.put(a_recording("d2"))

        assert drain.drain() == 1

    assert _decided(store) == ["d1", "d2"]
    assert (tmp_path / REFUSED / "d1.jsonl").exists()
    assert "cannot be recorded" in caplog.text


def test_a_running_drain_records_what_arrives(store: Store, tmp_path: Path) -> None:
    """At once, not at its next look."""
    recorded: list[Recording] = []
    with _drain(store, tmp_path) as drain, drain.running(interval_s=3600.0):
        for number in range(3):
            recorded.append(a_recording(f"d{number}"))
            drain.spool.put(recorded[-1])
            while len(drain.spool):
                pass

    assert _decided(store) == [recording.record.decision_id for recording in recorded]
