"""What does BrandService do with brands, their rights, sellers and prices? Each rpc, each error, over a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date

from index.brand_records import RegistryAction
from serving.app import open_application
from serving.brand_client import BrandClient
from serving.errors import InvalidListing
from tests.integration.brand_support import (
    SPRING,
    Registrant,
    a_right,
    a_seller,
    at,
    band,
    owner_of,
    registrant,
    start_anew,
)
from tests.integration.case_support import error_of
from tests.integration.support import AURORA, Service, Start, draw, fill, listing, settings_at, violated_fields
from tests.support.audited import acts_watched
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

Code = grpc.StatusCode
AUTHORIZED = evidence_pb2.SELLER_AUTHORIZATION_AUTHORIZED


@pytest.fixture(scope="module")
def served(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for all tests of this module: starting takes longer than most of them."""
    with open_application(settings_at(tmp_path_factory.mktemp("brands"))) as application:
        fill(application)
        with start(application) as running:
            yield running


@pytest.fixture
def registry(served: Service) -> Iterator[Service]:
    """Begin each test with `fill`'s two brands; whatever it does is entered in the audit log."""
    start_anew(served.application.store)
    with acts_watched(served.application.store) as unentered:
        yield served
    assert unentered == []


@pytest.fixture
def lead(registry: Service) -> Registrant:
    """Somebody who may make brands."""
    return registrant(registry, "ann", "lead")


def refused(call: Callable[[], Any]) -> tuple[Code, set[str]]:
    """Call, and return the code of the error and the fields that it names."""
    error = error_of(call)
    return error.code(), violated_fields(error)


# --- making and reading ----------------------------------------------------------------------------------------------


def test_brand_is_kept_whole(lead: Registrant) -> None:
    """What is sent comes back, from the call itself and when it is read; ids that were left out are given."""
    marks = [brand_pb2.Mark(mark_id="swirl", name="the swirl", right_ids=["word"]), brand_pb2.Mark(name="plain")]
    sent: dict[str, Any] = {
        "aliases": ["Zéphyr", "和風"],
        "rights": [a_right(), a_right("")],
        "keywords": ["Zephyr Runner"],
    }

    made = lead.create("Zephyr", marks=marks, **sent)

    assert made == lead.get("zephyr")
    assert (made.brand_id, made.name, list(made.aliases), list(made.keywords)) == (
        "zephyr", "Zephyr", sent["aliases"], sent["keywords"],
    )  # fmt: skip
    assert made.rights[0] == a_right()
    assert made.rights[1].right_id
    assert made.marks[0] == marks[0]
    assert made.marks[1].mark_id
    assert made.create_time.seconds > 0
    assert made.etag
    assert not made.HasField("authorized_sellers")


def test_brand_counts_its_active_references(registry: Service) -> None:
    """A brand says how many references are active, and what else was set up for it."""
    brand = registrant(registry).get(AURORA.brand_id)

    assert brand.active_reference_count == 2
    assert [seller.seller_id for seller in brand.authorized_sellers.sellers] == ["aurora-flagship"]


def test_same_request_makes_one_brand(lead: Registrant) -> None:
    """The same key with the same request gives the brand that was made; with another request it is refused."""
    first = lead.create("Zephyr", request_id="k1")

    again = lead.create("Zephyr", request_id="k1")
    other = refused(lambda: lead.create("Zephyrus", request_id="k1"))

    assert again == first
    assert other == (Code.INVALID_ARGUMENT, {"request_id"})
    assert [brand.name for brand in lead.list(name_prefix="zeph").brands] == ["Zephyr"]


def test_taken_ids_and_names_are_aborted(lead: Registrant) -> None:
    """A brand of a taken id or name, in whatever spelling, is not made."""
    for name, fields in (
        ("Other", {"brand_id": "aurora"}), ("AURORA", {}), ("aurora sports", {}), ("Аurora", {}), ("Aurora!", {}),
    ):  # fmt: skip
        assert refused(lambda: lead.create(name, **fields)) == (Code.ABORTED, set()), name  # noqa: B023 - called at once


