"""Who sells, and whom does a brand authorise? Screening reads it through `index.store.standings`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select, update

from index.errors import NotFound
from index.market_records import AuthorisedSeller, Seller
from index.store.brands import require_brands
from index.store.engine import Database
from index.store.locks import lock_registry, lock_seller
from index.store.tables.market import authorised_sellers, sellers
from index.store.tables.registry import brands
from index.verification import VerificationState


class SellerStore:
    """The part of the store that keeps sellers and the brands' lists of authorised ones."""

    _database: Database

    def put_seller(self, seller: Seller) -> None:
        """Add a seller, or replace the one with the same id."""
        values = {"verified": seller.verified, "create_time": seller.create_time}
        with self._database.write("put a seller") as connection:
            lock_seller(connection, seller.seller_id)
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
        return None if row is None else as_seller(row._asdict())

    def set_authorised_sellers(self, brand_id: str, authorised: Iterable[AuthorisedSeller] | None) -> None:
        """Replace a brand's list of authorised sellers; None means that the brand keeps none. Raises NotFound.

        An empty list is a list: nobody is authorised. Of entries for the same seller and territory, the last counts.
        """
        entries = {(entry.seller_id, entry.territory): entry for entry in authorised or ()}
        rows = [vars(entry) | {"brand_id": brand_id} for entry in entries.values()]
        with self._database.write("set authorised sellers") as connection:
            lock_registry(connection)
            require_brands(connection, [brand_id])
            lists = update(brands).where(brands.c.brand_id == brand_id).values(lists_sellers=authorised is not None)
            connection.execute(lists)
            connection.execute(delete(authorised_sellers).where(authorised_sellers.c.brand_id == brand_id))
            if rows:
                connection.execute(authorised_sellers.insert(), rows)


def as_seller(row: Mapping[str, Any]) -> Seller:
    """Return the seller of a row of `sellers`, by column."""
    state = row["verification"]
    return Seller(**{**row, "verification": state and VerificationState(state)})
