"""Are decisions recorded whole or not at all, whoever races and whatever dies? One suite for every database."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from index.case_records import Case
from index.decision_records import DecisionRecord, EventKind, ListingImage, RemovalReason
from index.errors import Conflict, NotFound, StoreError
from index.records import StoreCounts
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite
from vision.keypoints import LocalFeatures

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
THREADS = 16
COUNTERFEIT = RemovalReason.COUNTERFEIT

# Records decisions until it is killed; says each one's number once it is on record.
_WRITER = """
import sys
from index.store.store import Store
from test_store_decisions import a_case, a_decision, PHOTOS

with Store.open(sys.argv[1]) as store:
    for number in range(1_000_000):
        record = a_decision(f"d{number}", key=f"k{number}")
        store.record_decision(record, case=a_case(record), images=PHOTOS)
        print(number, flush=True)
"""

DETAILS = LocalFeatures(np.ones((2, 4), np.float32), np.full((2, 128), 7, np.uint8), 40, 30)
PHOTOS = (
    ListingImage(sha256="aa" * 32, pdq=bytes(32), features=DETAILS.to_bytes(), embedding=b"\x00\x3c" * 4),
    ListingImage(sha256="bb" * 32),
)
NOTHING = StoreCounts(
    brands=0,
    references=0,
    active_references=0,
    embeddings=0,
    price_observations=0,
    sellers=0,
    decisions=0,
    open_cases=0,
    removed_images=0,
)


def a_decision(
    decision_id: str, *, listing: str = "", key: str | None = None, request: str = "00" * 32, verdict: str = "REVIEW"
) -> DecisionRecord:
    """Make a decision with every field filled in."""
    return DecisionRecord(
        decision_id=decision_id,
        listing_id=listing or f"listing-{decision_id}",
        idempotency_key=key,
        request_sha256=request,
        verdict=verdict,
        create_time=NOON,
        payload=b"\x00\xff payload of " + decision_id.encode(),
        seller_id="seller",
        brand="Acme",
        model_fingerprint="model",
        index_version="7",
        policy_version="policy@1",
        market="DE",
    )


def a_case(record: DecisionRecord, *, harm: float = 0.5) -> Case:
    """Make the case that a decision opens."""
    return Case(
        case_id=f"case-{record.decision_id}",
        decision_id=record.decision_id,
        listing_id=record.listing_id,
        verdict=record.verdict,
        brand=record.brand,
        create_time=record.create_time,
        update_time=record.create_time,
        seller_id=record.seller_id,
        market=record.market,
        brand_ids=("acme",),
        reason_codes=("DUPLICATE",),
        probability=0.25,
        uncalibrated_probability=0.75,
        certificate_id="certificate",
        expected_harm=harm,
    )


class TooLateError(Exception):
    """Stands for the deadline that passed."""


def too_late() -> None:
    """Raise, as a guard does whose deadline has passed."""
    raise TooLateError


class DecisionContract(StoreSuite):
    """What every database must do."""

    def test_decision_comes_back_with_all_that_belongs_to_it(self, store: Store) -> None:
        """A recorded decision, its case, its photos and its event all come back as they were given."""
        record = a_decision("d", key="k")

        outcome = store.record_decision(record, case=a_case(record), images=PHOTOS)

        assert outcome.created
        assert outcome.record == record == store.get_decision("d") == store.latest_decision("listing-d")
        assert store.get_case("case-d") == a_case(record)
        assert store.decision_images("d") == PHOTOS
        assert [(event.cursor, event.kind, event.decision) for event in store.events_after(0)] == [
            (1, EventKind.DECIDED, record)
        ]

    def test_the_brand_that_was_claimed_is_kept_apart_from_the_one_at_stake(self, store: Store) -> None:
        """Both come back as they were recorded."""
        record = replace(a_decision("d"), brand="Acme", claimed_brand_id="bravo")

        store.record_decision(record)

        assert store.get_decision("d") == record

    def test_latest_decision_is_the_one_recorded_last(self, store: Store) -> None:
        """Of several decisions on one listing the last counts, and a listing without any has None."""
        for name in ("a", "c", "b"):
            store.record_decision(a_decision(name, listing="l"))

        latest = store.latest_decision("l")

        assert latest is not None
        assert latest.decision_id == "b"
        assert store.latest_decision("other") is None

    def test_same_key_and_request_give_the_first_decision(self, store: Store) -> None:
        """The second decision under a key is dropped, case and event included, and the first is returned."""
        first = a_decision("first", key="k")
        store.record_decision(first)
        second = a_decision("second", key="k")

        outcome = store.record_decision(second, case=a_case(second))

        assert (outcome.record, outcome.created) == (first, False)
        assert store.find_idempotent("k", request_sha256=first.request_sha256) == first
        assert store.counts().open_cases == 0
        assert store.event_head() == 1

    def test_same_key_for_another_request_is_refused(self, store: Store) -> None:
        """A key that comes with another request is a Conflict when recording and when looking it up."""
        store.record_decision(a_decision("first", key="k"))

        with pytest.raises(Conflict, match="'k'"):
            store.record_decision(a_decision("second", key="k", request="11" * 32))
        with pytest.raises(Conflict, match="'k'"):
            store.find_idempotent("k", request_sha256="11" * 32)

        assert store.counts().decisions == 1
        assert store.find_idempotent("unused", request_sha256="11" * 32) is None

    def test_decisions_do_not_change(self, store: Store) -> None:
        """A decision id that is taken is a Conflict, and the decision on record stays as it is."""
        store.record_decision(a_decision("d"))

        with pytest.raises(Conflict, match="'d'"):
            store.record_decision(a_decision("d", verdict="ALLOW"))

        assert store.get_decision("d").verdict == "REVIEW"

    def test_case_of_another_decision_is_refused(self, store: Store) -> None:
        """A case that belongs to another decision is refused before anything is written."""
        with pytest.raises(StoreError, match="'other'"):
            store.record_decision(a_decision("d"), case=a_case(a_decision("other")))

        assert store.counts() == NOTHING

    def test_guard_that_raises_leaves_nothing(self, store: Store) -> None:
        """When the guard raises, its error comes through and neither decision, case, event nor key is on record."""
        record = a_decision("d", key="k")

        with pytest.raises(TooLateError):
            store.record_decision(record, case=a_case(record), images=PHOTOS, commit_guard=too_late)

        assert store.counts() == NOTHING
        assert store.event_head() == 0
        assert store.find_idempotent("k", request_sha256=record.request_sha256) is None
        assert store.record_decision(record, commit_guard=lambda: None).created

    def test_one_key_in_many_threads_gives_one_decision(self, store: Store) -> None:
        """Of many threads with the same key one creates the decision, and all get the same one."""
        together = threading.Barrier(THREADS)

        def record(number: int) -> tuple[str, bool]:
            mine = a_decision(f"d{number}", listing="l", key="k")
            together.wait()
            outcome = store.record_decision(mine, case=a_case(mine), images=PHOTOS)
            return outcome.record.decision_id, outcome.created

        with ThreadPoolExecutor(THREADS) as pool:
            outcomes = list(pool.map(record, range(THREADS)))

        assert sum(created for _, created in outcomes) == 1
        assert len({decision_id for decision_id, _ in outcomes}) == 1
        assert (store.counts().decisions, store.counts().open_cases, store.event_head()) == (1, 1, 1)

    def test_writers_and_readers_do_not_lock_each_other_out(self, location: str | Path, store: Store) -> None:
        """Many threads of two stores write and read at once; nothing fails and the cursors have no gap."""
        with Store.open(location) as other:

            def work(thread: int) -> None:
                mine = (store, other)[thread % 2]
                for number in range(5):
                    record = a_decision(f"d{thread}-{number}")
                    mine.record_decision(record, case=a_case(record), images=PHOTOS)
                    assert mine.get_decision(record.decision_id) == record

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(work, range(THREADS)))

        cursors = [event.cursor for event in store.events_after(0)]
        assert cursors == list(range(1, THREADS * 5 + 1))

    def test_events_are_read_page_by_page(self, store: Store) -> None:
        """A follower that remembers its cursor sees every event once, in the order of the commits."""
        for number in range(7):
            store.record_decision(a_decision(f"d{number}"))

        seen: list[str] = []
        cursor = 0
        while page := store.events_after(cursor, limit=3):
            seen += [event.decision.decision_id for event in page]
            cursor = page[-1].cursor

        assert seen == [f"d{number}" for number in range(7)]
        assert cursor == store.event_head() == 7

    def test_removing_a_listing_marks_its_photos(self, store: Store) -> None:
        """The photos of the listing's last screening become known, the followers learn of it, the version grows."""
        record = a_decision("d", listing="l")
        store.record_decision(record, images=PHOTOS)
        before = store.version()

        removed = store.remove_listing("l", COUNTERFEIT, NOON + timedelta(hours=1), note="confirmed by the brand")

        assert [(image.sha256, image.pdq, image.brand) for image in removed.images] == [
            (photo.sha256, photo.pdq, "Acme") for photo in PHOTOS
        ]
        assert tuple(store.iter_removed_images()) == removed.images
        assert [(image.embedding, image.fingerprint) for image in removed.images] == [
            (PHOTOS[0].embedding, "model"), (None, "model"),
        ]  # fmt: skip
        details = store.removed_features([("l", photo.sha256) for photo in PHOTOS] + [("other", PHOTOS[0].sha256)])
        assert {key: found.to_bytes() for key, found in details.items()} == {("l", "aa" * 32): PHOTOS[0].features}
        assert (removed.reason, removed.note) == (COUNTERFEIT, "confirmed by the brand")
        assert store.version() == before + 1
        (event,) = store.events_after(1)
        assert (event.kind, event.decision, event.create_time) == (EventKind.REMOVED, record, removed.remove_time)

    def test_removing_a_listing_twice_is_removing_it_once(self, store: Store) -> None:
        """The second removal answers with the first one and changes nothing."""
        store.record_decision(a_decision("d", listing="l"), images=PHOTOS)
        first = store.remove_listing("l", COUNTERFEIT, NOON)
        head = (store.version(), store.event_head())

        second = store.remove_listing("l", COUNTERFEIT, NOON + timedelta(days=1), note="again")

        assert second == first
        assert (store.version(), store.event_head()) == head

    def test_listing_screened_after_its_removal_can_be_removed_again(self, store: Store) -> None:
        """A listing that came back with another photo is removed again, and both its photos stay marked."""
        store.record_decision(a_decision("d1", listing="l"), images=PHOTOS[:1])
        store.remove_listing("l", COUNTERFEIT, NOON)
        store.record_decision(a_decision("d2", listing="l"), images=PHOTOS[1:])

        again = store.remove_listing("l", COUNTERFEIT, NOON + timedelta(days=1))

        assert again.remove_time == NOON + timedelta(days=1)
        assert [image.sha256 for image in again.images] == [photo.sha256 for photo in PHOTOS]

    def test_a_listing_is_a_brands_since_it_was_first_decided_on_as_such(self, store: Store) -> None:
        """By the name as it was recorded; other listings and other brands say nothing."""
        for number, (listing, brand) in enumerate([("l", "Bravo"), ("l", "Acme"), ("l", "Acme"), ("m", "Corax")]):
            record = replace(a_decision(f"d{number}", listing=listing), brand=brand)
            store.record_decision(replace(record, create_time=NOON + timedelta(hours=number)))

        found = [store.named_since("l", brand) for brand in ("Bravo", "Acme", "Corax", "acme")]

        assert found == [NOON, NOON + timedelta(hours=1), None, None]

    def test_only_counterfeits_make_photos_known(self, store: Store) -> None:
        """A listing that the seller ended leaves no photo; correcting the reason marks the photos, or forgets them."""
        store.record_decision(a_decision("d", listing="l"), images=PHOTOS)
        before = store.version()

        ended = store.remove_listing("l", RemovalReason.ENDED_BY_SELLER, NOON)
        version = store.version()
        corrected = store.remove_listing("l", COUNTERFEIT, NOON + timedelta(days=1))
        taken_back = store.remove_listing("l", RemovalReason.OTHER_VIOLATION, NOON + timedelta(days=2))

        assert (ended.images, version) == ((), before)
        assert (len(corrected.images), corrected.remove_time) == (len(PHOTOS), NOON)
        assert (taken_back.images, list(store.iter_removed_images())) == ((), [])
        assert store.version() == before + 2

    def test_only_screened_listings_can_be_removed(self, store: Store) -> None:
        """Removing a listing that was never screened is NotFound."""
        with pytest.raises(NotFound, match="'never-seen'"):
            store.remove_listing("never-seen", COUNTERFEIT, NOON)

    def test_killed_process_leaves_whole_decisions(self, location: str | Path) -> None:
        """A process killed in the middle of writing leaves every decision that it spoke of, each one whole."""
        command = [sys.executable, "-c", _WRITER, str(location)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            assert writer.stdout is not None
            spoken = [int(writer.stdout.readline()) for _ in range(50)]
            writer.kill()
            spoken += [int(line) for line in writer.stdout.read().split("\n")[:-1]]

        with Store.open(location, migrate=False) as store:
            store.verify()
            counts = store.counts()
            assert counts.decisions >= len(spoken)
            assert counts.decisions == counts.open_cases == store.event_head()
            assert len(store.events_after(0, limit=10**6)) == counts.decisions
            for number in range(counts.decisions):
                assert store.find_idempotent(f"k{number}", request_sha256="00" * 32) == store.get_decision(f"d{number}")
                assert len(store.decision_images(f"d{number}")) == len(PHOTOS)
            assert store.record_decision(a_decision("after the crash")).created


class TestSqliteDecisions(OnSqlite, DecisionContract):
    """The embedded default."""


class TestPostgresDecisions(OnPostgres, DecisionContract):
    """The database of an installation with several replicas."""