def test_ids_are_given_where_names_need_them(lead: Registrant) -> None:
    """Names that no id can say get one all the same, and long ones a short one."""
    ids = [lead.create(name).brand_id for name in ("耐克", "H&M", "x" * 200)]

    assert len(set(ids)) == 3
    assert all(0 < len(brand_id) <= 63 for brand_id in ids)


def test_owners_make_no_brands(registry: Service) -> None:
    """Neither may a moderator, an auditor or the pipeline; a lead may, and so does who asks without any role."""
    for caller in (owner_of(registry, "zephyr"), registrant(registry, "mo", "moderator,auditor,pipeline")):
        assert refused(lambda: caller.create("Zephyr")) == (Code.PERMISSION_DENIED, set())  # noqa: B023

    assert registrant(registry).create("Zephyr").brand_id == "zephyr"
    assert registrant(registry, "li", "lead").create("Borealis Two").name == "Borealis Two"


def test_missing_brand_is_not_found(lead: Registrant) -> None:
    """Each rpc about one brand says NOT_FOUND where there is none."""
    for call in (
        lambda: lead.get("gone"),
        lambda: lead.update("gone", name="New"),
        lambda: lead.set_sellers("gone", "s"),
        lambda: lead.set_bands("gone", band(1, 2)),
    ):
        assert refused(call) == (Code.NOT_FOUND, set())


@pytest.mark.parametrize(
    ("fields", "violated"),
    [
        ({"name": ""}, {"brand.name"}),
        ({"name": "- -"}, {"brand.name"}),
        ({"name": "x" * 201}, {"brand.name"}),
        ({"name": "a\nb"}, {"brand.name"}),
        ({"name": "A", "brand_id": "A b"}, {"brand.brand_id"}),
        ({"name": "A", "brand_id": "x" * 64}, {"brand.brand_id"}),
        ({"name": "A", "aliases": ["b"] * 101}, {"brand.aliases"}),
        ({"name": "A", "aliases": ["", "b", " c"]}, {"brand.aliases[0]", "brand.aliases[2]"}),
        ({"name": "A", "keywords": ["k"] * 1_001}, {"brand.keywords"}),
        ({"name": "A", "keywords": ["AURORA"], "aliases": ["Borealis"]}, {"brand.keywords[0]", "brand.aliases[0]"}),
        ({"name": "A", "marks": [brand_pb2.Mark(right_ids=["gone"])]}, {"brand.marks"}),
        ({"name": "A", "marks": [brand_pb2.Mark(mark_id="m")] * 2}, {"brand.marks[1].mark_id"}),
        ({"name": "A", "rights": [a_right(), a_right()]}, {"brand.rights[1].right_id"}),
        ({"name": "A", "rights": [a_right(type=0)]}, {"brand.rights[0].type"}),
        (
            {"name": "A", "rights": [a_right(office_code="ZZ", application_number="1", nice_classes=[0, 46])]},
            {f"brand.rights[0].{name}" for name in (
                "office_code", "application_number", "nice_classes[0]", "nice_classes[1]",
            )},
        ),
        (
            {"name": "A", "rights": [a_right(territories=["EU"], mark_image_sha256="x", expiry_date=Date(year=2025))]},
            {"brand.rights[0].mark_image_sha256", "brand.rights[0].expiry_date"},
        ),
        (
            {"name": "A", "rights": [a_right(expiry_date=Date(year=2004, month=11, day=21), territories=["DE", "EP"])]},
            {"brand.rights[0].expiry_date", "brand.rights[0].territories[1]"},
        ),
    ],
)  # fmt: skip
def test_all_faults_are_named_at_once(lead: Registrant, fields: dict[str, Any], violated: set[str]) -> None:
    """A brand that breaks rules is refused with the path of every field at fault."""
    code, found = refused(lambda: lead.create(**fields))

    assert (code, found) == (Code.INVALID_ARGUMENT, violated)


