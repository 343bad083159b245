"""How often was a seller struck? Tallies that are kept up to date in the transaction of whatever changes them.

Every screening asks for one, so the sums are there to be read, however many listings a seller has. A listing counts
once, at its last decision; once it is struck, screening it again does not make it younger. What each listing
adds is kept beside them (`seller_listings`): a verdict that is undone or a removal that is corrected takes out
exactly what was put in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, bindparam, func, or_, select, update

from index.decision_records import DecisionRecord, RemovalReason
from index.market_records import SellerTally
from index.store.engine import BATCH, Database, insert_new
from index.store.tables.cases import verdicts
from index.store.tables.decisions import decisions
from index.store.tables.removals import removed_listings
from index.store.tables.sellers import seller_listings, seller_tallies
from index.strikes import decayed, weight_at


class TallyStore:
    """The part of the store that keeps sellers' tallies."""

    _database: Database

    def iter_tallies(self, *, now: datetime) -> Iterator[tuple[str, SellerTally]]:
        """Yield the ids and tallies of all sellers with listings; each page is a short transaction of its own."""
        after = ""
        while True:
            counted = and_(seller_tallies.c.seller_id > after, seller_tallies.c.listings > 0)
            page = select(seller_tallies).where(counted).order_by(seller_tallies.c.seller_id).limit(BATCH)
            with self._database.read("read tallies") as connection:
                rows = connection.execute(page).all()
            for row in rows:
                yield row.seller_id, as_tally(row, now)
            if len(rows) < BATCH:
                return
            after = rows[-1].seller_id


def count_decision(connection: Connection, record: DecisionRecord) -> None:
    """Count the listing of a new decision. Before its event is appended: see `index.store.changes.take`."""
    if not record.seller_id:
        return
    before = next(iter(_counted(connection, record.listing_id, record.seller_id)), None)
    was_struck = before is not None and before.struck
    if was_struck and not record.presumed_strike:
        return
    after = _Counted(
        listing_id=record.listing_id,
        seller_id=record.seller_id,
        decision_id=record.decision_id,
        decide_time=record.create_time,
        struck=was_struck or record.presumed_strike,
    )
    _replace(connection, before, after)


def recount_listing(connection: Connection, listing_id: str) -> None:
    """Find out again whether a listing is struck: after a verdict on it or its removal, before the event of it."""
    for before in _counted(connection, listing_id):
        strikes = select(func.count()).select_from(_DECIDED).where(_strikes(listing_id, before.seller_id))
        struck = connection.execute(strikes).scalar_one() > 0
        if struck != before.struck:
            _replace(connection, before, replace(before, struck=struck))


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """What a listing adds to its seller's tally."""

    listing_id: str
    seller_id: str
    decision_id: str
    decide_time: datetime
    struck: bool


# Decisions with the last word that a person gave on them (the row with the highest number) and their removal.
_LATER = verdicts.alias("later_verdicts")
_LAST_WORD = and_(
    verdicts.c.decision_id == decisions.c.decision_id,
    ~select(_LATER.c.number)
    .where(_LATER.c.decision_id == verdicts.c.decision_id, _LATER.c.number > verdicts.c.number)
    .exists(),
)
_REMOVAL = and_(
    removed_listings.c.decision_id == decisions.c.decision_id,
    removed_listings.c.reason == str(RemovalReason.COUNTERFEIT),
)
_DECIDED = decisions.outerjoin(verdicts, _LAST_WORD).outerjoin(removed_listings, _REMOVAL)


def _strikes(listing_id: str, seller_id: str) -> ColumnElement[bool]:
    """Pick the decisions that are strikes: the later of a person's verdict and a removal says so, else the machine."""
    stands = func.coalesce(~verdicts.c.undone, False)
    cleared = and_(stands, ~verdicts.c.infringing)
    removed = removed_listings.c.listing_id.is_not(None)
    cleared_since = and_(cleared, verdicts.c.create_time >= removed_listings.c.remove_time)
    by_removal = and_(removed, ~func.coalesce(cleared_since, False))
    by_person = and_(stands, verdicts.c.infringing)
    by_machine = and_(decisions.c.presumed_strike, ~stands)
    own = and_(decisions.c.listing_id == listing_id, decisions.c.seller_id == seller_id)
    return and_(own, or_(by_removal, by_person, by_machine))


# Built once, because each decision runs them: building a statement takes several times as long as running it.
_LISTING, _SELLER = bindparam("of_listing", type_=Text()), bindparam("of_seller", type_=Text())
_OF_LISTING = select(seller_listings).where(seller_listings.c.listing_id == _LISTING)
_OF_BOTH = _OF_LISTING.where(seller_listings.c.seller_id == _SELLER)
_INSERT = seller_listings.insert()
_UPDATE = (
    update(seller_listings)
    .where(seller_listings.c.listing_id == _LISTING, seller_listings.c.seller_id == _SELLER)
    .values({name: bindparam(name) for name in ("decision_id", "decide_time", "struck")})
)
_SUMS = ("listings", "strikes", "listings_weight", "strikes_weight")
_ADD = (
    update(seller_tallies)
    .where(seller_tallies.c.seller_id == _SELLER)
    .values({name: seller_tallies.c[name] + bindparam(f"more_{name}") for name in _SUMS})
)


def _counted(connection: Connection, listing_id: str, seller_id: str | None = None) -> list[_Counted]:
    """Give what of a listing is counted, for one seller or for each; sellers in order, so that no two waits cross."""
    of = {"of_listing": listing_id}
    if seller_id is None:
        rows = connection.execute(_OF_LISTING.order_by(seller_listings.c.seller_id), of)
    else:
        rows = connection.execute(_OF_BOTH, of | {"of_seller": seller_id})
    return [_Counted(**row._asdict()) for row in rows]


def _replace(connection: Connection, before: _Counted | None, after: _Counted) -> None:
    """Take out what was counted for a listing, and put in what is to be counted."""
    of = {"of_listing": after.listing_id, "of_seller": after.seller_id}
    if before is None:
        connection.execute(_INSERT, vars(after))
    else:
        kept = {"decision_id": after.decision_id, "decide_time": after.decide_time, "struck": after.struck}
        connection.execute(_UPDATE, of | kept)
    old, new = _parts(before), _parts(after)
    more = {"of_seller": after.seller_id} | {f"more_{name}": new[name] - old[name] for name in _SUMS}
    if connection.execute(_ADD, more).rowcount:
        return
    # Another transaction may count the seller's first listing at the same moment; both then add to its row.
    row = {"seller_id": after.seller_id, "first_time": after.decide_time}
    insert_new(connection, seller_tallies, [row | _parts(None)])
    connection.execute(_ADD, more)


def _parts(counted: _Counted | None) -> dict[str, float]:
    if counted is None:
        return {"listings": 0, "strikes": 0, "listings_weight": 0.0, "strikes_weight": 0.0}
    weight = weight_at(counted.decide_time)
    struck = int(counted.struck)
    return {"listings": 1, "strikes": struck, "listings_weight": weight, "strikes_weight": weight * struck}


def as_tally(row: Row[Any], now: datetime) -> SellerTally:
    """Return the tally of a row of `seller_tallies`, as it is worth `now`."""
    return SellerTally(
        decisions=row.listings,
        strikes=row.strikes,
        decayed=decayed(row.strikes_weight, row.listings_weight, now),
        first_time=row.first_time,
    )
