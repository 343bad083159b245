"""What happened to one listing, and which takedowns came into force in a time? Read back for evidence and registers."""

from __future__ import annotations

import heapq
from datetime import datetime
from itertools import islice

from sqlalchemy import Column, ColumnElement, Connection, and_, or_, select

from index.evidence_records import ListingHistory, Restriction, Takedown, TakedownPage, TakedownPlace
from index.reports import Report
from index.rulings import Resolution
from index.store.appeals import against
from index.store.decisions import find_decision, record_of, records_where
from index.store.engine import Database
from index.store.legal_steps import steps_about
from index.store.reports import reports_on
from index.store.restrictions import TAKEDOWN, begins_by, begins_with, reports_behind, restriction_under
from index.store.rulings import all_on, resolutions_where, standing
from index.store.tables.cases import resolutions
from index.store.tables.decisions import decisions

# A listing that is offered again and again; what came before stands in the packages made before.
MOST_DECISIONS = 200


class HistoryStore:
    """The part of the store that tells what happened to listings."""

    _database: Database

    def listing_history(self, listing_id: str) -> ListingHistory:
        """Return what was decided and said about a listing: its newest decisions and all that belongs to them."""
        newest = select(decisions).where(decisions.c.listing_id == listing_id).order_by(decisions.c.number.desc())
        with self._database.read("read a listing's history") as connection:
            found = tuple(reversed(records_where(connection, newest.limit(MOST_DECISIONS))))
            ids = [one.decision_id for one in found]
            return ListingHistory(
                decisions=found,
                resolutions=tuple(one for each in ids for one in all_on(connection, each)),
                reports=reports_on(connection, listing_id),
                appeals=tuple(one for each in ids for one in against(connection, each)),
                steps=tuple(steps_about(connection, ids)),
            )

    def first_decision_time(self, listing_id: str) -> datetime:
        """Return when a listing was decided on for the first time: it was offered then at the latest."""
        own = select(decisions.c.create_time).where(decisions.c.listing_id == listing_id).order_by(decisions.c.number)
        with self._database.read("read a listing's first decision") as connection:
            time: datetime = connection.execute(own.limit(1)).scalar_one()
            return time

    def restriction_under(self, decision_id: str) -> Restriction | None:
        """Return the restriction that a decision's verdict in force belongs to, None when that takes nothing down.

        Raises NotFound.
        """
        with self._database.read("read since when a listing is down") as connection:
            return restriction_under(connection, decision_id)

    def reports_behind(self, listing_id: str, moment: datetime) -> tuple[Report, ...]:
        """Return what had been reported about a listing by a moment and was not declined then, the oldest first."""
        with self._database.read("read what led to a takedown") as connection:
            return reports_behind(connection, listing_id, moment)

    def standing_resolution(self, decision_id: str) -> Resolution | None:
        """Return the resolution that holds on a decision, or None when the service's own verdict does."""
        with self._database.read("read the resolution in force") as connection:
            return next((one for one in reversed(standing(connection, decision_id)) if one.in_force), None)

    def takedowns_between(
        self, start: datetime, end: datetime, *, after: TakedownPlace | None = None, limit: int
    ) -> TakedownPage:
        """Return up to `limit` restrictions that began at `start` or later and before `end`, in the order of time.

        What only confirms one, or decides anew on a listing that is down, begins none (`index.store.restrictions`). One
        that was undone later counts, for it was in force.
        """
        place = after or TakedownPlace(start, by_person=False, number=0)
        with self._database.read("list takedowns") as connection:
            rows = heapq.merge(
                self._machine(connection, start, end, place, limit + 1),
                self._people(connection, start, end, place, limit + 1),
                key=lambda pair: _key(pair[0]),
            )
            page = list(islice(rows, limit + 1))
            found = tuple(one for _, one in page[:limit] if one is not None)
        return TakedownPage(takedowns=found, next_after=page[limit - 1][0] if len(page) > limit else None)

    def _machine(
        self, connection: Connection, start: datetime, end: datetime, place: TakedownPlace, limit: int
    ) -> list[tuple[TakedownPlace, Takedown | None]]:
        when = (decisions.c.create_time >= start, decisions.c.create_time < end, decisions.c.verdict == TAKEDOWN)
        # People's come after the service's of the same moment.
        number = 2**62 if place.by_person else place.number
        later = _after(decisions.c.create_time, decisions.c.number, place.time, number)
        query = select(decisions).where(*when, later).order_by(decisions.c.create_time, decisions.c.number).limit(limit)
        found: list[tuple[TakedownPlace, Takedown | None]] = []
        for row in connection.execute(query).all():
            one = record_of(row)
            taken = Takedown(time=one.create_time, decision=one, resolution=None)
            place_of_row = TakedownPlace(one.create_time, by_person=False, number=row.number)
            found.append((place_of_row, taken if begins_with(connection, one) else None))
        return found

    def _people(
        self, connection: Connection, start: datetime, end: datetime, place: TakedownPlace, limit: int
    ) -> list[tuple[TakedownPlace, Takedown | None]]:
        time = resolutions.c.resolve_time
        when = (resolutions.c.verdict == TAKEDOWN, resolutions.c.in_force, time >= start, time < end)
        number = place.number if place.by_person else 0
        later = _after(time, resolutions.c.number, place.time, number)
        query = select(resolutions).where(*when, later).order_by(time, resolutions.c.number).limit(limit)
        found: list[tuple[TakedownPlace, Takedown | None]] = []
        for row_number, one in resolutions_where(connection, query):
            taken = None
            if begins_by(connection, one):
                decision = find_decision(connection, one.decision_id)
                taken = Takedown(time=one.resolve_time, decision=decision, resolution=one)
            found.append((TakedownPlace(one.resolve_time, by_person=True, number=row_number), taken))
        return found


def _after(time: Column[datetime], number: Column[int], from_time: datetime, from_number: int) -> ColumnElement[bool]:
    return or_(time > from_time, and_(time == from_time, number > from_number))


def _key(place: TakedownPlace) -> tuple[datetime, bool, int]:
    return place.time, place.by_person, place.number