# --- changing --------------------------------------------------------------------------------------------------------


def test_only_named_fields_change(lead: Registrant) -> None:
    """The mask says what changes, lists are replaced whole, and other values of the request are not looked at."""
    lead.create("Zephyr", aliases=["Zed", "Zet"], keywords=["Runner X"])
    request = pb.UpdateBrandRequest(
        brand=brand_pb2.Brand(brand_id="zephyr", name="\0", aliases=["Zett"], rights=[a_right(type=99)]),
        update_mask=FieldMask(paths=["aliases"]),
    )

    changed = lead.call("UpdateBrand", request).brand

    assert (changed.name, list(changed.aliases), list(changed.keywords)) == ("Zephyr", ["Zett"], ["Runner X"])


@pytest.mark.parametrize("paths", [[], ["authorized_sellers"], ["etag"], ["*"], ["name", "rights.status"]])
def test_mask_names_what_can_be_changed(lead: Registrant, paths: list[str]) -> None:
    """An empty mask, and one with a field that this rpc does not change, are refused."""
    brand = brand_pb2.Brand(brand_id="aurora", name="Aurora")
    request = pb.UpdateBrandRequest(brand=brand, update_mask=FieldMask(paths=paths))

    assert refused(lambda: lead.call("UpdateBrand", request)) == (Code.INVALID_ARGUMENT, {"update_mask"})


def test_etag_lets_one_change_through(lead: Registrant) -> None:
    """A change of a state that is no longer there is aborted, whichever rpc it is; each change makes a new etag."""
    old = lead.get("aurora").etag
    new = lead.update("aurora", etag=old, keywords=["Borea Runner"]).etag

    calls = (
        lambda: lead.update("aurora", etag=old, keywords=["Other"]),
        lambda: lead.set_sellers("aurora", "s", etag=old),
        lambda: lead.set_bands("aurora", band(1, 2), etag=old),
    )

    assert [refused(call)[0] for call in calls] == [Code.ABORTED] * 3
    etags = [
        old, new,
        lead.set_sellers("aurora", "s", etag=new).etag,
        lead.set_bands("aurora", band(1, 2)).etag,
        lead.update("aurora", name="Aurora Borea").etag,
    ]  # fmt: skip
    assert len(set(etags)) == len(etags)
    assert lead.get("aurora").etag == etags[-1]


def test_change_that_changes_nothing_leaves_the_etag(lead: Registrant) -> None:
    """Sending what is there already is no change."""
    old = lead.get("aurora")

    same = lead.update("aurora", name=old.name, aliases=list(old.aliases))

    assert same == old


def test_of_rivals_with_one_etag_exactly_one_wins(lead: Registrant) -> None:
    """Of many who change the same state at once, one is answered and the others are aborted, in every rpc."""
    etag = lead.get("aurora").etag

    def change(number: int) -> Code:
        calls: tuple[Callable[[], Any], ...] = (
            lambda: lead.update("aurora", etag=etag, keywords=[f"Line {number}x"]),
            lambda: lead.set_sellers("aurora", f"s{number}", etag=etag),
            lambda: lead.set_bands("aurora", band(1, 2 + number), etag=etag),
        )
        try:
            calls[number % 3]()
        except grpc.RpcError as error:
            return error.code()
        return Code.OK

    with ThreadPoolExecutor(9) as pool:
        codes = list(pool.map(change, range(9)))

    assert sorted(codes, key=str) == sorted([Code.OK] + [Code.ABORTED] * 8, key=str)


