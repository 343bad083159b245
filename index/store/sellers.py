"""Who sells, and whom does a brand authorise? `serving.seller_evidence` asks each time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import and_, delete, or_, select, update

from index.errors import NotFound
from index.records import Authorisation, AuthorisedSeller, Seller
from index.store.brands import require_brands
from index.store.engine import Database
from index.store.tables.market import authorised_sellers, sellers
from index.store.tables.registry import brands
from index.verification import VerificationState

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
        state = row.verification and VerificationState(row.verification)
        return Seller(**row._asdict() | {"verification": state})

    def set_authorised_sellers(self, brand_id: str, authorised: Iterable[AuthorisedSeller] | None) -> None:
        """Replace a brand's list of authorised sellers; None means that the brand keeps none. Raises NotFound.

        An empty list is a list: nobody is authorised. Of entries for the same seller and territory, the last counts.
        """
        entries = {(entry.seller_id, entry.territory): entry for entry in authorised or ()}
        rows = [vars(entry) | {"brand_id": brand_id} for entry in entries.values()]
        with self._database.write("set authorised sellers") as connection:
            require_brands(connection, [brand_id])
            lists = update(brands).where(brands.c.brand_id == brand_id).values(lists_sellers=authorised is not None)
            connection.execute(lists)
            connection.execute(delete(authorised_sellers).where(authorised_sellers.c.brand_id == brand_id))
            if rows:
                connection.execute(authorised_sellers.insert(), rows)

    def authorisation(
        self, brand_id: str, seller_id: str, territory: str, *, now: datetime | None = None
    ) -> Authorisation | None:
        """Tell whether the brand lists the seller for `territory`, or None when it keeps no list (or is unknown).

        A seller listed for everywhere is authorised in every territory. With `territory` empty, the market being
        unknown, any entry counts. Only entries that are valid `now` count.
        """
        table, time = authorised_sellers.c, now or datetime.now(UTC)
        entry = select(table.territory).where(
            and_(table.brand_id == brand_id, table.seller_id == seller_id),
            or_(table.valid_from.is_(None), table.valid_from <= time),
            or_(table.valid_until.is_(None), table.valid_until > time),
        )
        if territory:
            entry = entry.where(or_(table.territory == territory, table.territory == EVERYWHERE))
        # The entry for the territory itself comes first.
        entry = entry.order_by(table.territory.desc()).limit(1)
        with self._database.read("read an authorisation") as connection:
            keeps_list = connection.scalars(select(brands.c.lists_sellers).where(brands.c.brand_id == brand_id)).first()
            if not keeps_list:
                return None
            found = connection.execute(entry).one_or_none()
        return Authorisation(authorised=False) if found is None else Authorisation(authorised=True, territory=found[0])
