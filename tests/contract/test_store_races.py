"""Does nothing get lost between writers who read before they write? Many threads of two stores, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import update

from index.errors import Conflict, LostRace, StoreError
from index.learning import CertificateState
from index.market_records import Seller
from index.money import Money
from index.price_bands import PriceBand
from index.records import Brand, ReferenceState
from index.store.changes import CHANGES, EVENTS
from index.store.engine import Database
from index.store.retry import run_again
from index.store.store import Store
from index.store.tables.changes import counters
from tests.contract.test_store import ACME, a_reference
from tests.contract.test_store_decisions import a_decision
from tests.support.databases import OnPostgres, OnSqlite
from tests.unit.judging import CERTIFICATE

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
THREADS = 8
ROUNDS = 4
Race = Callable[[Callable[[Store, int], object]], list[object]]


class RaceContract:
    """What every database must do."""

    @pytest.fixture
    def stores(self, location: str | Path) -> Iterator[tuple[Store, Store]]:
        """Open the store twice, as two replicas do."""
        with Store.open(location) as one, Store.open(location) as other:
            yield one, other

    @pytest.fixture
    def race(self, stores: tuple[Store, Store]) -> Race:
        """Run something in many threads at the same moment, on both stores; give what each returned or raised."""

        def run(work: Callable[[Store, int], object]) -> list[object]:
            together = threading.Barrier(THREADS)

            def one(number: int) -> object:
                together.wait()
                try:
                    return work(stores[number % 2], number)
                except StoreError as error:
                    return error

            with ThreadPoolExecutor(THREADS) as pool:
                return list(pool.map(one, range(THREADS)))

        return run

    def test_same_brands_put_at_once_are_put_once(self, stores: tuple[Store, Store], race: Race) -> None:
        """Of replicas that seed the same brands, in whatever order, one adds them and no other fails."""
        brands = [Brand(brand_id=f"b{number}", name=f"Brand {number}") for number in range(30)]

        put = race(lambda store, number: store.put_brands(brands if number % 2 else reversed(brands)))

        assert sorted(map(str, put)) == ["0"] * (THREADS - 1) + ["30"]
        assert stores[0].version() == 30

    def test_last_brand_put_is_whole(self, stores: tuple[Store, Store], race: Race) -> None:
        """A brand that many rename at once has the name and the aliases of one of them."""

        def rename(store: Store, number: int) -> int:
            return store.put_brands([Brand(brand_id="acme", name=f"Acme {number}", aliases=(f"alias {number}",))])

        for _ in range(ROUNDS):
            assert not [error for error in race(rename) if isinstance(error, StoreError)]

        brand = stores[0].get_brand("acme")
        assert brand.aliases == (brand.name.replace("Acme", "alias"),)
        assert [stores[1].find_brand(alias) for alias in brand.aliases] == [brand]

    def test_state_changes_once_for_many_who_change_it(self, stores: tuple[Store, Store], race: Race) -> None:
        """Of many who retire a reference at the same moment one does, and the change log says so once."""
        stores[0].put_brands([ACME])
        stores[0].add_references([(a_reference("r"), [])])
        before = stores[0].version()

        race(lambda store, _: store.set_reference_state("r", ReferenceState.RETIRED))

        assert stores[0].version() == before + 1

    def test_reference_added_by_many_is_added_by_one(self, stores: tuple[Store, Store], race: Race) -> None:
        """The others are told that it is stored already, in words and not by a broken constraint."""
        stores[0].put_brands([ACME])

        added = race(lambda store, _: store.add_references([(a_reference("r"), [])]))

        refused = [error for error in added if isinstance(error, Conflict)]
        assert (added.count(1), len(refused)) == (1, THREADS - 1)
        assert all("is stored already" in str(error) for error in refused)

    def test_bands_set_at_once_are_those_of_one(self, stores: tuple[Store, Store], race: Race) -> None:
        """Of two lists of price bands that replace each other, one stands whole."""
        stores[0].put_brands([ACME])

        def put(store: Store, number: int) -> None:
            low, high = Money(Decimal(number + 1), "EUR"), Money(Decimal(99), "EUR")
            bands = [PriceBand(category_path=(name,), low=low, high=high) for name in ("a", "b")]
            store.set_price_bands("acme", bands)

        for _ in range(ROUNDS):
            assert race(put) == [None] * THREADS

        first, second = stores[0].price_bands("acme")
        assert first.low == second.low

    def test_seller_put_by_many_is_there_once(self, stores: tuple[Store, Store], race: Race) -> None:
        """A seller whom many replicas tell of at the same moment is on record, and nobody fails."""
        put = race(lambda store, _: store.put_seller(Seller(seller_id="s", create_time=NOON)))

        assert put == [None] * THREADS
        assert stores[1].get_seller("s").create_time == NOON

    def test_one_certificate_of_a_tier_is_valid(self, stores: tuple[Store, Store], race: Race) -> None:
        """Of certificates that are issued for a tier at the same moment, one is valid and the others superseded."""

        def issue(store: Store, number: int) -> None:
            later = NOON + timedelta(seconds=number)
            named = replace(CERTIFICATE, certificate_id=f"c{number}", create_time=later)
            store.issue_certificate(named, actor="lead", reason="test")

        assert race(issue) == [None] * THREADS

        states = [one.changed.state for one in stores[0].list_certificates()]
        assert sorted(states) == [CertificateState.SUPERSEDED] * (THREADS - 1) + [CertificateState.VALID]

    def test_events_follow_each_other_for_who_reads_along(self, stores: tuple[Store, Store]) -> None:
        """Who follows the events while many write them sees each once, without a gap, as soon as it is committed."""
        done, seen = threading.Event(), list[int]()

        def follow() -> None:
            last = False
            while not last:
                last = done.is_set()  # looked at before reading, so that the last round reads what came before it
                seen.extend(event.cursor for event in stores[1].events_after(seen[-1] if seen else 0))

        follower = threading.Thread(target=follow)
        follower.start()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda n: stores[n % 2].record_decision(a_decision(f"d{n}")), range(THREADS * ROUNDS)))
        done.set()
        follower.join()

        assert seen == list(range(1, THREADS * ROUNDS + 1))

    def test_reads_of_a_block_see_one_moment(self, stores: tuple[Store, Store]) -> None:
        """What others commit while a block reads is not seen in it, and is seen after it."""
        with stores[0].reading():
            before = stores[0].version()
            stores[1].put_brands([ACME])
            within = (stores[0].version(), stores[0].counts().brands)

        assert within == (before, 0)
        assert stores[0].counts().brands == 1


class TestSqliteRaces(OnSqlite, RaceContract):
    """The embedded default."""


class TestPostgresRaces(OnPostgres, RaceContract):
    """The database of an installation with several replicas."""


def crossing(database: Database, order: tuple[str, str], steps: Iterator[Callable[[], object]]) -> None:
    """Write two rows in this order, and take the next step after each."""
    with database.write("cross") as connection:
        for name in order:
            row = update(counters).where(counters.c.name == name)
            connection.execute(row.values(value=counters.c.value + 1))
            next(steps)()


def test_two_who_wait_for_each_other_both_get_through(postgres_url: str) -> None:
    """PostgreSQL takes back one of two transactions that wait for each other; run again, it succeeds as well."""
    database, together, attempts = Database(postgres_url), threading.Barrier(2), list[str]()

    @run_again
    def write(order: tuple[str, str]) -> None:
        attempts.append(order[0])
        first_time = attempts.count(order[0]) == 1
        steps = iter((together.wait, lambda: None) if first_time else (lambda: None, lambda: None))
        crossing(database, order, steps)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [(CHANGES, EVENTS), (EVENTS, CHANGES)]))
    with Store.open(postgres_url) as store:
        heads = (store.version(), store.event_head())
    database.close()

    assert heads == (2, 2)
    assert len(attempts) >= 3


def test_race_lost_again_and_again_is_told() -> None:
    """After four attempts the error comes through: nothing was written, and the caller may try again."""
    attempts = []

    @run_again
    def write() -> None:
        attempts.append(1)
        raise LostRace("another change was under way")

    with pytest.raises(LostRace):
        write()

    assert len(attempts) == 4