def test_rivals_without_etag_all_come_through(lead: Registrant) -> None:
    """Changes of different fields that carry no etag do not undo each other."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: lead.set_sellers("aurora", f"s{number}"), range(4)))
        names = pool.submit(lambda: lead.update("aurora", keywords=["Borea Runner"]))
        list(pool.map(lambda number: lead.update("aurora", aliases=[f"Aurora {number}x"]), range(4)))
        names.result()

    assert list(lead.get("aurora").keywords) == ["Borea Runner"]


def test_of_rivals_for_a_name_exactly_one_wins(lead: Registrant) -> None:
    """Of many brands of one name that are made at once, there is one."""

    def make(number: int) -> Code:
        try:
            lead.create("Zephyr", brand_id=f"z{number}")
        except grpc.RpcError as error:
            return error.code()
        return Code.OK

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))

    assert sorted(made, key=str) == sorted([Code.OK] + [Code.ABORTED] * 7, key=str)
    assert len(lead.list(name_prefix="Zephyr").brands) == 1


def test_same_request_at_once_makes_one_brand(lead: Registrant) -> None:
    """Of one request that is sent many times at once, every one is answered with the one brand."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: lead.create("Zephyr", request_id="k").brand_id, range(8)))

    assert made == ["zephyr"] * 8


def test_marks_and_rights_stay_together(lead: Registrant) -> None:
    """A right that a mark names cannot go alone; both together can."""
    lead.create("Zephyr", rights=[a_right()], marks=[brand_pb2.Mark(mark_id="m", right_ids=["word"])])

    alone = refused(lambda: lead.update("zephyr", rights=[]))
    both = lead.update("zephyr", rights=[], marks=[brand_pb2.Mark(mark_id="m")])

    assert alone == (Code.INVALID_ARGUMENT, {"brand.rights"})
    assert (len(both.rights), [mark.mark_id for mark in both.marks]) == (0, ["m"])


def test_marks_of_one_id_belong_to_each_brand(lead: Registrant) -> None:
    """Two brands may call a mark the same: neither learns of the other's."""
    marks = [brand_pb2.Mark(mark_id="logo", name="the sign")]
    lead.update("aurora", marks=marks)

    changed = lead.update("borealis", marks=marks)

    assert list(changed.marks) == marks
    assert list(lead.get("aurora").marks) == marks


# --- names that are others' ------------------------------------------------------------------------------------------


_WORD_LISTS = ("aliases", "keywords")


@pytest.mark.parametrize(
    ("fields", "violated"),
    [
        ({"name": "Borealis"}, "brand.name"),
        ({"name": "BOREALIS!"}, "brand.name"),
        ({"aliases": ["Aurora Sports", "Вorealis"]}, "brand.aliases[1]"),
        ({"keywords": ["bore alis"]}, "brand.keywords[0]"),
        ({"keywords": ["Borealis bags"]}, "brand.keywords[0]"),
        ({"aliases": ["Boraelis"]}, "brand.aliases[0]"),
        ({"name": "Borealiss"}, "brand.name"),
    ],
)
def test_owner_cannot_take_another_brands_name(registry: Service, fields: dict[str, Any], violated: str) -> None:
    """What would be read as another brand's name is refused, whatever the spelling, and nothing is said of that one."""
    owner = owner_of(registry, "aurora")

    error = error_of(lambda: owner.update("aurora", **fields))

    assert (error.code(), violated_fields(error)) == (Code.INVALID_ARGUMENT, {violated})
    assert "borealis'" not in str(error.details()).lower().replace(str(fields).lower(), "")
    assert owner.get("aurora").name == "Aurora"


def test_owner_cannot_silence_another_brands_product_line(registry: Service, lead: Registrant) -> None:
    """A line that two brands name would say nothing of either, so the second owner is refused; a lead may decide it."""
    lead.update("borealis", keywords=["Zoomwalk"])
    owner = owner_of(registry, "aurora")

    wanted: list[dict[str, Any]] = [{name: ["zoom walk"]} for name in _WORD_LISTS]
    errors = [error_of(partial(owner.update, "aurora", **fields)) for fields in wanted]
    decided = lead.update("aurora", keywords=["zoom walk"])

    assert [violated_fields(error) for error in errors] == [{f"brand.{field}[0]"} for field in _WORD_LISTS]
    assert list(decided.keywords) == ["zoom walk"]


