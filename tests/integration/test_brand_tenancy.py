"""Can the owner of one brand read or change another one? Each rpc about a brand, with the other brand's ids."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.brand_support import Registrant, band, owner_of, registrant
from tests.integration.case_support import error_of
from tests.integration.support import AURORA, BOREALIS, Service
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

MISSING = "no-such-brand"


def _brand(brand_id: str, etag: str) -> brand_pb2.Brand:
    return brand_pb2.Brand(brand_id=brand_id, name="Taken over", keywords=["taken"], etag=etag)


# One good request of each rpc that names a brand, for an id and an etag.
REQUESTS: dict[str, Any] = {
    "GetBrand": lambda brand_id, _: pb.GetBrandRequest(brand_id=brand_id),
    "UpdateBrand": lambda brand_id, etag: pb.UpdateBrandRequest(
        brand=_brand(brand_id, etag), update_mask=FieldMask(paths=["name", "keywords", "rights", "marks"])
    ),
    "SetAuthorizedSellers": lambda brand_id, etag: pb.SetAuthorizedSellersRequest(brand_id=brand_id, etag=etag),
    "SetPriceBands": lambda brand_id, etag: pb.SetPriceBandsRequest(
        brand_id=brand_id, price_bands=[band(1, 2)], etag=etag
    ),
    "SetBuyerAdvice": lambda brand_id, etag: pb.SetBuyerAdviceRequest(brand_id=brand_id, etag=etag),
}
REFUSED: dict[str, Any] = {
    "UpdateBrand": lambda brand_id: pb.UpdateBrandRequest(
        brand=brand_pb2.Brand(brand_id=brand_id, name=""), update_mask=FieldMask(paths=["name"])
    ),
    "SetPriceBands": lambda brand_id: pb.SetPriceBandsRequest(brand_id=brand_id, price_bands=[band(2, 1)]),
}


@pytest.fixture
def owner(service: Service) -> Registrant:
    """Somebody who owns Aurora and nothing else."""
    return owner_of(service, AURORA.brand_id)


@pytest.mark.parametrize("etag", ["", "right", "wrong"])
@pytest.mark.parametrize("rpc", REQUESTS)
def test_another_brand_is_as_if_it_were_not_there(service: Service, owner: Registrant, rpc: str, etag: str) -> None:
    """The answer for another owner's brand is that for a brand that there is not, word by word, and nothing changes."""
    before = registrant(service).get(BOREALIS.brand_id)
    sent = before.etag if etag == "right" else etag

    theirs = error_of(lambda: owner.call(rpc, REQUESTS[rpc](BOREALIS.brand_id, sent)))
    nobodys = error_of(lambda: owner.call(rpc, REQUESTS[rpc](MISSING, sent)))

    assert theirs.code() is nobodys.code() is grpc.StatusCode.NOT_FOUND
    assert str(theirs.details()).replace(BOREALIS.brand_id, MISSING) == nobodys.details()
    assert registrant(service).get(BOREALIS.brand_id) == before


@pytest.mark.parametrize("rpc", REFUSED)
def test_bad_requests_tell_nothing_either(owner: Registrant, rpc: str) -> None:
    """A bad request gets the same answer whether the brand is another owner's or nobody's."""
    theirs = error_of(lambda: owner.call(rpc, REFUSED[rpc](BOREALIS.brand_id)))
    nobodys = error_of(lambda: owner.call(rpc, REFUSED[rpc](MISSING)))

    assert (theirs.code(), theirs.details()) == (nobodys.code(), nobodys.details())


def test_own_brands_only_are_listed(service: Service, owner: Registrant) -> None:
    """A list holds the caller's own brands, whatever the filter, and an owner of none sees none."""
    nobody = registrant(service, "nobody", "brand-owner")

    assert [brand.brand_id for brand in owner.list().brands] == [AURORA.brand_id]
    assert [brand.brand_id for brand in owner.list(name_prefix="bor").brands] == []
    assert [brand.brand_id for brand in nobody.list().brands] == []


def test_foreign_page_token_opens_nothing(service: Service, owner: Registrant) -> None:
    """A token that somebody else was given shows the caller's own brands only."""
    token = registrant(service).list(page_size=1).next_page_token

    met = [brand.brand_id for brand in owner.list(page_token=token).brands]

    assert BOREALIS.brand_id not in met


@pytest.mark.parametrize("brand_id", ["", BOREALIS.brand_id, "new-brand"])
def test_owner_cannot_make_itself_a_brand(owner: Registrant, brand_id: str) -> None:
    """An owner makes no brand, of whatever id, and learns from the answer of no other."""
    request = pb.CreateBrandRequest(brand=brand_pb2.Brand(brand_id=brand_id, name="Borealis"))

    error = error_of(lambda: owner.call("CreateBrand", request))

    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert BOREALIS.name not in str(error.details())


def test_every_rpc_about_brands_is_tried() -> None:
    """Whatever rpc takes a brand, a reference or nothing is either tried here or is one of those about references."""
    rpcs = {method.name for method in pb.DESCRIPTOR.services_by_name["BrandService"].methods}
    references = {
        "UploadReference", "ListReferences", "ReviewReference", "RetireReference", "PreviewReference", "FindListings",
    }  # fmt: skip

    assert rpcs == {*REQUESTS, "CreateBrand", "ListBrands", *references}
