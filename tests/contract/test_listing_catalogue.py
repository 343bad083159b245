"""Are listings found by what they show, whatever holds their regions? One suite for every backend of the catalogue.

What must be found is worked out from the recorded listings themselves: all cosines, all conditions, no index.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from index.catalogue_following import Followed, MemoryFollowing, OutsideFollowing
from index.decision_records import DecisionRecord, ListingImage, RemovalReason
from index.errors import ListingIndexError
from index.listing_catalogue import ListingCatalogue
from index.listing_regions import STORED, ListingRegions, Place
from index.listings import EVERYWHERE, ListingMatch, ListingWhere
from index.milvus_regions import MilvusRegions
from index.refresh import Holder
from index.store.store import Store
from tests.milvus import milvus_lite
from vision.regions import Box

DIM = 16
MODEL = "made-up@0001"
LISTINGS = 40
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Products of 16 values, stored with 11 bits.
TOLERANCE = 2e-3
LEAST = 0.3
CATEGORIES = (("fashion", "shoes"), ("fashion", "shoes", "sneakers"), ("fashion", "shoestrings"), ("toys",), ())
WHERES = (
    ListingWhere(brand_ids=("acme",)),
    ListingWhere(brand_ids=("acme", "zenith")),
    ListingWhere(brand_ids=('nobody" or number > 0 or listing == "',)),
    ListingWhere(seller_ids=("s0", 's"1')),
    ListingWhere(category_path=("fashion", "shoes")),
    ListingWhere(verdicts=("TAKEDOWN",)),
    ListingWhere(markets=("DE",)),
    ListingWhere(screened_from=NOON + timedelta(minutes=10), screened_before=NOON + timedelta(minutes=30)),
    ListingWhere(
        brand_ids=("acme",),
        seller_ids=("s0", "s2"),
        category_path=("fashion",),
        verdicts=("ALLOW", "REVIEW"),
        markets=("DE", "FR"),
        screened_from=NOON,
    ),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Screened:
    """A listing as it was screened."""

    record: DecisionRecord
    photos: NDArray[np.float32]
    regions: ListingRegions


def unit_rows(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Directions that crowd around a few, float32 [count, 16]."""
    rows = np.eye(4, DIM)[generator.integers(0, 4, count)] + 0.25 * generator.standard_normal((count, DIM))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def screened(number: int, *, model: str = MODEL, listing_id: str = "") -> Screened:
    """Make up a listing, the same for the same number."""
    generator = np.random.default_rng(number)
    photos, marks = (
        unit_rows(generator, int(generator.integers(1, 3))),
        unit_rows(generator, int(generator.integers(0, 4))),
    )
    corners = np.sort(generator.uniform(size=(len(photos) + len(marks), 2, 2)), axis=1)
    places = tuple(Place(index % 3, Box(*(float(c) for c in corner.ravel()))) for index, corner in enumerate(corners))
    brands: tuple[tuple[str, ...], ...] = (("acme",), ("zenith", "acme"), ("other",), ())
    record = DecisionRecord(
        decision_id=f"d{number}",
        listing_id=listing_id or f'l"{number}',
        verdict=("ALLOW", "REVIEW", "TAKEDOWN")[number % 3],
        create_time=NOON + timedelta(minutes=number),
        payload=b"",
        request_sha256="aa" * 32,
        seller_id=("s0", 's"1', "s2")[number % 3],
        market=("DE", "FR", "")[number // 3 % 3],
        model_fingerprint=model,
    )
    regions = ListingRegions(
        places=places,
        photos=len(photos),
        marks=marks,
        category_path=CATEGORIES[number % len(CATEGORIES)],
        brand_ids=brands[number % len(brands)],
    )
    return Screened(record=record, photos=photos, regions=regions)


def put(store: Store, listing: Screened) -> None:
    """Record a listing's decision."""
    images = [ListingImage(sha256="cc" * 32, embedding=row.astype(STORED).tobytes()) for row in listing.photos]
    store.record_decision(listing.record, images=images, regions=listing.regions)


def expected(
    listings: list[Screened], vectors: NDArray[np.float32], *, marks: bool, at_least: float, where: ListingWhere
) -> dict[str, float]:
    """Say which listings must be found, and how similar they are."""
    found = {}
    for one in listings:
        if fits(one, where):
            regions = one.regions.marks if marks else one.photos
            best = float((vectors @ regions.T).max(initial=-2.0))
            if best >= at_least:
                found[one.record.listing_id] = best
    return found


def fits(listing: Screened, where: ListingWhere) -> bool:
    """Tell whether a listing meets a filter, condition by condition."""
    record, path = listing.record, listing.regions.category_path
    return (
        (not where.brand_ids or not set(where.brand_ids).isdisjoint(listing.regions.brand_ids))
        and (not where.seller_ids or record.seller_id in where.seller_ids)
        and path[: len(where.category_path)] == where.category_path
        and (not where.verdicts or record.verdict in where.verdicts)
        and (not where.markets or record.market in where.markets)
        and (where.screened_from is None or record.create_time >= where.screened_from)
        and (where.screened_before is None or record.create_time < where.screened_before)
    )


def assert_found(found: tuple[ListingMatch, ...], wanted: dict[str, float]) -> None:
    """Hold an answer against what must be found, but for listings at the very edge."""
    similarities = [match.similarity for match in found]
    assert similarities == sorted(similarities, reverse=True)
    assert len({match.listing_id for match in found}) == len(found)
    answered = {match.listing_id: match.similarity for match in found}
    edge = {listing for listing, best in wanted.items() if best < LEAST + TOLERANCE}
    assert wanted.keys() - answered.keys() <= edge
    assert answered.keys() <= wanted.keys()
    for listing_id, similarity in answered.items():
        assert similarity == pytest.approx(wanted[listing_id], abs=TOLERANCE)


@pytest.fixture(scope="module")
def screened_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the database that each test gets a copy of."""
    path = tmp_path_factory.mktemp("screened") / "store.db"
    with Store.open(path) as store:
        for number in range(LISTINGS):
            put(store, screened(number))
    return path


@pytest.fixture(scope="module")
def milvus_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one engine for all tests."""
    with milvus_lite(tmp_path_factory.mktemp("milvus")) as uri:
        yield uri


class World:
    """A store with listings, and the catalogue that follows it."""

    def __init__(self, store: Store, following: Holder[Followed], listings: list[Screened]) -> None:
        self.store = store
        self.following = following
        self.catalogue = ListingCatalogue(store, MODEL, lambda: following.current.index)
        self.listings = listings

    def find(
        self,
        vectors: NDArray[np.float32],
        *,
        marks: bool = True,
        at_least: float = LEAST,
        most: int = 1_000,
        where: ListingWhere = EVERYWHERE,
    ) -> tuple[ListingMatch, ...]:
        """Ask the catalogue."""
        return self.catalogue.find_listings(vectors, marks=marks, at_least=at_least, most=most, where=where)

    def wanted(
        self, vectors: NDArray[np.float32], *, marks: bool = True, where: ListingWhere = EVERYWHERE
    ) -> dict[str, float]:
        """Say what must be found."""
        return expected(self.listings, vectors, marks=marks, at_least=LEAST, where=where)


class ListingCatalogueContract:
    """What holds for every backend. Inherit it and give `following`."""

    @pytest.fixture
    def store(self, tmp_path: Path, screened_store: Path) -> Iterator[Store]:
        """Open a store of the test's own, with forty listings."""
        shutil.copy(screened_store, tmp_path / "store.db")
        with Store.open(tmp_path / "store.db") as store:
            yield store

    @pytest.fixture
    def world(self, store: Store, following: Holder[Followed]) -> World:
        """Follow the forty listings."""
        following.refresh()
        return World(store, following, [screened(number) for number in range(LISTINGS)])

    def test_finds_what_looks_alike(self, world: World) -> None:
        """Each listing similar enough is found once, by its best region and the best of the views."""
        for seed, marks in itertools.product(range(100, 105), (True, False)):
            vectors = unit_rows(np.random.default_rng(seed), 2)

            found = world.find(vectors, marks=marks)

            wanted = world.wanted(vectors, marks=marks)
            assert len(wanted) > 5
            assert_found(found, wanted)

    def test_a_hit_says_where_it_is(self, world: World) -> None:
        """A hit names its decision, seller, time, and the photo and box of the very region that was asked for."""
        listing = next(one for one in world.listings if len(one.regions.marks) > 1)

        hit = world.find(listing.regions.marks[1:2])[0]

        place = listing.regions.places[listing.regions.photos + 1]
        assert (hit.listing_id, hit.decision_id) == (listing.record.listing_id, listing.record.decision_id)
        assert (hit.seller_id, hit.screen_time) == (listing.record.seller_id, listing.record.create_time)
        assert (hit.image_index, hit.verdict) == (place.image_index, listing.record.verdict)
        assert [hit.box.x1, hit.box.y2] == pytest.approx([place.box.x1, place.box.y2])
        assert hit.similarity == pytest.approx(1.0, abs=TOLERANCE)

    @pytest.mark.parametrize("few", [True, False], ids=["few fit", "many fit"])
    def test_filter_leaves_out_only_what_does_not_fit(
        self, world: World, few: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every listing that fits and is similar enough is found, however many others are more similar."""
        if not few:
            monkeypatch.setattr("index.listing_catalogue._FEW", -1)
        vectors = unit_rows(np.random.default_rng(7), 1)
        for where in WHERES:
            found = world.find(vectors, marks=False, where=where)
            first = world.find(vectors, marks=False, where=where, most=2)

            assert_found(found, world.wanted(vectors, marks=False, where=where))
            assert first == found[:2]

    def test_longer_answers_begin_with_the_shorter(self, world: World) -> None:
        """The first hits do not depend on how many are asked for, which is what pages rest on."""
        vectors = unit_rows(np.random.default_rng(3), 2)

        found = world.find(vectors, at_least=-1.0)

        for most in (1, 2, 5, 17):
            assert world.find(vectors, at_least=-1.0, most=most) == found[:most]

    def test_listing_screened_again_is_found_by_what_it_shows_now(self, world: World) -> None:
        """Regions of an earlier decision are gone, those of the latest are found."""
        old = next(one for one in world.listings if len(one.regions.marks))
        new = screened(1_000, listing_id=old.record.listing_id)
        put(world.store, new)

        before = world.find(old.regions.marks)
        world.following.refresh()
        after = world.find(new.photos, marks=False)

        assert old.record.listing_id not in {hit.listing_id for hit in before}, "the store knows better at once"
        assert after[0].decision_id == new.record.decision_id
        world.listings = [new if one is old else one for one in world.listings]
        assert_found(world.find(old.regions.marks), world.wanted(old.regions.marks))

    def test_removed_listing_leaves_and_comes_back_when_it_is_screened_again(self, world: World) -> None:
        """A removal counts at once, even before the index heard of it; a later decision is found again."""
        listing = world.listings[4]

        world.store.remove_listing(listing.record.listing_id, RemovalReason.ENDED_BY_SELLER, NOON)
        at_once = world.find(listing.photos, marks=False)
        world.following.refresh()
        heard = world.find(listing.photos, marks=False)
        put(world.store, replace(listing, record=replace(listing.record, decision_id="again")))
        world.following.refresh()
        again = world.find(listing.photos, marks=False)

        assert listing.record.listing_id not in {hit.listing_id for hit in (*at_once, *heard)}
        assert again[0].decision_id == "again"

    def test_forgotten_listing_is_gone_from_the_store_and_the_index(self, world: World) -> None:
        """Retention deletes the vectors in both, and tells nobody who follows decisions."""
        listing = world.listings[4]
        events = len(world.store.events_after(0))
        before = world.store.catalogue_size(MODEL)

        assert world.store.forget_listing(listing.record.listing_id)
        assert not world.store.forget_listing(listing.record.listing_id)
        world.following.refresh()

        regions = len(listing.regions.places)
        assert world.store.catalogue_size(MODEL) == (before[0] - 1, before[1] - regions)
        assert world.store.catalogue_entries([listing.record.listing_id], MODEL) == ()
        assert listing.record.listing_id not in {hit.listing_id for hit in world.find(listing.photos, marks=False)}
        assert len(world.store.events_after(0)) == events

    def test_events_that_come_twice_change_nothing(self, world: World, following: Holder[Followed]) -> None:
        """An index that takes in the same events again holds the same listings."""
        vectors = unit_rows(np.random.default_rng(5), 1)
        index = following.current.index
        assert index is not None
        entries = [entry for page in world.store.iter_catalogue(MODEL) for entry in page]
        found, size = world.find(vectors), len(index)

        index.put(entries)
        index.put(entries[::-1])
        index.drop(["never heard of"])

        assert world.find(vectors) == found
        assert len(index) == size

    def test_another_models_listings_are_not_compared(self, world: World) -> None:
        """Vectors of another model mean something else, and are not answered."""
        vectors = unit_rows(np.random.default_rng(5), 1)
        wanted = world.wanted(vectors)
        put(world.store, screened(2_000, model="another@model"))
        world.following.refresh()

        assert_found(world.find(vectors), wanted)

    def test_empty_catalogue_finds_nothing(self, store: Store, following: Holder[Followed]) -> None:
        """Before the first listing there is an answer, and it is empty."""
        for number in range(LISTINGS):
            store.forget_listing(screened(number).record.listing_id)
        following.refresh()

        assert World(store, following, []).find(unit_rows(np.random.default_rng(1), 1), at_least=-1.0) == ()

    def test_search_may_be_ended_between_steps(self, world: World) -> None:
        """What `check` raises ends the search: a deadline, say."""

        def pass_away() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            world.catalogue.find_listings(
                unit_rows(np.random.default_rng(1), 1), marks=True, at_least=0.0, most=1, check=pass_away
            )


class InMemory(ListingCatalogueContract):
    """What holds for an index in this process."""

    backend: str
    folder: Path

    @pytest.fixture(autouse=True)
    def _with_a_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @pytest.fixture
    def following(self, store: Store) -> Holder[Followed]:
        """Follow in memory."""
        return Holder(Followed(), self.make(store).renew)

    def make(self, store: Store, *, limit: int = 10_000) -> MemoryFollowing:
        """Follow the store in memory, at most `limit` regions."""
        return MemoryFollowing(
            store=store, fingerprint=MODEL, dim=DIM, backend=self.backend, limit=limit, folder=self.folder
        )

    def test_catalogue_over_the_limit_is_refused_with_the_way_out(self, world: World) -> None:
        """More regions than may be held are no partial answer but an error that names the setting and Milvus."""
        small = Holder(Followed(), self.make(world.store, limit=50).renew)

        small.refresh()
        again = small.refresh()

        catalogue = ListingCatalogue(world.store, MODEL, lambda: small.current.index)
        with pytest.raises(ListingIndexError, match=r"50 regions.*catalogue_regions.*move --to milvus"):
            catalogue.find_listings(unit_rows(np.random.default_rng(1), 1), marks=True, at_least=0.0, most=1)
        assert not again, "it is not tried again every second"

    def test_catalogue_that_outgrows_the_limit_is_not_answered_in_part(self, world: World) -> None:
        """A listing that there is no room for makes the index refuse, rather than answer without it."""
        size = world.store.catalogue_size(MODEL)[1]
        full = Holder(Followed(), self.make(world.store, limit=size).renew)
        full.refresh()
        catalogue = ListingCatalogue(world.store, MODEL, lambda: full.current.index)
        vectors = unit_rows(np.random.default_rng(1), 1)
        before = catalogue.find_listings(vectors, marks=False, at_least=-1.0, most=1)

        put(world.store, screened(LISTINGS))
        full.refresh()

        assert before
        with pytest.raises(ListingIndexError, match="catalogue_regions"):
            catalogue.find_listings(vectors, marks=False, at_least=-1.0, most=1)

    def test_listings_screened_again_do_not_fill_the_index(self, world: World) -> None:
        """What was replaced takes no room for good: a full index is built anew before it refuses."""
        size = world.store.catalogue_size(MODEL)[1]
        full = Holder(Followed(), self.make(world.store, limit=size + size // 4).renew)
        full.refresh()
        catalogue = ListingCatalogue(world.store, MODEL, lambda: full.current.index)

        for round_ in range(1, 4):
            for number in range(LISTINGS):
                listing = screened(number)
                put(world.store, replace(listing, record=replace(listing.record, decision_id=f"{number}-{round_}")))
                full.refresh()

        vectors = world.listings[0].regions.marks[:1]
        assert_found(catalogue.find_listings(vectors, marks=True, at_least=LEAST, most=1_000), world.wanted(vectors))

    def test_a_row_that_is_damaged_hides_no_other_listing(self, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        """Regions that do not fit each other are named and left out, when the index is built and when it follows."""
        damage = "UPDATE listing_images SET embedding = NULL WHERE decision_id = :decision"
        following = Holder(Followed(), self.make(store).renew)
        with store._database.write("damage the store") as connection:
            connection.execute(text(damage), {"decision": "d0"})
        following.refresh()
        put(store, screened(LISTINGS))
        with store._database.write("damage the store") as connection:
            connection.execute(text(damage), {"decision": f"d{LISTINGS}"})
        put(store, screened(LISTINGS + 1))

        following.refresh()

        found = World(store, following, []).find(unit_rows(np.random.default_rng(1), 1), marks=False, at_least=-1.0)
        whole = {screened(number).record.listing_id for number in (*range(1, LISTINGS), LISTINGS + 1)}
        assert {match.listing_id for match in found} == whole
        assert all(repr(screened(number).record.listing_id) in caplog.text for number in (0, LISTINGS))

    def test_before_the_index_is_built_there_is_no_answer(self, world: World) -> None:
        """Nothing found would be taken for nothing there."""
        with pytest.raises(ListingIndexError, match="being built"):
            ListingCatalogue(world.store, MODEL, lambda: None).find_listings(
                unit_rows(np.random.default_rng(1), 1), marks=True, at_least=0.0, most=1
            )

    def test_index_that_is_mostly_stale_is_built_anew(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Once much is replaced the index is built from the store, smaller, and answers the same."""
        monkeypatch.setattr("index.region_index._TOLERATED", 10)
        vectors = unit_rows(np.random.default_rng(9), 1)
        for number, old in enumerate(world.listings):
            world.listings[number] = screened(500 + number, listing_id=old.record.listing_id)
            put(world.store, world.listings[number])

        world.following.refresh()

        index = world.following.current.index
        assert index is not None
        assert len(index) == world.store.catalogue_size(MODEL)[1]
        assert_found(world.find(vectors), world.wanted(vectors))


class TestExact(InMemory):
    """The executable specification."""

    backend = "exact"


class TestFaiss(InMemory):
    """The embedded default."""

    backend = "faiss"


class TestFaissOnPostgres(TestFaiss):
    """The same over the database of an installation with several replicas."""

    @pytest.fixture
    def store(self, postgres_url: str) -> Iterator[Store]:
        """Record the forty listings in a database of the test's own."""
        with Store.open(postgres_url) as store:
            for number in range(LISTINGS):
                put(store, screened(number))
            yield store


class TestMilvus(ListingCatalogueContract):
    """The real engine, embedded, over the network client."""

    @pytest.fixture
    def following(self, store: Store, milvus_uri: str) -> Iterator[Holder[Followed]]:
        """Feed a collection of the test's own."""
        index = MilvusRegions(milvus_uri, DIM, fingerprint=MODEL)
        yield Holder(Followed(), self.make(store, index).renew)
        index.clear()

    def make(self, store: Store, index: MilvusRegions) -> OutsideFollowing:
        """Feed a collection from the store."""
        return OutsideFollowing(store=store, fingerprint=MODEL, name=index.collection, index=index)

    def test_another_process_goes_on_where_one_stopped(self, world: World, milvus_uri: str) -> None:
        """The store keeps how far the collection is; who comes next takes in only what is new."""
        index = MilvusRegions(milvus_uri, DIM, fingerprint=MODEL)
        cursor = world.store.catalogue_cursor(index.collection)
        for number in range(LISTINGS, LISTINGS + 5):
            world.listings.append(screened(number))
            put(world.store, world.listings[-1])

        other = Holder(Followed(), self.make(world.store, index).renew)
        other.refresh()
        world.following.refresh()

        assert cursor is not None
        assert world.store.catalogue_cursor(index.collection) == world.store.event_head() == cursor + 5
        vectors = unit_rows(np.random.default_rng(11), 1)
        assert_found(world.find(vectors), world.wanted(vectors))
        index.close()

    def test_two_who_feed_it_at_once_leave_what_the_store_says(self, world: World, milvus_uri: str) -> None:
        """Who finds that another was quicker puts what holds now once more, and an older decision is not answered."""
        listing = world.listings[4]
        stale = world.store.catalogue_entries([listing.record.listing_id], MODEL)
        new = screened(1_000, listing_id=listing.record.listing_id)
        put(world.store, new)
        world.following.refresh()
        index = MilvusRegions(milvus_uri, DIM, fingerprint=MODEL)

        index.put(stale)  # by a process that read it before
        late = world.find(listing.photos, marks=False)

        assert {hit.decision_id for hit in late}.isdisjoint({listing.record.decision_id})
        assert world.find(new.photos, marks=False)[0].decision_id == new.record.decision_id
        index.close()

    def test_more_equals_than_a_window_holds_are_read_in_several(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An answer longer than Milvus gives at once comes in windows of falling similarity, none twice."""
        vectors = unit_rows(np.random.default_rng(13), 1)
        wanted = world.find(vectors, at_least=-1.0)
        monkeypatch.setattr("index.milvus_regions._MOST_HITS", 7)

        found = world.find(vectors, at_least=-1.0)

        assert found == wanted

    def test_server_that_is_away_is_an_error_of_ours(self, world: World, tmp_path: Path) -> None:
        """Without its server the index says so, and goes on once the server is back."""
        with milvus_lite(tmp_path) as uri:
            index = MilvusRegions(uri, DIM, fingerprint=MODEL, timeout_s=1.0)
            entries = list(itertools.chain.from_iterable(world.store.iter_catalogue(MODEL)))
            index.put(entries)
            assert len(index) == sum(len(entry.vectors) for entry in entries)

        with pytest.raises(ListingIndexError, match=r"Milvus at http://127\.0\.0\.1"):
            index.search(unit_rows(np.random.default_rng(1), 1), marks=True, at_least=0.0, most=5, where=EVERYWHERE)
        index.close()