def test_owner_may_keep_its_own(registry: Service) -> None:
    """An owner renames its brand, and changes what belongs to it."""
    owner = owner_of(registry, "aurora")

    changed = owner.update("aurora", name="Aurora Sports", aliases=["Aurora"], keywords=["Borea"], rights=[a_right()])

    assert (changed.name, list(changed.aliases)) == ("Aurora Sports", ["Aurora"])


def test_who_changed_what_is_on_record(registry: Service, lead: Registrant) -> None:
    """Each change of the registry is noted with who made it, what it was and the name before."""
    lead.create("Zephyr")
    owner = owner_of(registry, "zephyr")
    owner.update("zephyr", name="Zephyrus", keywords=["Zeph Runner"])
    owner.set_sellers("zephyr", "s")
    owner.set_bands("zephyr", band(1, 2))

    events = registry.application.store.registry_events("zephyr")

    told = [(event.actor, event.action, event.fields, event.before) for event in events]
    assert told == [
        ("ann", RegistryAction.BRAND_CREATED, (), ""),
        ("owner of zephyr", RegistryAction.BRAND_RENAMED, ("name",), "zephyr"),
        ("owner of zephyr", RegistryAction.BRAND_UPDATED, ("keywords",), ""),
        ("owner of zephyr", RegistryAction.SELLERS_SET, (), ""),
        ("owner of zephyr", RegistryAction.PRICE_BANDS_SET, (), ""),
    ]


# --- listing ---------------------------------------------------------------------------------------------------------


def turn(caller: Registrant, *, prefix: str = "", size: int = 2, between: Callable[[int], object] = int) -> list[str]:
    """Turn all pages, calling `between` after each, and return the ids that were met."""
    met: list[str] = []
    token = ""
    for number in range(100):
        page = caller.list(name_prefix=prefix, page_size=size, page_token=token)
        met += [brand.brand_id for brand in page.brands]
        token = page.next_page_token
        if not token:
            return met
        between(number)
    raise AssertionError("the pages do not end")


def test_brands_are_listed_by_name(lead: Registrant) -> None:
    """Brands come in the order of their names, page by page, without their sellers and prices."""
    for name in ("Zephyr", "éclair", "Delta", "alpha"):
        lead.create(name)

    met = turn(lead)

    assert met == ["alpha", "aurora", "borealis", "delta", "eclair", "zephyr"]
    assert not any(brand.HasField("authorized_sellers") for brand in lead.list().brands)


def test_prefix_is_one_of_names_and_aliases(lead: Registrant) -> None:
    """A prefix finds brands by name and alias, whatever the case; signs of patterns mean nothing, a blank does."""
    lead.create("Red Kite", aliases=["Milan Royal"])
    lead.create("Redken")

    found = {prefix: turn(lead, prefix=prefix) for prefix in ("red", "RED ", "mil", "%", "_", "x")}

    assert found == {
        "red": ["red-kite", "redken"],
        "RED ": ["red-kite"],
        "mil": ["red-kite"],
        "%": [],
        "_": [],
        "x": [],
    }


def test_every_brand_comes_once_while_names_change(lead: Registrant) -> None:
    """Brands that are renamed between two pages, forwards and backwards, come exactly once, and new ones do no harm."""
    ids = [lead.create(f"Brand {letter}").brand_id for letter in "bcdefgh"]

    def stir(number: int) -> None:
        lead.update(ids[number % 7], name=f"Brand {'az'[number % 2]}{number}")
        lead.update(ids[-1 - number % 7], name=f"Brand {'za'[number % 2]}x{number}")
        lead.create(f"Brand new {number}")

    met = turn(lead, prefix="Brand", size=1, between=stir)

    assert [brand_id for brand_id in met if brand_id in ids] == ids


