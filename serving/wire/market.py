"""Whom does a brand authorise, and what do its goods cost? `AuthorizedSellerList` and `PriceBand` to records, and back.

The registry keeps one entry for each seller and market; on the wire a seller stands once with its markets. As in
`serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from index.market_records import AuthorisedSeller
from index.price_bands import PriceBand
from serving.errors import FieldViolation
from serving.wire.brand import check_etag
from serving.wire.case import refuse
from serving.wire.money import from_money, price_faults, to_money
from serving.wire.rules import check_id, check_market, check_text, check_time, shown, to_time
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

MAX_SELLERS, MAX_BANDS = 10_000, 10_000
# Entries of a list, one for each seller and market: what is written in one transaction.
MAX_ENTRIES = 100_000
MAX_LEVELS, MAX_LEVEL_CHARACTERS = 20, 200
_EVERYWHERE = ("",)


def to_sellers(request: pb.SetAuthorizedSellersRequest) -> tuple[AuthorisedSeller, ...] | None:
    """Translate a new list; None is none. Raises InvalidListing."""
    field, sellers = "authorized_sellers.sellers", request.authorized_sellers.sellers
    violations = [*check_id("brand_id", request.brand_id, required=True), *check_etag("etag", request.etag)]
    entries = sum(max(1, len(seller.markets)) for seller in sellers)
    if len(sellers) > MAX_SELLERS:
        violations.append(FieldViolation(field, f"has {len(sellers)} sellers; send at most {MAX_SELLERS}"))
    elif entries > MAX_ENTRIES:
        violations.append(
            FieldViolation(
                field, f"names {entries} markets in all; send at most {MAX_ENTRIES}, and none where it holds everywhere"
            )
        )
    else:
        violations += _seller_violations(field, sellers)
    refuse(violations)
    if not request.HasField("authorized_sellers"):
        return None
    return tuple(
        AuthorisedSeller(
            seller_id=seller.seller_id,
            territory=market,
            valid_from=_time(seller, "start_time"),
            valid_until=_time(seller, "end_time"),
        )
        for seller in sellers
        for market in (seller.markets or _EVERYWHERE)
    )


def from_sellers(entries: Iterable[AuthorisedSeller]) -> brand_pb2.AuthorizedSellerList:
    """Translate a list, in the order of the sellers: entries of one seller and time become one with all markets."""
    listed = brand_pb2.AuthorizedSellerList()

    def group(entry: AuthorisedSeller) -> tuple[str, bool, str, str]:
        times = (str(entry.valid_from or ""), str(entry.valid_until or ""))
        return (entry.seller_id, bool(entry.territory), *times)

    for _, same in itertools.groupby(sorted(entries, key=group), key=group):
        of_seller = list(same)
        first = of_seller[0]
        seller = listed.sellers.add(
            seller_id=first.seller_id, markets=[entry.territory for entry in of_seller if entry.territory]
        )
        for name, time in (("start_time", first.valid_from), ("end_time", first.valid_until)):
            if time is not None:
                getattr(seller, name).FromDatetime(time)
    return listed


def to_bands(request: pb.SetPriceBandsRequest) -> tuple[PriceBand, ...]:
    """Translate new price bands. Raises InvalidListing."""
    bands = request.price_bands
    violations = [*check_id("brand_id", request.brand_id, required=True), *check_etag("etag", request.etag)]
    if len(bands) > MAX_BANDS:
        violations.append(FieldViolation("price_bands", f"has {len(bands)} bands; send at most {MAX_BANDS}"))
    else:
        for index, band in enumerate(bands):
            violations += _band_violations(f"price_bands[{index}]", band)
        violations += _overlaps(bands)
    refuse(violations)
    return tuple(
        PriceBand(
            category_path=tuple(band.category_path),
            market=band.market,
            low=to_money(band.low),
            high=to_money(band.high),
        )
        for band in bands
    )


def from_band(band: PriceBand) -> brand_pb2.PriceBand:
    """Translate a price band to the wire."""
    return brand_pb2.PriceBand(
        category_path=band.category_path, market=band.market, low=from_money(band.low), high=from_money(band.high)
    )


def _seller_violations(field: str, sellers: Sequence[brand_pb2.AuthorizedSeller]) -> Iterator[FieldViolation]:
    listed: set[tuple[str, str]] = set()
    for index, seller in enumerate(sellers):
        own = f"{field}[{index}]"
        yield from check_id(f"{own}.seller_id", seller.seller_id, required=True)
        faults = [
            fault for name in ("start_time", "end_time") for fault in check_time(f"{own}.{name}", _of(seller, name))
        ]
        yield from faults
        start, end = (None, None) if faults else (_time(seller, "start_time"), _time(seller, "end_time"))
        if start and end and end <= start:
            yield FieldViolation(f"{own}.end_time", f"{end.isoformat()} is not after the start; correct one of them")
        for place, market in enumerate(seller.markets):
            if not market:
                yield FieldViolation(f"{own}.markets[{place}]", "is empty; send no market where it holds everywhere")
            yield from check_market(f"{own}.markets[{place}]", market)
        for market in seller.markets or _EVERYWHERE:
            if (seller.seller_id, market) in listed:
                where = f"in {market}" if market else "everywhere"
                yield FieldViolation(own, f"authorises {shown(seller.seller_id)} {where} once more; send it once")
            listed.add((seller.seller_id, market))


def _band_violations(field: str, band: brand_pb2.PriceBand) -> Iterator[FieldViolation]:
    if len(band.category_path) > MAX_LEVELS:
        yield FieldViolation(
            f"{field}.category_path", f"has {len(band.category_path)} levels; send at most {MAX_LEVELS}"
        )
    for index, level in enumerate(band.category_path[:MAX_LEVELS]):
        own = f"{field}.category_path[{index}]"
        yield from check_text(own, level, limit=MAX_LEVEL_CHARACTERS)
        if not level.strip() or ">" in level:
            yield FieldViolation(own, f"{shown(level)} is no level; send one name each, without '>'")
    yield from check_market(f"{field}.market", band.market)
    faults = {name: _price_faults(band, name) for name in ("low", "high")}
    yield from (FieldViolation(f"{field}.{name}", fault) for name in faults for fault in faults[name])
    if any(faults.values()):
        return
    low, high = to_money(band.low), to_money(band.high)
    if low.currency != high.currency:
        yield FieldViolation(f"{field}.high", f"is in {high.currency} and low in {low.currency}; state both in one")
    elif high.amount < low.amount:
        yield FieldViolation(f"{field}.high", f"{high} is below low, {low}; exchange them")


def _price_faults(band: Any, name: str) -> list[str]:
    price = getattr(band, name)
    if not band.HasField(name):
        return ["is missing; send a price above 0"]
    return price_faults(price) or (["is 0; send a price above 0"] if not (price.units or price.nanos) else [])


def _overlaps(bands: Sequence[brand_pb2.PriceBand]) -> Iterator[FieldViolation]:
    """Find bands that say what another one says: for the same goods, market and currency."""
    first: dict[tuple[tuple[str, ...], str, str], int] = {}
    for index, band in enumerate(bands):
        key = (tuple(level.casefold() for level in band.category_path), band.market, band.low.currency_code)
        earlier = first.setdefault(key, index)
        if earlier != index:
            same = f"is for the same category, market and currency as price_bands[{earlier}]"
            yield FieldViolation(f"price_bands[{index}]", f"{same}; send one of them")


def _of(seller: brand_pb2.AuthorizedSeller, name: str) -> Timestamp:
    time: Timestamp = getattr(seller, name)
    return time


def _time(seller: Any, name: str) -> datetime | None:
    return to_time(_of(seller, name)) if seller.HasField(name) else None
