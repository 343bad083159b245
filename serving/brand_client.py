"""How does a brand owner's own software call the service? A typed client of BrandService.

    credentials = Credentials(ca=Path("ca.pem"), token_file=Path("token"))
    with BrandClient("touchstone.example:50051", credentials) as client:
        brand = client.get("aurora")
        brand.aliases.append("Aurora Sports")
        client.update(brand, ["aliases"])

A change carries the etag of the brand that was read, so that it is made at most once and nobody else's is lost: when
somebody was quicker it raises grpc.RpcError with ABORTED; read again, and change that. Refused fields raise
InvalidListing. `metadata` goes with every call, such as who calls where a proxy says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from serving.channel import Credentials
from serving.client import DEFAULT_TIMEOUT_S
from serving.service_client import ServiceClient, repeating
from serving.wire.requests import MAX_MESSAGE_BYTES
from touchstone.moderation.v1 import brand_pb2, buyer_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

# A change with an etag that came through although its answer was lost would be refused when it is sent again.
_REPEATED = ("CreateBrand", "GetBrand", "ListBrands")
_OPTIONS = [
    *repeating("BrandService", _REPEATED),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
]


class BrandCalls:
    """The rpcs about brands, typed. `call` takes an rpc's name and its request, and returns its response."""

    def __init__(self, call: Callable[[str, Any], Any]) -> None:
        self._call = call

    def create(self, brand: brand_pb2.Brand, *, request_id: str = "") -> brand_pb2.Brand:
        """Make a brand; without a `request_id` one is made up for this call."""
        request = pb.CreateBrandRequest(brand=brand, request_id=request_id or uuid.uuid4().hex)
        return _brand(self._call("CreateBrand", request))

    def get(self, brand_id: str) -> brand_pb2.Brand:
        """Read a brand whole, with its sellers and price bands."""
        return _brand(self._call("GetBrand", pb.GetBrandRequest(brand_id=brand_id)))

    def list(self, name_prefix: str = "", *, page_size: int = 0) -> Iterator[brand_pb2.Brand]:
        """Yield the brands that the caller may see, by name, page by page."""
        token = ""
        while True:
            request = pb.ListBrandsRequest(name_prefix=name_prefix, page_size=page_size, page_token=token)
            page: pb.ListBrandsResponse = self._call("ListBrands", request)
            yield from page.brands
            token = page.next_page_token
            if not token:
                return

    def update(self, brand: brand_pb2.Brand, fields: Iterable[str]) -> brand_pb2.Brand:
        """Change some of `name`, `aliases`, `rights`, `marks` and `keywords` to what `brand` has."""
        request = pb.UpdateBrandRequest(brand=brand)
        request.update_mask.paths.extend(fields)
        return _brand(self._call("UpdateBrand", request))

    def set_sellers(
        self, brand_id: str, sellers: Iterable[brand_pb2.AuthorizedSeller] | None, *, etag: str = ""
    ) -> brand_pb2.Brand:
        """Replace the authorised sellers; None: the brand keeps no list, none: nobody may sell its goods."""
        request = pb.SetAuthorizedSellersRequest(brand_id=brand_id, etag=etag)
        if sellers is not None:
            request.authorized_sellers.SetInParent()
            request.authorized_sellers.sellers.extend(sellers)
        return _brand(self._call("SetAuthorizedSellers", request))

    def set_price_bands(
        self, brand_id: str, bands: Iterable[brand_pb2.PriceBand], *, etag: str = ""
    ) -> brand_pb2.Brand:
        """Replace the price bands; none: the brand states none."""
        request = pb.SetPriceBandsRequest(brand_id=brand_id, price_bands=bands, etag=etag)
        return _brand(self._call("SetPriceBands", request))

    def set_buyer_advice(self, brand_id: str, advice: buyer_pb2.BuyerAdvice, *, etag: str = "") -> brand_pb2.Brand:
        """Replace what buyers are told to look at; an empty one takes it away."""
        request = pb.SetBuyerAdviceRequest(brand_id=brand_id, buyer_advice=advice, etag=etag)
        return _brand(self._call("SetBuyerAdvice", request))


class BrandClient(BrandCalls, ServiceClient):
    """A channel to BrandService. Thread-safe; use it as a context manager. Each call raises as the module says."""

    def __init__(
        self,
        target: str,
        credentials: Credentials | None = None,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Connect to "host:port". Without `credentials`, in plaintext, with the token of TOUCHSTONE_TOKEN if any."""
        BrandCalls.__init__(self, self._ask)
        ServiceClient.__init__(
            self, BrandServiceStub, target, credentials, metadata=metadata, timeout_s=timeout_s, options=_OPTIONS
        )


def _brand(response: Any) -> brand_pb2.Brand:
    brand: brand_pb2.Brand = response.brand
    return brand