def test_token_is_for_its_own_question(lead: Registrant) -> None:
    """A token of another filter, and one that was made up, are refused, and so is a size out of range."""
    for name in ("Aaa", "Abb", "Acc"):
        lead.create(name)
    token = lead.list(page_size=1).next_page_token

    calls = (
        lambda: lead.list(page_size=1, page_token=token, name_prefix="a"),
        lambda: lead.list(page_token="guess"),
        lambda: lead.list(page_size=1_001),
        lambda: lead.list(page_size=-1),
    )

    assert [refused(call) for call in calls] == [
        *[(Code.INVALID_ARGUMENT, {"page_token"})] * 2, *[(Code.INVALID_ARGUMENT, {"page_size"})] * 2,
    ]  # fmt: skip


# --- sellers and prices ----------------------------------------------------------------------------------------------


def test_sellers_are_kept_with_markets_and_times(lead: Registrant) -> None:
    """A list comes back as it was sent, in the order of the sellers; screening goes by it."""
    sent = [
        a_seller("a", "CH", "DE"),
        brand_pb2.AuthorizedSeller(seller_id="b", end_time=at(SPRING + timedelta(days=1))),
        brand_pb2.AuthorizedSeller(seller_id="c"),
    ]
    listed = brand_pb2.AuthorizedSellerList(sellers=sent)
    request = pb.SetAuthorizedSellersRequest(brand_id="aurora", authorized_sellers=listed)

    answered = lead.call("SetAuthorizedSellers", request).brand

    assert list(answered.authorized_sellers.sellers) == sent
    assert lead.get("aurora") == answered


def test_no_list_and_an_empty_list_differ(lead: Registrant) -> None:
    """Unset, the brand keeps no list; set and empty, nobody may sell its goods."""
    empty = lead.set_sellers("aurora")
    unset = lead.call("SetAuthorizedSellers", pb.SetAuthorizedSellersRequest(brand_id="aurora")).brand

    assert (empty.HasField("authorized_sellers"), len(empty.authorized_sellers.sellers)) == (True, 0)
    assert not unset.HasField("authorized_sellers")


def test_authorised_seller_counts_in_the_next_screening(lead: Registrant, registry: Service) -> None:
    """A seller who is put on the list is authorised from the next listing on, without a restart."""
    offer = listing(draw(500), title="Aurora shoes", claimed_brand="Aurora", seller_id="newcomer", market="DE")

    def authorised() -> bool:
        decision = registry.screen(offer).decision
        return any(item.seller.authorization == AUTHORIZED for item in decision.evidence if item.HasField("seller"))

    before = authorised()
    lead.set_sellers("aurora", "newcomer")

    assert (before, authorised()) == (False, True)


def test_faults_of_sellers_are_named(lead: Registrant) -> None:
    """A list with faults is refused with the path of each, and nothing is changed."""
    sellers = [
        brand_pb2.AuthorizedSeller(seller_id=""),
        brand_pb2.AuthorizedSeller(seller_id="s", markets=["XX"]),
        brand_pb2.AuthorizedSeller(seller_id="s", start_time=at(SPRING), end_time=at(SPRING)),
        a_seller("s"),
        brand_pb2.AuthorizedSeller(seller_id="t", markets=["DE", "DE"]),
    ]
    listed = brand_pb2.AuthorizedSellerList(sellers=sellers)

    def given(**fields: Any) -> Callable[[], Any]:
        request = pb.SetAuthorizedSellersRequest(brand_id="aurora", **fields)
        return lambda: lead.call("SetAuthorizedSellers", request)

    many = brand_pb2.AuthorizedSellerList(sellers=[brand_pb2.AuthorizedSeller(seller_id="s")] * 10_001)
    field = "authorized_sellers.sellers"
    assert refused(given(authorized_sellers=listed)) == (
        Code.INVALID_ARGUMENT,
        {f"{field}[0].seller_id", f"{field}[1].markets[0]", f"{field}[2].end_time", f"{field}[3]", f"{field}[4]"},
    )
    assert refused(given(authorized_sellers=many)) == (Code.INVALID_ARGUMENT, {field})
    assert [seller.seller_id for seller in lead.get("aurora").authorized_sellers.sellers] == ["aurora-flagship"]


