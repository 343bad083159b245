"""Does every database behind the store take references in whole, and let one of two rivals change them? One suite."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from index.errors import Conflict, KeyReused, NotFound
from index.records import (
    Brand,
    ChangeKind,
    Mark,
    MarkKind,
    Reference,
    ReferenceEmbedding,
    ReferenceFeatures,
    ReferenceKind,
    ReferenceScope,
    ReferenceState,
)
from index.rulings import RequestKey
from index.store import migrate
from index.store.engine import Database
from index.store.reference_life import ReferenceFilter, ReferencePlace
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite
from vision.keypoints import reference_features

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
SCOPE = ReferenceScope(false_matches_per_million=1.5, background_images=500, collisions=2)
FEATURES = reference_features(np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8))


def a_reference(reference_id: str = "r", **fields: Any) -> Reference:
    """Make a pending logo of Acme."""
    given: dict[str, Any] = {"state": ReferenceState.PENDING, "mark_id": "m"} | fields
    return Reference(
        reference_id=reference_id, brand_id="acme", kind=ReferenceKind.LOGO, image_sha256="ab" * 32, **given
    )


def an_embedding(reference_id: str = "r", fingerprint: str = "model") -> ReferenceEmbedding:
    """Make an embedding."""
    vector = np.array([0.6, 0.8], np.float32)
    return ReferenceEmbedding(reference_id=reference_id, variant=0, fingerprint=fingerprint, vector=vector)


def some_features(reference_id: str = "r") -> list[ReferenceFeatures]:
    """Make keypoints."""
    return [ReferenceFeatures(reference_id=reference_id, features=FEATURES)]


def a_key(request_id: str = "k", digest: str = "d") -> RequestKey:
    """Make an idempotency key."""
    return RequestKey(scope="upload", request_id=request_id, request_sha256=digest)


class ReferenceContract:
    """What every database must do."""

    @pytest.fixture
    def store(self, location: str | Path) -> Iterator[Store]:
        """Open a store with the brand Acme and one mark."""
        with Store.open(location) as opened:
            opened.put_brands([Brand(brand_id="acme", name="Acme")])
            opened.put_marks([Mark(mark_id="m", brand_id="acme", kind=MarkKind.LOGO, name="wheel")])
            yield opened

    # --- recording ---------------------------------------------------------------------------------------------------

    def test_a_reference_is_recorded_with_all_that_belongs_to_it(self, store: Store) -> None:
        """Record, vectors, keypoints and the change that replicas follow are there at once; times are given."""
        version = store.version()

        stored = store.record_reference(a_reference(scope=SCOPE), [an_embedding()], some_features(), request=a_key())

        assert stored == store.get_reference("r")
        assert (stored.state, stored.scope, stored.revision) == (ReferenceState.PENDING, SCOPE, 0)
        assert stored.create_time == stored.update_time is not None
        assert len(store.embeddings_of("r", "model")) == 1
        assert set(store.features_of(["r"])) == {"r"}
        assert [(one.kind, one.subject_id) for one in store.changes_after(version)] == [(ChangeKind.REFERENCE, "r")]

    def test_an_older_release_finds_the_keypoints_of_drawn_marks(self, location: str | Path) -> None:
        """The schema's revision keeps it from drawings that it cannot read; a way back leaves the points alone."""
        drawn = reference_features(np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8), drawn=True)
        with Store.open(location) as store:
            store.put_brands([Brand(brand_id="acme", name="Acme")])
            store.put_marks([Mark(mark_id="m", brand_id="acme", kind=MarkKind.LOGO, name="wheel")])
            store.record_reference(
                a_reference(), [an_embedding()], [ReferenceFeatures(reference_id="r", features=drawn)], request=a_key()
            )
            assert store.features_of(["r"])["r"].drawing is not None

        database = Database(location)
        migrate.downgrade(database, "0023")
        migrate.upgrade(database)
        database.close()

        with Store.open(location) as store:
            found = store.features_of(["r"])["r"]
        assert found.to_bytes() == FEATURES.to_bytes()

    def test_what_cannot_be_recorded_whole_leaves_nothing(self, store: Store) -> None:
        """Without its brand or mark neither the reference nor its key is there, and the key is good for another."""
        orphan = Reference(reference_id="r", brand_id="none", kind=ReferenceKind.LOGO, image_sha256="ab" * 32)
        version = store.version()

        with pytest.raises(NotFound, match="'none'"):
            store.record_reference(orphan, [an_embedding()], some_features(), request=a_key())
        with pytest.raises(NotFound, match="'x'"):
            store.record_reference(a_reference(mark_id="x"), [an_embedding()], some_features(), request=a_key())

        assert store.version() == version
        assert store.find_request(a_key()) is None
        assert store.known_references(["r"]) == frozenset()
        assert store.record_reference(a_reference(), request=a_key("k", "another")).reference_id == "r"

    def test_the_same_content_again_is_the_one_on_record(self, store: Store) -> None:
        """What differs in a second upload is not taken over; an embedding that was lacking is."""
        first = store.record_reference(a_reference(bank_id="one"), [an_embedding()], some_features())
        version = store.version()
        same = store.record_reference(a_reference(bank_id="two"), [an_embedding()], some_features())
        unchanged = store.version()

        newer = store.record_reference(a_reference(), [an_embedding(fingerprint="newer")])

        assert first == same == newer
        assert (unchanged, store.version()) == (version, version + 1)
        assert len(store.embeddings_of("r", "newer")) == 1

    def test_a_request_makes_one_reference(self, store: Store) -> None:
        """The same key brings what it made, whatever became of it; with another request it is refused."""
        store.record_reference(a_reference(), request=a_key())
        store.set_reference_state("r", ReferenceState.REJECTED, reason="blurred")

        again = store.record_reference(a_reference("other"), request=a_key())
        with pytest.raises(KeyReused, match="'k'"):
            store.record_reference(a_reference("other"), request=a_key("k", "else"))

        assert (again.reference_id, again.state) == ("r", ReferenceState.REJECTED)
        assert store.known_references(["other"]) == frozenset()

    def test_rivals_record_one_reference(self, store: Store) -> None:
        """Eight uploads of one content at once, each with a key of its own, are one reference and one change."""
        version, together = store.version(), Barrier(8)

        def upload(number: int) -> Reference:
            together.wait()
            return store.record_reference(a_reference(), [an_embedding()], some_features(), request=a_key(f"k{number}"))

        with ThreadPoolExecutor(8) as pool:
            stored = list(pool.map(upload, range(8)))

        assert len(set(map(id, stored))) == 8
        assert all(one == stored[0] for one in stored)
        assert store.version() == version + 1
        assert all(store.find_request(a_key(f"k{number}")) == "r" for number in range(8))

    # --- changing ----------------------------------------------------------------------------------------------------

    def test_a_change_of_state_is_counted_timed_and_logged(self, store: Store) -> None:
        """State, reason and scope are new, the revision is one more, and replicas learn of it."""
        before = store.record_reference(a_reference())
        version = store.version()

        after = store.set_reference_state("r", ReferenceState.QUARANTINED, reason="too broad", scope=SCOPE)

        assert (after.state, after.state_reason, after.scope) == (ReferenceState.QUARANTINED, "too broad", SCOPE)
        assert after.revision == before.revision + 1
        assert after == store.get_reference("r")
        assert after.create_time == before.create_time
        assert [one.subject_id for one in store.changes_after(version)] == ["r"]

    def test_reaching_the_present_state_changes_nothing(self, store: Store) -> None:
        """Even by somebody who saw an older revision: what they want is so."""
        before = store.record_reference(a_reference(state=ReferenceState.RETIRED, revision=4))
        version = store.version()

        after = store.set_reference_state("r", ReferenceState.RETIRED, reason="again", revision=1)

        assert (after, store.version()) == (before, version)

    def test_a_state_that_cannot_follow_is_refused(self, store: Store) -> None:
        """Final is final, and scope is kept by a change that brings none."""
        store.record_reference(a_reference(scope=SCOPE))
        rejected = store.set_reference_state("r", ReferenceState.REJECTED, reason="not theirs")

        with pytest.raises(Conflict, match="rejected and cannot become active"):
            store.set_reference_state("r", ReferenceState.ACTIVE)
        with pytest.raises(NotFound, match="'none'"):
            store.set_reference_state("none", ReferenceState.ACTIVE)

        assert store.get_reference("r") == rejected
        assert rejected.scope == SCOPE

    def test_a_change_of_what_was_not_seen_is_refused(self, store: Store) -> None:
        """An older revision than the one on record loses."""
        store.record_reference(a_reference())
        store.set_reference_state("r", ReferenceState.ACTIVE, revision=0)

        with pytest.raises(Conflict, match="changed meanwhile"):
            store.set_reference_state("r", ReferenceState.QUARANTINED, revision=0)

        assert store.get_reference("r").state is ReferenceState.ACTIVE

    def test_of_rivals_exactly_one_decides(self, store: Store) -> None:
        """Of eight who decide at once on what they all saw, half for and half against, one wins and its side too."""
        together = Barrier(8)
        wishes = [ReferenceState.ACTIVE, ReferenceState.REJECTED] * 4

        def decide(number: int) -> Reference | None:
            together.wait()
            try:
                return store.set_reference_state(key, wishes[number], reason=f"{number}", revision=0)
            except Conflict:
                return None

        for key in ("r1", "r2", "r3"):
            store.record_reference(a_reference(key))
            with ThreadPoolExecutor(8) as pool:
                outcomes = list(pool.map(decide, range(8)))

            stored = store.get_reference(key)
            answered = [one for one in outcomes if one is not None]
            assert stored.revision == 1
            assert all(one == stored for one in answered)
            assert {wishes[number] for number, one in enumerate(outcomes) if one is not None} == {stored.state}

    # --- listing -----------------------------------------------------------------------------------------------------

    def test_pages_follow_each_other_newest_first(self, store: Store) -> None:
        """Every reference appears once, whatever comes in between two pages; equal times are told apart by id."""
        times = [NOON + timedelta(hours=number // 2) for number in range(7)]
        store.add_references((a_reference(f"r{number}", create_time=time), []) for number, time in enumerate(times))
        wanted = ReferenceFilter(brand_id="acme")

        first = store.list_references(wanted, limit=3)
        store.add_references([(a_reference("later", create_time=NOON + timedelta(days=1)), [])])
        place = ReferencePlace(first[-1].create_time or NOON, first[-1].reference_id)
        rest = store.list_references(wanted, after=place, limit=10)

        assert [one.reference_id for one in (*first, *rest)] == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]

    def test_lists_are_narrowed(self, store: Store) -> None:
        """Brand, states, kinds and bank must all fit."""
        store.put_brands([Brand(brand_id="other", name="Other")])
        store.add_references(
            [
                (a_reference("bank", bank_id="b", state=ReferenceState.ACTIVE), []),
                (a_reference("own"), []),
                (Reference(reference_id="fake", brand_id="acme", kind=ReferenceKind.COUNTERFEIT, image_sha256=""), []),
                (Reference(reference_id="theirs", brand_id="other", kind=ReferenceKind.LOGO, image_sha256=""), []),
            ]
        )

        def ids(**wanted: Any) -> set[str]:
            found = store.list_references(ReferenceFilter(brand_id="acme", **wanted))
            return {one.reference_id for one in found}

        assert ids() == {"bank", "own", "fake"}
        assert ids(states=(ReferenceState.PENDING, ReferenceState.RETIRED)) == {"own"}
        assert ids(kinds=(ReferenceKind.COUNTERFEIT,)) == {"fake"}
        assert ids(bank_id="b") == {"bank"}
        assert ids(bank_id="b", states=(ReferenceState.PENDING,)) == set()


class TestSqliteReferences(OnSqlite, ReferenceContract):
    """SQLite."""


class TestPostgresReferences(OnPostgres, ReferenceContract):
    """PostgreSQL."""
