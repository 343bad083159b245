"""How does a seller stand? Everything that each screening asks, in one short transaction.

The statements are built once: building and hashing one anew takes several times as long as running it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, and_, bindparam, func, or_, select

from index.market_records import Authorisation, SellerTally
from index.priors import PriorKind
from index.rates import BetaPrior, GammaPrior
from index.reporters import REPORTS_PER_SALE
from index.rings import RingStanding
from index.standing import SellerStanding
from index.store.engine import Database
from index.store.sellers import as_seller
from index.store.tables.base import UtcDateTime
from index.store.tables.market import authorised_sellers, sellers
from index.store.tables.registry import brands
from index.store.tables.sellers import seller_priors, seller_ring_members, seller_rings, seller_tallies
from index.store.tallies import as_tally
from index.strikes import DEFAULT_PRIOR, decayed

_EVERYWHERE = ""
_ID, _BRAND, _TERRITORY = (bindparam(name, type_=Text()) for name in ("seller_id", "brand_id", "territory"))
_NOW = bindparam("now", type_=UtcDateTime())

# Who they are, what is counted of them, and their ring: at most one row of each, so that one statement tells all.
_ASKED = select(_ID.label("asked_id")).subquery()
_WHO = select(
    *(column.label(f"own_{column.name}") for column in sellers.c),
    *(seller_tallies.c[name] for name in ("listings", "strikes", "listings_weight", "strikes_weight", "first_time")),
    *(seller_rings.c[name] for name in ("ring_id", "version", "size", "find_time")),
).select_from(
    _ASKED.outerjoin(sellers, sellers.c.seller_id == _ASKED.c.asked_id)
    .outerjoin(seller_tallies, seller_tallies.c.seller_id == _ASKED.c.asked_id)
    .outerjoin(seller_ring_members, seller_ring_members.c.seller_id == _ASKED.c.asked_id)
    .outerjoin(seller_rings, seller_rings.c.ring_id == seller_ring_members.c.ring_id)
)
_LATEST = select(func.max(seller_priors.c.number)).group_by(seller_priors.c.kind)
_PRIORS = select(seller_priors).where(seller_priors.c.number.in_(_LATEST))
_OTHERS = (
    select(func.sum(seller_tallies.c.strikes_weight), func.sum(seller_tallies.c.listings_weight))
    .join_from(seller_ring_members, seller_tallies, seller_ring_members.c.seller_id == seller_tallies.c.seller_id)
    .where(seller_ring_members.c.ring_id == bindparam("ring_id", type_=Text()), seller_ring_members.c.seller_id != _ID)
)
_ENTRY = and_(
    authorised_sellers.c.brand_id == brands.c.brand_id,
    authorised_sellers.c.seller_id == _ID,
    or_(_TERRITORY == "", authorised_sellers.c.territory == _TERRITORY, authorised_sellers.c.territory == _EVERYWHERE),
    or_(authorised_sellers.c.valid_from.is_(None), authorised_sellers.c.valid_from <= _NOW),
    or_(authorised_sellers.c.valid_until.is_(None), authorised_sellers.c.valid_until > _NOW),
)
# The entry for the territory itself before the one for everywhere.
_LISTED = (
    select(brands.c.lists_sellers, authorised_sellers.c.territory)
    .join_from(brands, authorised_sellers, _ENTRY, isouter=True)
    .where(brands.c.brand_id == _BRAND)
    .order_by(authorised_sellers.c.territory.desc())
    .limit(1)
)


class StandingStore:
    """The part of the store that tells how sellers stand."""

    _database: Database

    def seller_standing(
        self, seller_id: str, *, now: datetime, brand_id: str = "", territory: str = ""
    ) -> SellerStanding:
        """Return how a seller stands `now`, and whether the brand lists them for `territory`.

        Every seller has a standing: of one who was never heard of, nothing is known. A seller listed for everywhere is
        authorised in every territory; with `territory` empty, the market being unknown, any entry counts.
        """
        own = {"seller_id": seller_id}
        with self._database.read("read how a seller stands") as connection:
            who = connection.execute(_WHO, own).one()
            priors = {row.kind: row for row in connection.execute(_PRIORS)}
            ring = _ring(connection, seller_id, who, now)
            asked = {"brand_id": brand_id, "territory": territory, "now": now}
            listed = connection.execute(_LISTED, own | asked).one_or_none() if brand_id else None
        strikes, reports = priors.get(PriorKind.STRIKES), priors.get(PriorKind.REPORTS)
        return SellerStanding(
            time=now,
            seller=None if who.own_seller_id is None else as_seller(_own(who)),
            tally=SellerTally() if who.listings is None else as_tally(who, now),
            ring=ring,
            authorisation=None if listed is None else _authorisation(*listed),
            strike_prior=BetaPrior(strikes.alpha, strikes.beta) if strikes else DEFAULT_PRIOR,
            report_prior=GammaPrior(reports.alpha, reports.beta) if reports else REPORTS_PER_SALE,
        )


def _own(who: Row[Any]) -> dict[str, Any]:
    """Pick the columns of `sellers`."""
    return {column.name: getattr(who, f"own_{column.name}") for column in sellers.c}


def _ring(connection: Connection, seller_id: str, who: Row[Any], now: datetime) -> RingStanding | None:
    if who.ring_id is None:
        return None
    strikes, listings = connection.execute(_OTHERS, {"seller_id": seller_id, "ring_id": who.ring_id}).one()
    return RingStanding(
        ring_id=who.ring_id,
        version=who.version,
        size=who.size,
        others=decayed(strikes or 0.0, listings or 0.0, now),
        find_time=who.find_time,
    )


def _authorisation(keeps_list: bool, territory: str | None) -> Authorisation | None:
    if not keeps_list:
        return None
    return Authorisation(authorised=False) if territory is None else Authorisation(authorised=True, territory=territory)
