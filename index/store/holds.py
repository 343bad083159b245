"""Which legal holds stand? Put, lifted, and looked up at each screening; the rows are never deleted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, and_, bindparam, or_, select, update

from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound
from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.names import normalise_name
from index.store.audit import enter, pseudonym
from index.store.engine import Database
from index.store.tables.base import UtcDateTime
from index.store.tables.policies import legal_holds

_FIELDS = tuple(LegalHold.__dataclass_fields__)


def _of(subject: HoldSubject, key: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(legal_holds.c.subject == str(subject), key)


def _standing(moment: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    unexpired = or_(legal_holds.c.expire_time.is_(None), legal_holds.c.expire_time > moment)
    return and_(legal_holds.c.lift_time.is_(None), unexpired)


# Put together once, for that takes four times as long as the query itself, and every screening asks it.
_COVERING = (
    select(legal_holds)
    .where(
        or_(
            _of(HoldSubject.LISTING, legal_holds.c.subject_key == bindparam("listing")),
            _of(HoldSubject.SELLER, legal_holds.c.subject_key == bindparam("seller")),
            _of(HoldSubject.BRAND, legal_holds.c.subject_key.in_(bindparam("brands", expanding=True))),
        ),
        _standing(bindparam("at", type_=UtcDateTime)),
    )
    .order_by(legal_holds.c.hold_id)
)


class HoldStore:
    """The part of the store that keeps legal holds."""

    _database: Database

    def add_hold(self, hold: LegalHold) -> None:
        """Put a hold on record; the next screening knows it. Raises Conflict when its id is taken."""
        values = {name: getattr(hold, name) for name in _FIELDS}
        values |= {"subject": str(hold.subject), "verdict": str(hold.verdict)}
        with self._database.write(f"add the legal hold {hold.hold_id!r}") as connection:
            connection.execute(legal_holds.insert().values(subject_key=_key(hold.subject, hold.subject_id), **values))
            facts = {
                "on": str(hold.subject),
                "key": pseudonym(connection, hold.subject_id),
                "verdict": str(hold.verdict),
            }
            enter(connection, Entry(act=Act.HOLD_PLACED, subject=hold.hold_id, actor=hold.author, facts=facts))

    def lift_hold(self, hold_id: str, *, actor: str, time: datetime, why: str) -> LegalHold:
        """End a hold. Raises NotFound; Conflict when it was lifted before."""
        this = legal_holds.c.hold_id == hold_id
        with self._database.write(f"lift the legal hold {hold_id!r}") as connection:
            lifted = update(legal_holds).where(this, legal_holds.c.lift_time.is_(None))
            done = connection.execute(lifted.values(lift_time=time, lifted_by=actor, lift_why=why)).rowcount
            row = connection.execute(select(legal_holds).where(this)).one_or_none()
            if done:
                enter(connection, Entry(act=Act.HOLD_LIFTED, subject=hold_id, actor=actor))
        if row is None:
            raise NotFound(f"There is no legal hold {hold_id!r}; 'touchstone policy hold list' names them.")
        if not done:
            raise Conflict(f"The legal hold {hold_id!r} was lifted at {row.lift_time} by {row.lifted_by!r}.")
        return _hold(row)

    def list_holds(self, *, standing_at: datetime | None = None) -> tuple[LegalHold, ...]:
        """Return all holds, or those that stand at a moment; oldest first."""
        query = select(legal_holds).order_by(legal_holds.c.create_time, legal_holds.c.hold_id)
        if standing_at is not None:
            query = query.where(_standing(standing_at))
        with self._database.read("list legal holds") as connection:
            return tuple(map(_hold, connection.execute(query)))

    def holds_on(
        self, *, listing_id: str, seller_id: str, brands: Collection[str], at: datetime
    ) -> tuple[LegalHold, ...]:
        """Return the holds that cover a listing at a moment: on itself, its seller ("" is none) or one of `brands`."""
        sought = {
            "at": at,
            "listing": listing_id,
            "seller": seller_id or None,
            "brands": sorted({_key(HoldSubject.BRAND, brand) for brand in brands}),
        }
        with self._database.read("look up legal holds") as connection:
            return tuple(map(_hold, connection.execute(_COVERING, sought)))


def holds_standing(connection: Connection, moment: datetime) -> tuple[LegalHold, ...]:
    """Return all holds that stand at a moment, within a transaction."""
    return tuple(map(_hold, connection.execute(select(legal_holds).where(_standing(moment)))))


def _key(subject: HoldSubject, subject_id: str) -> str:
    return normalise_name(subject_id) if subject is HoldSubject.BRAND else subject_id


def _hold(row: Row[Any]) -> LegalHold:
    values = {name: getattr(row, name) for name in _FIELDS}
    return LegalHold(**values | {"subject": HoldSubject(row.subject), "verdict": HoldVerdict(row.verdict)})
