"""What does a brand tell buyers? What to look at on its goods, and whether a seller is one of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, or_, select

from index.brand_records import RegistryAction, RegistryEvent
from index.buyer_records import NO_ADVICE, AdviceItem, AdviceKind, BuyerAdvice, SellerWord
from index.store.brands import advance
from index.store.engine import Database
from index.store.locks import lock_registry
from index.store.registry_events import note_change
from index.store.tables.market import authorised_sellers
from index.store.tables.portal import buyer_advice
from index.store.tables.registry import brands

_EVERYWHERE = ""


class BuyerAdviceStore:
    """The part of the store that keeps what brands tell buyers."""

    _database: Database

    def set_buyer_advice(
        self, brand_id: str, advice: BuyerAdvice, *, seen: int | None = None, actor: str = "", now: datetime
    ) -> None:
        """Replace a brand's advice; what it replaces stays on record.

        Raises:
            NotFound: there is no such brand.
            Conflict: the brand is not of the revision `seen` any more.

        """
        items = [
            {"kind": str(item.kind), "texts": [list(text) for text in item.texts], "reference_id": item.reference_id}
            for item in advice.items
        ]
        row = {"items": items, "serial_template": advice.serial_template, "actor": actor, "create_time": now}
        with self._database.write("set the advice to buyers") as connection:
            lock_registry(connection)
            advance(connection, brand_id, seen=seen, now=now)
            connection.execute(buyer_advice.insert().values(brand_id=brand_id, **row))
            action = RegistryAction.BUYER_ADVICE_SET
            note_change(connection, RegistryEvent(action=action, brand_id=brand_id, actor=actor, create_time=now))

    def buyer_advice(self, brand_id: str) -> BuyerAdvice:
        """Return a brand's advice as it stands; there is none of a brand that is not on record."""
        with self._database.read("read the advice to buyers") as connection:
            return advice_of(connection, brand_id)

    def advice_history(self, brand_id: str, *, limit: int = 100) -> tuple[BuyerAdvice, ...]:
        """Return what a brand advised and when, the newest first."""
        with self._database.read("read earlier advice to buyers") as connection:
            return _latest(connection, brand_id, limit)

    def word_on_seller(self, brand_id: str, seller_id: str, market: str, *, now: datetime) -> SellerWord:
        """Say what a brand says of a seller in a market, an ISO 3166-1 alpha-2 code or "" for one that is not known.

        A brand has named its sellers for a market when an entry for it, or for everywhere, holds now, or when its list
        is empty altogether. With the market unknown, a seller who is named for some markets only is not told of.
        """
        own, here = authorised_sellers.c.seller_id == seller_id, _covering(market)
        query = select(
            brands.c.lists_sellers,
            _entry(now, own, here).label("authorised"),
            _entry(now, own).label("elsewhere"),
            _entry(now, here if market else None).label("named"),
            _entry(now).label("any"),
        ).where(brands.c.brand_id == brand_id)
        with self._database.read("read what a brand says of a seller") as connection:
            row = connection.execute(query).one_or_none()
        if row is None or not row.lists_sellers:
            return SellerWord.NOT_SAID
        if row.authorised:
            return SellerWord.AUTHORISED
        unsure = row.elsewhere and not market
        return SellerWord.NOT_NAMED if (row.named or not row.any) and not unsure else SellerWord.NOT_SAID


def advice_of(connection: Connection, brand_id: str) -> BuyerAdvice:
    """Return a brand's advice as it stands."""
    return next(iter(_latest(connection, brand_id, 1)), NO_ADVICE)


def what_was_set(advice: BuyerAdvice) -> BuyerAdvice:
    """Return the advice without who set it and when."""
    return replace(advice, actor="", create_time=None)


def _latest(connection: Connection, brand_id: str, limit: int) -> tuple[BuyerAdvice, ...]:
    own = select(buyer_advice).where(buyer_advice.c.brand_id == brand_id)
    return tuple(map(_advice, connection.execute(own.order_by(buyer_advice.c.number.desc()).limit(limit))))


def _advice(row: Row[Any]) -> BuyerAdvice:
    return BuyerAdvice(
        items=tuple(
            AdviceItem(
                kind=AdviceKind(item["kind"]),
                texts=tuple((language, text) for language, text in item["texts"]),
                reference_id=item["reference_id"],
            )
            for item in row.items
        ),
        serial_template=row.serial_template,
        actor=row.actor,
        create_time=row.create_time,
    )


def _covering(market: str) -> ColumnElement[bool]:
    return or_(authorised_sellers.c.territory == _EVERYWHERE, authorised_sellers.c.territory == market)


def _entry(now: datetime, *conditions: ColumnElement[bool] | None) -> ColumnElement[bool]:
    entry = authorised_sellers.c
    holding = and_(
        or_(entry.valid_from.is_(None), entry.valid_from <= now),
        or_(entry.valid_until.is_(None), entry.valid_until > now),
    )
    asked = [condition for condition in conditions if condition is not None]
    return exists().where(entry.brand_id == brands.c.brand_id, holding, *asked)
