"""Who sells, whom does a brand authorise, and how often was a seller struck? `serving.evidence` asks each time."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, distinct, func, or_, select, update

from index.errors import NotFound
from index.records import AuthorisedSeller, RemovalReason, Seller, SellerTally
from index.store.brands import require_brands
from index.store.engine import Database
from index.store.tables.decisions import decisions
from index.store.tables.market import authorised_sellers, sellers
from index.store.tables.registry import brands
from index.store.tables.removals import removed_listings

EVERYWHERE = ""


class SellerStore:
    """The part of the store that keeps sellers and the brands' lists of authorised ones."""

    _database: Database

    def put_seller(self, seller: Seller) -> None:
        """Add a seller, or replace the one with the same id."""
        values = {"verified": seller.verified, "create_time": seller.create_time}
        with self._database.write("put a seller") as connection:
            this = update(sellers).where(sellers.c.seller_id == seller.seller_id).values(**values)
            if connection.execute(this).rowcount == 0:
                connection.execute(sellers.insert().values(seller_id=seller.seller_id, **values))

    def get_seller(self, seller_id: str) -> Seller:
        """Return a seller. Raises NotFound."""
        seller = self.find_seller(seller_id)
        if seller is None:
            raise NotFound(f"There is no seller with the id {seller_id!r} on record.")
        return seller

    def find_seller(self, seller_id: str) -> Seller | None:
        """Return a seller, or None when the marketplace has not told of them."""
        with self._database.read("read a seller") as connection:
            row = connection.execute(select(sellers).where(sellers.c.seller_id == seller_id)).one_or_none()
        if row is None:
            return None
        return Seller(seller_id=row.seller_id, verified=row.verified, create_time=row.create_time)

    def set_authorised_sellers(self, brand_id: str, authorised: Iterable[AuthorisedSeller] | None) -> None:
        """Replace a brand's list of authorised sellers; None means that the brand keeps none. Raises NotFound.

        An empty list is a list: nobody is authorised.
        """
        entries = set(authorised or ())
        rows = [{"brand_id": brand_id, "seller_id": entry.seller_id, "territory": entry.territory} for entry in entries]
        with self._database.write("set authorised sellers") as connection:
            require_brands(connection, [brand_id])
            lists = update(brands).where(brands.c.brand_id == brand_id).values(lists_sellers=authorised is not None)
            connection.execute(lists)
            connection.execute(delete(authorised_sellers).where(authorised_sellers.c.brand_id == brand_id))
            if rows:
                connection.execute(authorised_sellers.insert(), rows)

    def authorisation(self, brand_id: str, seller_id: str, territory: str) -> bool | None:
        """Tell whether the brand lists the seller for `territory`, or None when it keeps no list (or is unknown).

        A seller listed for everywhere is authorised in every territory. With `territory` empty, the market being
        unknown, any entry counts.
        """
        listed = (authorised_sellers.c.brand_id == brand_id, authorised_sellers.c.seller_id == seller_id)
        entry = select(authorised_sellers.c.seller_id).where(*listed)
        if territory:
            entry = entry.where(
                or_(authorised_sellers.c.territory == territory, authorised_sellers.c.territory == EVERYWHERE)
            )
        with self._database.read("read an authorisation") as connection:
            keeps_list = connection.scalars(select(brands.c.lists_sellers).where(brands.c.brand_id == brand_id)).first()
            if not keeps_list:
                return None
            return connection.execute(entry.limit(1)).first() is not None

    def seller_tally(self, seller_id: str) -> SellerTally:
        """Count a seller's listings on record, and those taken down or removed as counterfeits, each listing once."""
        own = (decisions.c.seller_id == seller_id, decisions.c.seller_id != "")
        listings = select(func.count(distinct(decisions.c.listing_id))).where(*own)
        counterfeit = removed_listings.c.reason == str(RemovalReason.COUNTERFEIT)
        removed = decisions.c.listing_id.in_(select(removed_listings.c.listing_id).where(counterfeit))
        struck = listings.where(or_(decisions.c.verdict == "TAKEDOWN", removed))
        with self._database.read("count a seller's decisions") as connection:
            return SellerTally(
                decisions=connection.execute(listings).scalar_one(), strikes=connection.execute(struck).scalar_one()
            )
