"""Who sells, and whom does a brand authorise? Screening reads it through `index.store.standings`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from index.audit.entries import Act, Entry
from index.brand_records import RegistryAction, RegistryEvent
from index.errors import NotFound
from index.market_records import AuthorisedSeller, Seller
from index.store.audit import enter, pseudonym
from index.store.brands import advance
from index.store.engine import Database
from index.store.locks import lock_registry, lock_seller
from index.store.registry_events import note_change
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
            subject = pseudonym(connection, seller.seller_id)
            enter(connection, Entry(act=Act.SELLER_PUT, subject=subject, facts={"verified": seller.verified}))

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

    def set_authorised_sellers(
        self,
        brand_id: str,
        authorised: Iterable[AuthorisedSeller] | None,
        *,
        seen: int | None = None,
        actor: str = "",
        now: datetime | None = None,
    ) -> None:
        """Replace a brand's list of authorised sellers; None means that the brand keeps none. Raises NotFound.

        An empty list is a list: nobody is authorised. Of entries for the same seller and territory, the last counts.
        With `seen`, the brand's revision as the caller read it, raises Conflict when the brand was changed since.
        """
        now = now or datetime.now(UTC)
        entries = {(entry.seller_id, entry.territory): entry for entry in authorised or ()}
        rows = [vars(entry) | {"brand_id": brand_id} for entry in entries.values()]
        with self._database.write("set authorised sellers") as connection:
            lock_registry(connection)
            advance(connection, brand_id, seen=seen, now=now)
            lists = update(brands).where(brands.c.brand_id == brand_id).values(lists_sellers=authorised is not None)
            connection.execute(lists)
            connection.execute(delete(authorised_sellers).where(authorised_sellers.c.brand_id == brand_id))
            if rows:
                connection.execute(authorised_sellers.insert(), rows)
            note_change(
                connection,
                RegistryEvent(action=RegistryAction.SELLERS_SET, brand_id=brand_id, actor=actor, create_time=now),
            )


def authorised_of(connection: Connection, brand_id: str) -> tuple[AuthorisedSeller, ...] | None:
    """Return a brand's list of authorised sellers, in the order of their ids; None when it keeps none."""
    listing = select(brands.c.lists_sellers).where(brands.c.brand_id == brand_id)
    if not connection.execute(listing).scalar_one_or_none():
        return None
    entry = authorised_sellers.c
    query = select(entry.seller_id, entry.territory, entry.valid_from, entry.valid_until)
    query = query.where(entry.brand_id == brand_id).order_by(entry.seller_id, entry.territory)
    return tuple(AuthorisedSeller(**row._asdict()) for row in connection.execute(query))


def as_seller(row: Mapping[str, Any]) -> Seller:
    """Return the seller of a row of `sellers`, by column."""
    state = row["verification"]
    return Seller(**{**row, "verification": state and VerificationState(state)})
