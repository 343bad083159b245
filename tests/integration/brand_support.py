"""What do the suites about the registry share? People who call BrandService, and a brand with every field filled in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money
from sqlalchemy import delete

from index.market_records import AuthorisedSeller
from index.store.store import Store
from index.store.tables.cases import case_requests
from index.store.tables.market import authorised_sellers
from index.store.tables.portal import buyer_advice
from index.store.tables.prices import price_bands
from index.store.tables.registry import brand_keywords, brand_names, brand_rights, brands, marks, registry_events
from serving.access.caller import ACTOR, BRANDS, ROLES
from tests.integration.support import AURORA, AUTHORISED, BOREALIS, PATIENCE_S, Service
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

SPRING = datetime(2025, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Registrant:
    """Somebody who calls BrandService; without a name, nobody in particular."""

    stub: BrandServiceStub
    name: str = ""
    roles: str = ""
    brands: str = ""

    def call(self, rpc: str, request: Any) -> Any:
        """Call an rpc by its name."""
        sent = ((ACTOR, self.name), (ROLES, self.roles), (BRANDS, self.brands))
        metadata = [(key, value) for key, value in sent if value]
        return getattr(self.stub, rpc)(request, timeout=PATIENCE_S, metadata=metadata)

    def create(self, name: str, *, request_id: str = "", **fields: Any) -> brand_pb2.Brand:
        """Make a brand."""
        request = pb.CreateBrandRequest(brand=brand_pb2.Brand(name=name, **fields), request_id=request_id)
        brand: brand_pb2.Brand = self.call("CreateBrand", request).brand
        return brand

    def get(self, brand_id: str) -> brand_pb2.Brand:
        """Look a brand up."""
        brand: brand_pb2.Brand = self.call("GetBrand", pb.GetBrandRequest(brand_id=brand_id)).brand
        return brand

    def update(self, brand_id: str, *, etag: str = "", **fields: Any) -> brand_pb2.Brand:
        """Change the fields that are given."""
        request = pb.UpdateBrandRequest(brand=brand_pb2.Brand(brand_id=brand_id, etag=etag, **fields))
        request.update_mask.paths.extend(fields)
        brand: brand_pb2.Brand = self.call("UpdateBrand", request).brand
        return brand

    def list(self, **fields: Any) -> pb.ListBrandsResponse:
        """List a page of brands."""
        page: pb.ListBrandsResponse = self.call("ListBrands", pb.ListBrandsRequest(**fields))
        return page

    def set_sellers(self, brand_id: str, *seller_ids: str, etag: str = "") -> brand_pb2.Brand:
        """Authorise sellers everywhere."""
        listed = brand_pb2.AuthorizedSellerList(sellers=[brand_pb2.AuthorizedSeller(seller_id=s) for s in seller_ids])
        request = pb.SetAuthorizedSellersRequest(brand_id=brand_id, authorized_sellers=listed, etag=etag)
        brand: brand_pb2.Brand = self.call("SetAuthorizedSellers", request).brand
        return brand

    def set_bands(self, brand_id: str, *bands: brand_pb2.PriceBand, etag: str = "") -> brand_pb2.Brand:
        """Say what the brand's goods cost."""
        request = pb.SetPriceBandsRequest(brand_id=brand_id, price_bands=bands, etag=etag)
        brand: brand_pb2.Brand = self.call("SetPriceBands", request).brand
        return brand


def registrant(service: Service, name: str = "", roles: str = "", brands: str = "") -> Registrant:
    """Give somebody a way to call."""
    return Registrant(BrandServiceStub(service.channel), name, roles, brands)


def owner_of(service: Service, *brand_ids: str) -> Registrant:
    """Give a brand owner a way to call."""
    return registrant(service, f"owner of {brand_ids[0]}", "brand-owner", ",".join(brand_ids))


def start_anew(store: Store) -> None:
    """Leave `fill`'s two brands, as they were, and no other."""
    with store._database.write("start anew") as connection:
        of_brands = (authorised_sellers, price_bands, marks, brand_keywords, brand_rights, buyer_advice)
        for table in (*of_brands, registry_events, case_requests):
            connection.execute(delete(table))
        for table in (brand_names, brands):
            connection.execute(delete(table).where(table.c.brand_id.not_in([AURORA.brand_id, BOREALIS.brand_id])))
    store.put_brands([AURORA, BOREALIS])
    store.set_authorised_sellers(AURORA.brand_id, [AuthorisedSeller(seller_id=AUTHORISED)])
    store.set_authorised_sellers(BOREALIS.brand_id, None)


def band(low: int, high: int, *path: str, currency: str = "EUR", market: str = "") -> brand_pb2.PriceBand:
    """Make a price band."""
    return brand_pb2.PriceBand(
        category_path=path,
        market=market,
        low=Money(currency_code=currency, units=low),
        high=Money(currency_code=currency, units=high),
    )


def a_right(right_id: str = "word", **fields: Any) -> brand_pb2.RightRecord:
    """Make a right with every field filled in."""
    values: dict[str, Any] = {
        "type": brand_pb2.RIGHT_TYPE_WORD_MARK,
        "mark_text": "AURORA",
        "mark_image_sha256": "ab" * 32,
        "office_code": "EM",
        "application_number": "EM500000004176283",
        "registration_number": "004176283",
        "international_registration_number": "1234567",
        "nice_classes": [18, 25],
        "status": brand_pb2.RIGHT_STATUS_REGISTERED,
        "filing_date": Date(year=2004, month=11, day=22),
        "registration_date": Date(year=2006, month=2, day=1),
        "expiry_date": Date(year=2034, month=11, day=22),
        "territories": ["EM", "CH"],
        "owner_name": "Aurora AG",
        "representative": brand_pb2.RightRepresentative(name="Kanzlei", power_of_attorney_sha256="cd" * 32),
        "licensee_names": ["Aurora Sports GmbH"],
        "exhaustion_regime": brand_pb2.EXHAUSTION_REGIME_REGIONAL,
        "exhaustion_territories": ["DE", "NO"],
    }
    return brand_pb2.RightRecord(right_id=right_id, **values | fields)


def a_seller(seller_id: str, *markets: str) -> brand_pb2.AuthorizedSeller:
    """Make a seller who is authorised from the spring of 2025 on."""
    return brand_pb2.AuthorizedSeller(seller_id=seller_id, markets=markets, start_time=at(SPRING))


def at(time: datetime) -> Timestamp:
    """Write a time down."""
    message = Timestamp()
    message.FromDatetime(time)
    return message
