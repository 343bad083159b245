"""What does BrandService answer when one field of a good request is bad? What the API promises; never INTERNAL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.records import Brand
from index.store.store import Store
from serving.access.caller import Caller
from serving.brand_answers import BrandAnswers
from serving.status import answer_to
from tests.integration.brand_support import SPRING, a_right, a_seller, at, band
from tests.integration.test_case_bad_input import spoilt
from tests.support.databases import with_tables
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

Code = grpc.StatusCode
EXPECTED = {Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.ABORTED}

WHOLE = brand_pb2.Brand(
    brand_id="acme",
    name="Acme",
    aliases=["Acme Sports"],
    rights=[a_right()],
    marks=[brand_pb2.Mark(mark_id="m", name="anvil", right_ids=["word"])],
    keywords=["Acme Runner"],
    etag="0",
    create_time=at(SPRING),
)
SELLERS = brand_pb2.AuthorizedSellerList(
    sellers=[a_seller("s", "DE", "CH"), brand_pb2.AuthorizedSeller(seller_id="t", end_time=at(SPRING))]
)
MASK = FieldMask(paths=["name", "aliases", "rights", "marks", "keywords"])
GOOD: dict[str, tuple[str, Any]] = {
    "CreateBrand": ("create", pb.CreateBrandRequest(brand=WHOLE, request_id="k")),
    "GetBrand": ("get", pb.GetBrandRequest(brand_id="acme")),
    "ListBrands": ("list", pb.ListBrandsRequest(page_size=1, page_token="t", name_prefix="a")),
    "UpdateBrand": ("update", pb.UpdateBrandRequest(brand=WHOLE, update_mask=MASK)),
    "SetAuthorizedSellers": (
        "set_authorized_sellers",
        pb.SetAuthorizedSellersRequest(brand_id="acme", authorized_sellers=SELLERS, etag="0"),
    ),
    "SetPriceBands": (
        "set_price_bands",
        pb.SetPriceBandsRequest(brand_id="acme", price_bands=[band(1, 2, "shoes", market="DE")], etag="0"),
    ),
}
LEAD = Caller("ann", frozenset({"lead"}))
OWNER = Caller("owner", frozenset({"brand-owner"}), frozenset({"acme"}))


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[BrandAnswers]:
    """Answer over a registry of two brands."""
    with Store.open(with_tables(tmp_path / "store.db")) as store:
        store.put_brands([Brand(brand_id="acme", name="Acme"), Brand(brand_id="bee", name="Bee")])
        yield BrandAnswers(store)


def code_of(answers: BrandAnswers, rpc: str, request: Any, caller: Caller = LEAD) -> Code:
    """Answer a request, and return the code that the client would get."""
    try:
        getattr(answers, GOOD[rpc][0])(request, caller).SerializeToString()
    except Exception as error:  # noqa: BLE001 - as the interceptor does
        return answer_to(error).code
    return Code.OK


def store_is_sound(answers: BrandAnswers) -> bool:
    """Tell whether every brand can be read, listed and written down again."""
    page = answers.list(pb.ListBrandsRequest(page_size=1_000), LEAD)
    return all(answers.get(pb.GetBrandRequest(brand_id=brand.brand_id), LEAD).brand.name for brand in page.brands)


@pytest.mark.parametrize("rpc", GOOD)
def test_a_bad_field_is_answered_as_promised(answers: BrandAnswers, rpc: str) -> None:
    """Whatever a field holds, the caller is served or told what is wrong with it, and the registry stays readable."""
    codes = {
        (number, what): code_of(answers, rpc, request) for number, (what, request) in enumerate(spoilt(GOOD[rpc][1]))
    }

    assert len(codes) > 10
    assert {what: code for what, code in codes.items() if code not in EXPECTED} == {}
    assert store_is_sound(answers)


@pytest.mark.parametrize("rpc", GOOD)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_bytes_are_answered_as_promised(answers: BrandAnswers, rpc: str, data: st.DataObject) -> None:
    """A good request with bytes exchanged, cut off or put in is refused or served, for a lead and for an owner."""
    good = bytearray(GOOD[rpc][1].SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1)) if good else 0
        good[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    request = type(GOOD[rpc][1])()
    try:
        request.ParseFromString(bytes(good))
    except DecodeError:
        return

    codes = {code_of(answers, rpc, request, caller) for caller in (LEAD, OWNER)}

    assert codes <= EXPECTED | {Code.PERMISSION_DENIED}


_WORDS = st.one_of(
    st.sampled_from(["", "Acme", "Bee", "bee!", "Вee", "\0", "x" * 300, "\u202e", "nike"]), st.text(max_size=8)
)
_NAMED = st.fixed_dictionaries(
    {"brandId": st.sampled_from(["acme", "bee", "gone", ""])},
    optional={
        "name": _WORDS,
        "aliases": st.lists(_WORDS, max_size=4),
        "keywords": st.lists(_WORDS, max_size=4),
        "marks": st.lists(
            st.fixed_dictionaries({"markId": _WORDS, "rightIds": st.lists(_WORDS, max_size=2)}), max_size=3
        ),
        "rights": st.lists(
            st.fixed_dictionaries(
                {"type": st.integers(0, 6)},
                optional={
                    "rightId": _WORDS,
                    "markText": _WORDS,
                    "officeCode": st.sampled_from(["EM", "US", "ZZ", "é", ""]),
                    "applicationNumber": _WORDS,
                    "niceClasses": st.lists(st.integers(-1, 50), max_size=3),
                    "filingDate": st.fixed_dictionaries(
                        {"year": st.integers(-1, 10_000), "month": st.integers(0, 13), "day": st.integers(0, 32)}
                    ),
                    "territories": st.lists(_WORDS, max_size=2),
                    "representative": st.fixed_dictionaries({"name": _WORDS}),
                    "licenseeNames": st.lists(_WORDS, max_size=2),
                },
            ),
            max_size=2,
        ),
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(brand=_NAMED, paths=st.lists(st.sampled_from([*MASK.paths, "etag", ""]), max_size=5))
def test_any_update_is_answered_as_promised(answers: BrandAnswers, brand: dict[str, Any], paths: list[str]) -> None:
    """Whatever an owner sends, it is served or refused, the other brand stays as it is, and the registry readable."""
    before = answers.store.get_profile("bee")
    try:
        message = ParseDict(brand, brand_pb2.Brand())
    except ParseError:  # half a character
        return
    request = pb.UpdateBrandRequest(brand=message, update_mask=FieldMask(paths=paths))

    assert code_of(answers, "UpdateBrand", request, OWNER) in EXPECTED
    assert answers.store.get_profile("bee") == before
    assert answers.store.find_brand("Bee") == before.brand
    assert store_is_sound(answers)
