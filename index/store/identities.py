"""Who are the sellers? Their identities, apart from what screening asks: nothing here is read on a listing's way."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from index.audit.entries import Act, Entry
from index.errors import NotFound
from index.identity import PERSONAL, IdentityRecord, SalesVolume, SellerIdentity, Verification, renewed
from index.store.audit import enter, pseudonym
from index.store.engine import Database
from index.store.locks import lock_seller
from index.store.tables.market import sellers
from index.store.tables.sellers import seller_identities
from index.verification import VerificationState

_RESULT = {True: "passed", False: "failed"}


class IdentityStore:
    """The part of the store that keeps sellers' identities: personal data, not to be shown or logged."""

    _database: Database

    def put_identity(self, identity: SellerIdentity, *, now: datetime) -> IdentityRecord:
        """Add a seller's identity or replace it, and move the state of its verification on.

        Raises:
            SellerDataError: the result of a verification cannot follow the present state.

        """
        with self._database.write("put a seller's identity") as connection:
            lock_seller(connection, identity.seller_id)
            record = renewed(_identity(connection, identity.seller_id), identity, now)
            _put_seller(connection, record, now)
            connection.execute(delete(seller_identities).where(seller_identities.c.seller_id == identity.seller_id))
            connection.execute(seller_identities.insert().values(_row(record)))
            subject = pseudonym(connection, identity.seller_id)
            enter(connection, Entry(act=Act.IDENTITY_PUT, subject=subject, facts={"state": str(record.state)}))
        return record

    def get_identity(self, seller_id: str) -> IdentityRecord:
        """Return a seller's identity. Raises NotFound."""
        with self._database.read("read a seller's identity") as connection:
            found = _identity(connection, seller_id)
        if found is None:
            raise NotFound(f"The identity of the seller {seller_id!r} is not on record.")
        return found


def _put_seller(connection: Connection, record: IdentityRecord, now: datetime) -> None:
    """Tell the seller's own row what screening asks for; when the account was opened is kept if it is known."""
    identity = record.identity
    values: dict[str, Any] = {
        "verified": record.state is VerificationState.VERIFIED,
        "verification": str(record.state),
        "certify_time": identity.certify_time,
        "sales": identity.sales.total,
    }
    if identity.create_time is not None:
        values["create_time"] = identity.create_time
    this = sellers.c.seller_id == identity.seller_id
    if connection.execute(update(sellers).where(this).values(values)).rowcount == 0:
        connection.execute(sellers.insert().values({"seller_id": identity.seller_id, "create_time": now} | values))


def _row(record: IdentityRecord) -> dict[str, Any]:
    identity, checked, sales = record.identity, record.identity.verification, record.identity.sales
    return {name: getattr(identity, name) for name in ("seller_id", "country", *PERSONAL)} | {
        "self_certify_time": identity.self_certify_time,
        "verification_method": checked.method if checked else "",
        "verification_result": _RESULT[checked.passed] if checked else "",
        "verify_time": checked.time if checked else None,
        "collect_time": record.collect_time,
        "annual_sales": sales.annual,
        "annual_revenue_usd": None if sales.annual_usd is None else str(sales.annual_usd),
        "qualify_time": sales.qualify_time,
    }


def _identity(connection: Connection, seller_id: str) -> IdentityRecord | None:
    columns = (seller_identities, sellers.c.verification, sellers.c.sales, sellers.c.create_time)
    query = select(*columns).join_from(seller_identities, sellers).where(seller_identities.c.seller_id == seller_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def _record(row: Row[Any]) -> IdentityRecord:
    checked = None
    if row.verification_result:
        checked = Verification(row.verification_method, row.verification_result == _RESULT[True], row.verify_time)
    identity = SellerIdentity(
        **{name: getattr(row, name) for name in ("seller_id", "country", *PERSONAL)},
        self_certify_time=row.self_certify_time,
        verification=checked,
        sales=SalesVolume(
            total=row.sales,
            annual=row.annual_sales,
            annual_usd=None if row.annual_revenue_usd is None else Decimal(row.annual_revenue_usd),
            qualify_time=row.qualify_time,
        ),
        create_time=row.create_time,
    )
    return IdentityRecord(identity=identity, state=VerificationState(row.verification), collect_time=row.collect_time)
