"""Does every database behind the store keep whole brands alike? One suite, one class each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from index.brand_records import (
    BrandMark,
    BrandProfile,
    ExhaustionRegime,
    RegistryAction,
    Right,
    RightStatus,
    RightType,
)
from index.errors import Conflict, KeyReused, NameTaken, NotFound
from index.market_records import AuthorisedSeller
from index.money import Money
from index.price_bands import PriceBand
from index.records import Brand, ChangeKind, Mark, MarkKind, Reference, ReferenceKind
from index.rulings import RequestKey
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
RIGHT = Right(
    right_id="r1",
    type=RightType.WORD_MARK,
    mark_text="ACME ™",
    mark_image_sha256="ab" * 32,
    office_code="EM",
    application_number="EM500000004176283",
    registration_number="004176283",
    international_registration_number="1234567",
    nice_classes=(18, 25),
    status=RightStatus.REGISTERED,
    filing_date=date(2004, 11, 22),
    registration_date=date(2006, 2, 1),
    expiry_date=date(2034, 11, 22),
    territories=("EM", "CH"),
    owner_name="アクメ",
    representative="Kanzlei",
    power_of_attorney_sha256="cd" * 32,
    licensee_names=("Acme Sports",),
    exhaustion_regime=ExhaustionRegime.REGIONAL,
    exhaustion_territories=("DE", "NO"),
)
ACME = BrandProfile(
    brand=Brand(brand_id="acme", name="Acme", aliases=("ACME Corporation", "アクメ")),
    keywords=("Acme Runner", "Zoomwalk"),
    rights=(RIGHT, Right(right_id="r0", type=RightType.COPYRIGHT)),
    marks=(BrandMark(mark_id="z", name="anvil", right_ids=("r1",)), BrandMark(mark_id="a")),
)


def a_brand(brand_id: str, name: str, **fields: Any) -> BrandProfile:
    """Make a brand of which only the name is known."""
    return BrandProfile(brand=Brand(brand_id=brand_id, name=name, **fields))


class BrandStoreContract(StoreSuite):
    """What every database must do."""

    def test_brand_comes_back_whole(self, store: Store) -> None:
        """Every field of a brand and of its rights and marks is kept, in the order in which it was given."""
        made = store.create_brand(ACME, actor="ann", now=NOON)

        assert made == replace(ACME, revision=1, create_time=NOON, update_time=NOON)
        assert store.get_profile("acme") == made

    def test_screening_knows_what_owners_keep(self, store: Store) -> None:
        """A brand of an owner's is found by its names, has its keywords, and is a change that replicas follow."""
        before = store.version()
        store.create_brand(ACME, actor="ann", now=NOON)

        assert store.find_brand("acme corporation") == ACME.brand
        assert store.brand_keywords() == {"acme": ACME.keywords}
        assert [(one.kind, one.subject_id) for one in store.changes_after(before)] == [(ChangeKind.BRAND, "acme")]

    def test_brand_that_was_put_is_a_profile(self, store: Store) -> None:
        """A seeded brand has no rights yet; putting it again differently makes a new revision and keeps what it has."""
        store.put_brands([ACME.brand], now=NOON)
        seeded = store.get_profile("acme")
        store.replace_profile(replace(ACME, revision=seeded.revision), actor="ann", now=NOON)

        store.put_brands([Brand(brand_id="acme", name="ACME")], now=LATER)

        again = store.get_profile("acme")
        assert (seeded.revision, seeded.rights, seeded.create_time) == (1, (), NOON)
        assert (again.revision, again.brand.name, again.brand.aliases) == (3, "ACME", ())
        assert (again.rights, again.keywords, again.update_time) == (ACME.rights, ACME.keywords, LATER)

    def test_same_request_makes_one_brand(self, store: Store) -> None:
        """A key leads back to the brand that it made; with another request it is refused, and nothing is made."""
        key = RequestKey(scope="s", request_id="k", request_sha256="one")
        made = store.create_brand(ACME, actor="ann", now=NOON, request=key)

        again = store.create_brand(a_brand("other", "Acme"), actor="ann", now=LATER, request=key)
        with pytest.raises(KeyReused):
            store.create_brand(a_brand("z", "Zed"), actor="ann", now=NOON, request=replace(key, request_sha256="two"))

        assert again == made
        assert store.counts().brands == 1

    @pytest.mark.parametrize(
        ("new", "taken"),
        [
            (a_brand("b", "ACME"), {"ACME"}),
            (a_brand("b", "acme corporation"), {"acme corporation"}),
            (a_brand("b", "Bee", aliases=("Ácme", "Bea")), {"Ácme"}),
            (replace(a_brand("b", "Bee"), keywords=("Acme",)), {"Acme"}),
        ],
    )
    def test_names_of_other_brands_are_taken(self, store: Store, new: BrandProfile, taken: set[str]) -> None:
        """What another brand goes by is refused as a name, alias or keyword, and nothing is made."""
        store.create_brand(ACME, actor="ann", now=NOON)

        with pytest.raises(NameTaken) as caught:
            store.create_brand(new, actor="ann", now=NOON)

        assert caught.value.names == taken
        assert store.counts().brands == 1

    def test_taken_id_is_a_conflict(self, store: Store) -> None:
        """A second brand of an id is refused."""
        store.create_brand(ACME, actor="ann", now=NOON)

        with pytest.raises(Conflict, match="'acme'"):
            store.create_brand(a_brand("acme", "Zed"), actor="ann", now=NOON)

    def test_change_is_made_of_the_revision_it_was_made_from(self, store: Store) -> None:
        """A change moves the revision on, and one that was made from an older one is refused and leaves nothing."""
        made = store.create_brand(ACME, actor="ann", now=NOON)
        changed = replace(made, brand=replace(made.brand, name="Acme Two", aliases=()), keywords=(), rights=(RIGHT,))

        now_is = store.replace_profile(changed, actor="bob", now=LATER)
        with pytest.raises(Conflict, match="changed meanwhile"):
            store.replace_profile(replace(made, keywords=("late",)), actor="cyd", now=LATER)

        assert now_is == replace(changed, revision=2, update_time=LATER)
        assert store.get_profile("acme") == now_is
        assert store.find_brand("Acme Corporation") is None
        assert made.etag != now_is.etag

    def test_missing_brand_is_not_found(self, store: Store) -> None:
        """Whatever is done to a brand that there is not raises NotFound."""
        calls: tuple[Callable[[], Any], ...] = (
            lambda: store.get_profile("gone"),
            lambda: store.replace_profile(a_brand("gone", "Gone"), actor="", now=NOON),
            lambda: store.set_authorised_sellers("gone", [], seen=1),
            lambda: store.set_price_bands("gone", [], seen=1),
        )
        for call in calls:
            with pytest.raises(NotFound, match="'gone'"):
                call()

    def test_of_rivals_exactly_one_wins(self, store: Store) -> None:
        """Of many threads that change one revision, by whichever way, one comes through and is there whole."""
        seen = store.create_brand(ACME, actor="ann", now=NOON).revision
        money = Money(Decimal(5), "EUR")

        def change(number: int) -> bool:
            told: dict[str, Any] = {"actor": f"a{number}", "now": LATER}
            ways: tuple[Callable[[], Any], ...] = (
                lambda: store.replace_profile(replace(ACME, revision=seen, keywords=(f"k{number}",)), **told),
                lambda: store.set_authorised_sellers("acme", [AuthorisedSeller(seller_id="s")], seen=seen, **told),
                lambda: store.set_price_bands("acme", [PriceBand(low=money, high=money)], seen=seen, **told),
            )
            try:
                ways[number % 3]()
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(change, range(24)))

        assert sum(won) == 1
        assert store.get_profile("acme").revision == 2
        assert [event.actor for event in store.registry_events("acme")] == ["ann", f"a{won.index(True)}"]

    def test_of_rivals_for_a_name_exactly_one_wins(self, store: Store) -> None:
        """Of many threads that name a brand alike, new ones and old ones, one comes through."""
        old = [store.create_brand(a_brand(f"old{n}", f"Old {n}"), actor="", now=NOON) for n in range(4)]

        def name(number: int) -> bool:
            try:
                if number % 2:
                    mine = old[number // 2]
                    store.replace_profile(replace(mine, brand=replace(mine.brand, name="Zed")), actor="", now=LATER)
                else:
                    store.create_brand(a_brand(f"new{number}", "ZED"), actor="", now=LATER)
            except NameTaken:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(name, range(8)))

        assert sum(won) == 1

    def test_sellers_and_prices_are_changes_of_the_brand(self, store: Store) -> None:
        """Sellers and prices come back with the brand, each moves it on, and none of them is in a list of brands."""
        store.create_brand(ACME, actor="ann", now=NOON)
        sellers = (
            AuthorisedSeller(seller_id="s", territory="DE", valid_from=NOON),
            AuthorisedSeller(seller_id="t", valid_until=LATER),
        )
        band = PriceBand(category_path=("shoes",), low=Money(Decimal("0.1"), "EUR"), high=Money(Decimal(9), "EUR"))

        store.set_authorised_sellers("acme", sellers, actor="ann", now=LATER)
        store.set_price_bands("acme", [band], actor="ann", now=LATER)

        whole = store.get_profile("acme")
        (brief,) = store.list_profiles(limit=5).profiles
        assert (whole.sellers, whole.price_bands, whole.revision) == (sellers, (band,), 3)
        assert (brief.sellers, brief.price_bands, brief.revision) == (None, (), 3)
        store.set_authorised_sellers("acme", [])
        assert store.get_profile("acme").sellers == ()
        store.set_authorised_sellers("acme", None)
        assert store.get_profile("acme").sellers is None

    def test_marks_that_are_shown_stay(self, store: Store) -> None:
        """Marks are known by their owner's ids, others by another's; one that a reference shows cannot go."""
        store.put_brands([ACME.brand])
        store.put_marks([Mark(mark_id="acme/z", brand_id="acme", kind=MarkKind.PATTERN, name="old")])
        reference = Reference(
            reference_id="x", brand_id="acme", kind=ReferenceKind.LOGO, image_sha256="ab" * 32, mark_id="acme/z"
        )
        store.add_references([(reference, [])])
        store.create_brand(replace(a_brand("b", "Bee"), marks=(BrandMark(mark_id="z"),)), actor="", now=NOON)

        changed = store.replace_profile(replace(ACME, revision=1), actor="", now=NOON)
        with pytest.raises(Conflict):
            store.replace_profile(replace(changed, marks=()), actor="", now=NOON)

        assert store.shown_marks("acme") == {"z"}
        assert (changed.marks, changed.active_references) == (ACME.marks, 1)
        kinds = {mark.mark_id: mark.kind for mark in store.list_marks("acme")}
        assert kinds == {"acme/z": MarkKind.PATTERN, "acme/a": MarkKind.LOGO}

    def test_who_changed_what_is_on_record(self, store: Store) -> None:
        """Every change is noted in the order in which it came, and can be read page by page, of one brand or of all."""
        made = store.create_brand(ACME, actor="ann", now=NOON)
        changed = replace(made, brand=replace(made.brand, name="Zed", aliases=()), rights=(), marks=())
        store.replace_profile(changed, actor="bob", now=LATER)
        store.put_brands([Brand(brand_id="b", name="Bee")], now=LATER)

        events = store.registry_events()

        assert [(e.action, e.brand_id, e.actor, e.create_time, e.fields, e.before) for e in events] == [
            (RegistryAction.BRAND_CREATED, "acme", "ann", NOON, (), ""),
            (RegistryAction.BRAND_RENAMED, "acme", "bob", LATER, ("name",), "acme"),
            (RegistryAction.BRAND_UPDATED, "acme", "bob", LATER, ("aliases",), ""),
            (RegistryAction.BRAND_UPDATED, "acme", "bob", LATER, ("rights", "marks"), ""),
            (RegistryAction.BRAND_CREATED, "b", "", LATER, (), ""),
        ]
        assert store.registry_events("acme", after=events[0].number, limit=2) == events[1:3]

    def test_pages_hold_each_brand_once_while_names_change(self, store: Store) -> None:
        """Whatever is renamed between pages keeps its place until the last page; then the new names count."""
        for letter in "bdfhj":
            store.create_brand(a_brand(letter, f"{letter} brand"), actor="", now=NOON)
        first = store.list_profiles(limit=2)
        for brand_id, name in (("b", "z brand"), ("j", "a brand"), ("j", "zz brand"), ("f", "aa brand")):
            old = store.get_profile(brand_id)
            store.replace_profile(replace(old, brand=replace(old.brand, name=name)), actor="", now=LATER)
        store.create_brand(a_brand("g", "g brand"), actor="", now=LATER)

        rest = store.list_profiles(limit=9, after=first.next_after)

        assert [each.brand.brand_id for each in (*first.profiles, *rest.profiles)] == ["b", "d", "f", "g", "h", "j"]
        assert rest.next_after is None
        assert [each.brand.brand_id for each in store.list_profiles(limit=9).profiles] == ["f", "d", "g", "h", "b", "j"]

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", ["acme", "b", "c"]), ("AC", ["acme"]), ("アク", ["acme"]), ("acme c", ["acme"]),
            ("be", ["b", "c"]), ("be ", ["c"]), ("%", []), ("_", []), ("\\", []), (" ", []),
        ],
    )  # fmt: skip
    def test_prefix_is_one_of_names_and_aliases(self, store: Store, prefix: str, expected: list[str]) -> None:
        """A prefix is compared in the normal form of names, and its characters stand for themselves."""
        for profile in (ACME, a_brand("b", "Bee"), a_brand("c", "Be Well")):
            store.create_brand(profile, actor="", now=NOON)

        found = [each.brand.brand_id for each in store.list_profiles(prefix=prefix, limit=9).profiles]

        assert sorted(found) == expected
        assert store.list_profiles(prefix=prefix, limit=9, only=frozenset()).profiles == ()

    def test_what_brands_were_called_is_known(self, store: Store) -> None:
        """By the name that each bore at a time, through any number of renamings; one made later is left out."""
        day = timedelta(days=1)
        store.put_brands([Brand(brand_id="a", name="Acme"), Brand(brand_id="b", name="Bravo")], now=NOON)
        for number, name in enumerate(("Acme Works", "ACME Group"), start=1):
            store.put_brands([Brand(brand_id="a", name=name)], now=NOON + 2 * number * day)

        found = [store.brand_names_at(["a", "b", "none"], NOON + days * day) for days in (-1, 1, 3, 5)]

        assert found == [
            {}, {"a": "acme", "b": "bravo"}, {"a": "acme works", "b": "bravo"}, {"a": "acme group", "b": "bravo"},
        ]  # fmt: skip


class TestSqliteBrands(OnSqlite, BrandStoreContract):
    """The embedded default."""


class TestPostgresBrands(OnPostgres, BrandStoreContract):
    """The shared database."""
