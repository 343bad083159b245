"""Does every database behind the store keep brands, references, prices and sellers alike? One suite, one class each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from index.errors import Conflict, NotFound, StoreError
from index.market_records import AuthorisedSeller, PriceObservation, Seller
from index.money import Money
from index.price_bands import PriceBand
from index.records import (
    Brand,
    Change,
    ChangeKind,
    Mark,
    MarkKind,
    Provenance,
    Reference,
    ReferenceEmbedding,
    ReferenceFeatures,
    ReferenceKind,
    ReferenceOrigin,
    ReferenceScope,
    ReferenceState,
)
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite
from vision.keypoints import reference_features
from vision.regions import Box

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
ACME = Brand(brand_id="acme", name="Acme", aliases=("ACME Corporation", "アクメ"))


def a_reference(reference_id: str, *, state: ReferenceState = ReferenceState.ACTIVE) -> Reference:
    """Make a reference of Acme with every field filled in."""
    return Reference(
        reference_id=reference_id,
        brand_id="acme",
        mark_id=None,
        kind=ReferenceKind.LOGO,
        image_sha256="ab" * 32,
        box=Box(0.1, 0.2, 0.7, 0.9),
        pdq=bytes(range(32)),
        pdq_mirrored=bytes(range(32, 64)),
        provenance=Provenance(
            origin=ReferenceOrigin.NOTICE,
            source_id="n1",
            uploaded_by="owner",
            file_name="logo.png",
            licence="CC0-1.0",
            note="a note",
        ),
        state=state,
        state_reason="checked",
        bank_id="seizure-7",
        width=640,
        height=480,
        image_format="PNG",
        scope=ReferenceScope(false_matches_per_million=2.5, background_images=1000, collisions=1),
        revision=3,
        create_time=NOON,
        update_time=NOON + timedelta(hours=1),
    )


def an_embedding(reference_id: str, variant: int = 0, *, fingerprint: str = "model-a") -> ReferenceEmbedding:
    """Make an embedding that is the same each time."""
    vector = np.random.default_rng([variant, len(fingerprint)]).standard_normal(16, dtype=np.float32)
    return ReferenceEmbedding(reference_id=reference_id, variant=variant, fingerprint=fingerprint, vector=vector)


def a_price(amount: str, observation_id: str = "") -> PriceObservation:
    """Make a price of Acme shoes in EUR."""
    return PriceObservation(
        brand="Acme",
        category="shoes",
        condition="new",
        unit_price=Money(Decimal(amount), "EUR"),
        observation_id=observation_id,
        observe_time=NOON,
    )


def listed(store: Store, seller_id: str, territory: str, *, brand_id: str = "acme", now: datetime = NOON) -> object:
    """Ask what the brand's list says: (authorised, territory), or None when it keeps none."""
    standing = store.seller_standing(seller_id, now=now, brand_id=brand_id, territory=territory)
    return standing.authorisation and (standing.authorisation.authorised, standing.authorisation.territory)