def test_price_bands_are_kept_in_order(lead: Registrant, registry: Service) -> None:
    """Bands come back as they were sent, and the price model is read anew for them."""
    bands = [band(50, 200, "shoes", "boots"), band(40, 180, market="DE"), band(40, 180, market="DE", currency="USD")]
    before = registry.application.store.price_band_version()

    answered = lead.set_bands("aurora", *bands)

    assert list(answered.price_bands) == bands == list(lead.get("aurora").price_bands)
    assert registry.application.store.price_band_version() > before
    assert list(lead.set_bands("aurora").price_bands) == []


@pytest.mark.parametrize(
    ("bands", "violated"),
    [
        ([band(0, 5)], {"price_bands[0].low"}),
        ([band(9, 5)], {"price_bands[0].high"}),
        ([band(1, 5, currency="XYZ")], {"price_bands[0].low", "price_bands[0].high"}),
        ([brand_pb2.PriceBand()], {"price_bands[0].low", "price_bands[0].high"}),
        ([brand_pb2.PriceBand(low=band(1, 2).low, high=band(1, 2, currency="USD").high)], {"price_bands[0].high"}),
        ([band(1, 5, "", "a > b"), band(1, 5, market="de")], {
            "price_bands[0].category_path[0]", "price_bands[0].category_path[1]", "price_bands[1].market",
        }),
        ([band(1, 5, "Shoes"), band(2, 6), band(3, 9, "shoes")], {"price_bands[2]"}),
        ([band(1, 2)] * 10_001, {"price_bands"}),
    ],
)  # fmt: skip
def test_faults_of_price_bands_are_named(
    lead: Registrant, bands: list[brand_pb2.PriceBand], violated: set[str]
) -> None:
    """Bands that are none, or that say again what another one says, are refused with their paths."""
    assert refused(lambda: lead.set_bands("aurora", *bands)) == (Code.INVALID_ARGUMENT, violated)


# --- what a change does ----------------------------------------------------------------------------------------------


def test_keyword_names_the_brand_in_the_next_screening(lead: Registrant, registry: Service) -> None:
    """A listing that names a product line is a listing of its brand, once the server has followed the change."""
    offer = listing(draw(500), title="Polarwalk 3 trainers, size 42")

    def named() -> set[str]:
        decision = registry.screen(offer).decision
        return {item.text.brand for item in decision.evidence if item.HasField("text")}

    before = named()
    lead.update("aurora", keywords=["Polarwalk"])
    registry.application.knowledge.refresh()

    assert (before, named()) == (set(), {"Aurora"})


def test_client_makes_reads_and_changes(registry: Service) -> None:
    """The typed client does what the rpcs do, and names refused fields."""
    with BrandClient(registry.target) as client:
        brand = client.create(brand_pb2.Brand(name="Zephyr"))
        brand.aliases.append("Zed")
        brand = client.update(brand, ["aliases"])
        brand = client.set_sellers(brand.brand_id, [a_seller("s", "DE")], etag=brand.etag)
        brand = client.set_price_bands(brand.brand_id, [band(1, 2)], etag=brand.etag)
        names = [each.name for each in client.list(page_size=1)]
        with pytest.raises(InvalidListing, match=r"brand\.name"):
            client.create(brand_pb2.Brand(name=""))
        with pytest.raises(grpc.RpcError, match="ABORTED"):
            client.set_price_bands(brand.brand_id, [], etag="stale")

        assert client.get(brand.brand_id) == brand

    assert names == ["Aurora", "Borealis", "Zephyr"]