class StoreContract(StoreSuite):
    """What every database must do."""

    # --- brands ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "spelling", ["Acme", " ACME ", "ＡＣＭＥ", "acme-corporation", "Ácme corporation", "アクメ"]
    )
    def test_brand_is_found_by_any_spelling(self, store: Store, spelling: str) -> None:
        """A brand is found by its name and by its aliases, whatever the case, width, accents and hyphens."""
        store.put_brands([ACME])

        assert store.find_brand(spelling) == ACME

    def test_unknown_name_finds_no_brand(self, store: Store) -> None:
        """A name that no brand goes by finds None, and so does an empty one."""
        store.put_brands([ACME])

        assert store.find_brand("Acne") is None
        assert store.find_brand("") is None

    def test_name_comes_before_alias(self, store: Store) -> None:
        """Of two brands that share a word, the one whose name it is is found rather than the one whose alias it is."""
        store.put_brands([Brand(brand_id="a", name="Alpha", aliases=("Delta",)), Brand(brand_id="d", name="DELTA")])

        found = store.find_brand("delta")

        assert found is not None
        assert found.brand_id == "d"

    def test_putting_a_brand_again_replaces_it(self, store: Store) -> None:
        """The name and the aliases of a brand that is put again are the new ones, and the old ones find nothing."""
        store.put_brands([ACME])

        changed = store.put_brands([Brand(brand_id="acme", name="Acme", aliases=("Zenith",))])

        assert changed == 1
        assert store.get_brand("acme").aliases == ("Zenith",)
        assert store.find_brand("ACME Corporation") is None

    def test_unchanged_brand_leaves_the_version_alone(self, store: Store) -> None:
        """Seeding the same brands again is no change, so no index is built anew."""
        store.put_brands([ACME])
        before = store.version()

        changed = store.put_brands([ACME])

        assert changed == 0
        assert store.version() == before

    def test_brands_are_listed_page_by_page(self, store: Store) -> None:
        """Pages follow each other without gap or repetition."""
        brands = [Brand(brand_id=f"b{number}", name=f"Brand {number}") for number in range(5)]
        store.put_brands(reversed(brands))

        first = store.list_brands(limit=3)
        rest = store.list_brands(after=first[-1].brand_id, limit=3)

        assert [*first, *rest] == brands
        assert list(store.iter_brands()) == brands

    def test_missing_records_are_not_found(self, store: Store) -> None:
        """Asking for what is not there raises NotFound that names the id."""
        for get in (store.get_brand, store.get_reference, store.get_seller, store.get_decision, store.get_case):
            with pytest.raises(NotFound, match="'nobody'"):
                get("nobody")

    def test_nameless_brand_is_refused(self, store: Store) -> None:
        """A brand whose name is blank is refused, and nothing of the same call stays."""
        with pytest.raises(StoreError, match="'void'"):
            store.put_brands([ACME, Brand(brand_id="void", name=" - ")])

        assert store.counts().brands == 0

    def test_marks_belong_to_brands(self, store: Store) -> None:
        """Marks are kept under their brand, replaced by id, and refused when the brand is missing."""
        store.put_brands([ACME])
        mark = Mark(mark_id="m", brand_id="acme", kind=MarkKind.LOGO, name="anvil")
        store.put_marks([Mark(mark_id="m", brand_id="acme", kind=MarkKind.WORDMARK, name="ACME")])

        store.put_marks([mark])

        assert store.list_marks("acme") == (mark,)
        with pytest.raises(NotFound, match="'other'"):
            store.put_marks([Mark(mark_id="n", brand_id="other", kind=MarkKind.LOGO, name="x")])

    # --- references --------------------------------------------------------------------------------------------------

    def test_references_come_back_as_given(self, store: Store) -> None:
        """A reference comes back equal, with its embeddings bit for bit, as float32, in the order of their variants."""
        store.put_brands([ACME])
        embeddings = [an_embedding("r", variant) for variant in (1, 0)]
        store.add_references([(a_reference("r"), embeddings)])

        ((reference, found),) = store.iter_references("model-a")

        assert reference == a_reference("r") == store.get_reference("r")
        assert [item.variant for item in found] == [0, 1]
        assert found[0].vector.dtype == np.float32
        np.testing.assert_array_equal(found[0].vector, embeddings[1].vector)

    def test_only_wanted_states_are_yielded(self, store: Store) -> None:
        """Iteration yields active references only, unless other states are asked for."""
        store.put_brands([ACME])
        store.add_references([(a_reference(state, state=state), []) for state in ReferenceState])
        store.set_reference_state("pending", ReferenceState.RETIRED)

        active = [reference.reference_id for reference, _ in store.iter_references("model-a")]
        retired = store.iter_references("model-a", states=[ReferenceState.RETIRED])

        assert active == ["active"]
        assert [reference.reference_id for reference, _ in retired] == ["pending", "retired"]
        assert store.count_references() == 1
        assert store.count_references(brand_id="acme", states=list(ReferenceState)) == len(ReferenceState)

    def test_iteration_crosses_pages(self, store: Store) -> None:
        """More references than one page holds are all yielded once, in the order of their ids."""
        store.put_brands([ACME])
        ids = [f"r{number:04}" for number in range(1101)]
        store.add_references((a_reference(key), [an_embedding(key)]) for key in ids)

        found = list(store.iter_references("model-a"))

        assert [reference.reference_id for reference, _ in found] == ids
        assert all(len(embeddings) == 1 for _, embeddings in found)

    def test_keypoints_come_back_as_given(self, store: Store) -> None:
        """A reference's keypoints are kept once, found by its id, and change no index."""
        features = reference_features(np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8))
        store.put_brands([ACME])
        store.add_references([(a_reference("r1"), []), (a_reference("r2"), [])])
        before = store.version()

        added = store.add_features([ReferenceFeatures(reference_id="r1", features=features)])
        again = store.add_features([ReferenceFeatures(reference_id="r1", features=features.strongest(1))])

        found = store.features_of(["r1", "r2", "r3"])
        assert (added, again, store.version()) == (1, 0, before)
        assert len(features) > 1
        assert set(found) == store.known_features(["r1", "r2", "r3"]) == {"r1"}
        assert found["r1"].to_bytes() == features.to_bytes()

    def test_keypoints_of_nothing_are_refused(self, store: Store) -> None:
        """Keypoints belong to a reference that is stored."""
        features = reference_features(np.zeros((20, 20, 3), np.uint8))

        with pytest.raises(NotFound, match="no reference with the id 'r9'"):
            store.add_features([ReferenceFeatures(reference_id="r9", features=features)])

        assert store.features_of(["r9"]) == {}

    def test_embeddings_are_kept_apart_by_fingerprint(self, store: Store) -> None:
        """A reference embedded by one model waits for the other one, and comes without vectors until then."""
        store.put_brands([ACME])
        store.add_references([(a_reference("r"), [an_embedding("r")])])
        assert [item.reference_id for item in store.references_without_embedding("model-b")] == ["r"]
        ((_, none_yet),) = store.iter_references("model-b")

        added = store.add_embeddings([an_embedding("r", fingerprint="model-b")])

        assert none_yet == ()
        assert added == 1
        assert store.add_embeddings([an_embedding("r", fingerprint="model-b")]) == 0
        assert store.references_without_embedding("model-b") == ()

    def test_rejected_batch_leaves_nothing(self, store: Store) -> None:
        """When one reference of a batch is stored already, has no brand or a bad vector, none of it is added."""
        store.put_brands([ACME])
        store.add_references([(a_reference("r"), [])])
        nan = ReferenceEmbedding(reference_id="q", variant=0, fingerprint="f", vector=np.full(4, np.nan, np.float32))
        orphan = Reference(reference_id="o", brand_id="none", kind=ReferenceKind.LOGO, image_sha256="ab" * 32)
        before = store.version()

        with pytest.raises(Conflict, match="'r'"):
            store.add_references([(a_reference("q"), []), (a_reference("r"), [])])
        with pytest.raises(NotFound, match="'none'"):
            store.add_references([(a_reference("q"), []), (orphan, [])])
        with pytest.raises(StoreError, match="finite float32"):
            store.add_references([(a_reference("q"), [nan])])

        assert store.known_references(["q", "r", "o"]) == {"r"}
        assert store.version() == before

    def test_changes_can_be_followed(self, store: Store) -> None:
        """The change log names what changed, in order, and its head is the version."""
        store.put_brands([ACME])
        store.add_references([(a_reference("r"), [])])
        store.set_reference_state("r", ReferenceState.RETIRED)
        store.set_reference_state("r", ReferenceState.RETIRED)

        changes = store.changes_after(1)

        assert changes == (
            Change(version=2, kind=ChangeKind.REFERENCE, subject_id="r"),
            Change(version=3, kind=ChangeKind.REFERENCE, subject_id="r"),
        )
        assert store.version() == 3

    def test_reader_does_not_hold_up_the_writer(self, store: Store) -> None:
        """References can be changed while somebody is half-way through reading them."""
        store.put_brands([ACME])
        store.add_references((a_reference(f"r{number:03}"), []) for number in range(600))
        reading = store.iter_references("model-a")
        next(reading)

        store.set_reference_state("r599", ReferenceState.RETIRED)

        assert sum(1 for _ in reading) == 598

    # --- prices ------------------------------------------------------------------------------------------------------

    def test_prices_keep_their_digits(self, store: Store) -> None:
        """Amounts come back as the decimals that were given, in the order in which they came."""
        prices = [a_price("0.1"), a_price("1999.999"), a_price("5")]

        store.add_price_observations(prices)

        assert list(store.iter_price_observations()) == prices

    def test_importing_prices_again_adds_nothing(self, store: Store) -> None:
        """Observations with an id are stored once; those without are always new."""
        prices = [a_price("1", "p1"), a_price("2", "p2"), a_price("3")]
        store.add_price_observations(prices)
        head = store.price_head()

        again = store.add_price_observations([*prices, a_price("4", "p3")])

        assert again == 2
        assert store.price_head() > head
        assert store.counts().price_observations == 5

    def test_prices_after_a_number_are_those_that_came_since(self, store: Store) -> None:
        """Who remembers the head reads what came after it, up to a later head, and nothing twice."""
        store.add_price_observations([a_price("1", "p1"), a_price("2", "p2")])
        first = store.price_head()
        store.add_price_observations([a_price("1", "p1"), a_price("3", "p3")])
        second = store.price_head()
        store.add_price_observations([a_price("4")])

        between = list(store.iter_price_observations(after=first, through=second))

        assert between == [a_price("3", "p3")]
        assert list(store.iter_price_observations(after=second)) == [a_price("4")]

    def test_price_bands_are_replaced_as_a_whole(self, store: Store) -> None:
        """A brand's bands come back in order with their digits; setting them again replaces them and is noticed."""
        store.put_brands([ACME])
        low, high = Money(Decimal("0.10"), "EUR"), Money(Decimal("1999.999"), "EUR")
        bands = (
            PriceBand(category_path=("shoes", "größe"), market="DE", low=low, high=high),
            PriceBand(low=low, high=low),
        )
        before = store.price_band_version()

        store.set_price_bands("acme", bands)
        first, named = store.price_bands("acme"), store.all_price_bands()
        store.set_price_bands("acme", bands[1:])

        assert first == bands
        assert [(entry.brand, entry.band) for entry in named] == [(ACME.name, band) for band in bands]
        assert store.price_bands("acme") == bands[1:]
        assert store.price_band_version() > before
        with pytest.raises(NotFound, match="'nobody'"):
            store.set_price_bands("nobody", bands)

    def test_many_prices_cross_pages(self, store: Store) -> None:
        """More observations than one batch holds are all stored, and all yielded once."""
        count = 20_001

        added = store.add_price_observations(a_price(str(number), f"p{number}") for number in range(count))

        assert added == count
        assert [int(price.unit_price.amount) for price in store.iter_price_observations()] == list(range(count))

    # --- sellers -----------------------------------------------------------------------------------------------------

    def test_sellers_are_replaced_by_id(self, store: Store) -> None:
        """A seller put again, now verified, replaces the earlier record; an unknown one is None."""
        store.put_seller(Seller(seller_id="s", create_time=NOON))

        store.put_seller(Seller(seller_id="s", create_time=NOON, verified=True))

        assert store.get_seller("s") == Seller(seller_id="s", create_time=NOON, verified=True)
        assert store.find_seller("t") is None

    def test_authorisation_respects_territory(self, store: Store) -> None:
        """A listed seller is authorised in the listed territories, in all of them when none is named."""
        store.put_brands([ACME])
        entries = [AuthorisedSeller(seller_id="local", territory="DE"), AuthorisedSeller(seller_id="global")]

        store.set_authorised_sellers("acme", entries)

        assert listed(store, "local", "DE") == listed(store, "local", "") == (True, "DE")
        assert listed(store, "global", "FR") == (True, "")
        assert listed(store, "local", "FR") == listed(store, "stranger", "") == (False, "")

    def test_entry_for_the_market_itself_is_named(self, store: Store) -> None:
        """Of an entry for the market and one for everywhere, the narrower one is what authorises."""
        store.put_brands([ACME])
        store.set_authorised_sellers("acme", [AuthorisedSeller(seller_id="s", territory=each) for each in ("", "DE")])

        assert listed(store, "s", "DE") == (True, "DE")
        assert listed(store, "s", "FR") == (True, "")

    def test_authorisation_holds_while_it_is_valid(self, store: Store) -> None:
        """An authorisation counts from its first moment on and ends before its last, in each territory by itself."""
        store.put_brands([ACME])
        year = timedelta(days=365)
        entries = [
            AuthorisedSeller(seller_id="s", territory="DE", valid_from=NOON, valid_until=NOON + year),
            AuthorisedSeller(seller_id="s", territory="FR", valid_until=NOON),
        ]

        store.set_authorised_sellers("acme", entries)

        moments = [NOON - year, NOON, NOON + year]
        no = (False, "")
        assert [listed(store, "s", "DE", now=moment) for moment in moments] == [no, (True, "DE"), no]
        assert [listed(store, "s", "FR", now=moment) for moment in moments] == [(True, "FR"), no, no]

    @pytest.mark.parametrize("territory", ["de", "UK", "Germany", "EU"])
    def test_territory_that_no_market_is_equal_to_is_refused(self, territory: str) -> None:
        """A territory is written as a listing's market is; another spelling would authorise nobody, unnoticed."""
        with pytest.raises(ValueError, match=f"'{territory}' is no ISO 3166-1"):
            AuthorisedSeller(seller_id="s", territory=territory)

    def test_brand_without_a_list_says_nothing(self, store: Store) -> None:
        """No list means that nothing is known (None); an empty list means that nobody is authorised (False)."""
        store.put_brands([ACME])
        before = listed(store, "s", "DE")

        store.set_authorised_sellers("acme", [])
        empty = listed(store, "s", "DE")
        store.set_authorised_sellers("acme", None)

        assert (before, empty, listed(store, "s", "DE")) == (None, (False, ""), None)
        assert listed(store, "s", "DE", brand_id="unknown") is None

    def test_time_without_zone_is_refused(self, store: Store) -> None:
        """A time without a zone is refused with a message that says what to give."""
        with pytest.raises(StoreError, match="has no zone"):
            store.put_seller(Seller(seller_id="s", create_time=datetime(2025, 9, 1)))

    def test_what_is_stored_outlives_the_store(self, location: str | Path) -> None:
        """What one store wrote is there when the database is opened again."""
        with Store.open(location) as store:
            store.put_brands([ACME])

        with Store.open(location, migrate=False) as store:
            assert store.get_brand("acme") == ACME
            store.verify()


class TestSqliteStore(OnSqlite, StoreContract):
    """The embedded default."""


class TestPostgresStore(OnPostgres, StoreContract):
    """The database of an installation with several replicas."""
