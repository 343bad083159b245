"""Which cases come next? The queue's filter, its orders and its pages, as SQL; `index.store.cases` runs it.

Pages go on from the last place seen (keyset), so that a page costs the same however deep it lies. A case that is drawn
takes the place of a waiting one that is chosen by lot, whatever its own harm: drawn ones are then spread evenly over
the queue, and however far moderators get, the share of drawn ones among what they saw is the share that is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, true

from index.case_records import UNRESOLVED, Case, CaseFilter, CaseOrder, CaseState, Place, lot_of
from index.store.tables.base import UtcDateTime
from index.store.tables.cases import case_brands, case_reasons, cases, resolutions

# Where cases without a due time stand in CaseOrder.DUE.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_DUE = func.coalesce(cases.c.due_time, literal(_NEVER, UtcDateTime), type_=UtcDateTime())

# The column that each order goes by, and whether the greatest comes first; ids decide among equals, the same way.
_ORDERS: dict[CaseOrder, tuple[ColumnElement[Any], bool]] = {
    CaseOrder.EXPECTED_HARM: (cases.c.queue_key, True),
    CaseOrder.OLDEST: (cases.c.create_time, False),
    CaseOrder.NEWEST: (cases.c.create_time, True),
    CaseOrder.DUE: (_DUE, False),
}


def ordered(query: Select[Any], order: CaseOrder, *, after: Place | None = None) -> Select[Any]:
    """Put the cases of `query` in order, from the first one that follows `after`."""
    key, descending = _ORDERS[order]
    if after is not None:
        place = literal(after.key, key.type)
        beyond = key < place if descending else key > place
        next_id = cases.c.case_id < after.case_id if descending else cases.c.case_id > after.case_id
        query = query.where(or_(beyond, and_(key == place, next_id)))
    ends = (key.desc(), cases.c.case_id.desc()) if descending else (key.asc(), cases.c.case_id.asc())
    return query.order_by(*ends)


def place_of(case: Case, queue_key: float, order: CaseOrder) -> Place:
    """Name the place at which a case stands in this order."""
    if order is CaseOrder.EXPECTED_HARM:
        return Place(queue_key, case.case_id)
    if order is CaseOrder.DUE:
        return Place(case.due_time or _NEVER, case.case_id)
    return Place(case.create_time, case.case_id)


def in_place(found: Iterable[tuple[Case, float]], order: CaseOrder) -> list[tuple[Place, Case]]:
    """Put beside each case, which comes with its key in the queue, the place at which it stands in this order."""
    return [(place_of(case, key, order), case) for case, key in found]


def among(
    found: list[tuple[Place, Case]], others: list[tuple[Place, Case]], order: CaseOrder, *, after: Place | None
) -> list[tuple[Place, Case]]:
    """Put those of `others` that follow `after` among cases that do, in order; to be cut where a page ends."""
    if not others:
        return found
    _, descending = _ORDERS[order]
    rows = [(place.key, place.case_id, case) for place, case in (*found, *others)]
    if after is not None:
        seen = (after.key, after.case_id)
        rows = [row for row in rows if (row[:2] < seen if descending else row[:2] > seen)]
    return [(Place(key, name), case) for key, name, case in sorted(rows, key=lambda row: row[:2], reverse=descending)]


def veiled(listing_ids: Collection[str]) -> ColumnElement[bool]:
    """Return the condition of cases of these listings on which people decided, which would tell what."""
    return and_(cases.c.listing_id.in_(sorted(listing_ids)), cases.c.state != str(CaseState.OPEN))


def fits(wanted: CaseFilter, now: datetime, *, states: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
    """Return the condition that cases of this filter meet; `states` stands in for the filter's own."""
    brand = case_brands.c.case_id == cases.c.case_id, case_brands.c.brand_id.in_(wanted.brand_ids)
    reason = case_reasons.c.case_id == cases.c.case_id, case_reasons.c.reason_code == wanted.reason_code
    conditions = {
        cases.c.origin.in_([str(origin) for origin in wanted.origins]): bool(wanted.origins),
        cases.c.verdict.in_(wanted.verdicts): bool(wanted.verdicts),
        select(case_brands.c.case_id).where(*brand).exists(): bool(wanted.brand_ids),
        select(case_reasons.c.case_id).where(*reason).exists(): bool(wanted.reason_code),
        cases.c.seller_id == wanted.seller_id: bool(wanted.seller_id),
        cases.c.listing_id == wanted.listing_id: bool(wanted.listing_id),
        cases.c.scan_id == wanted.scan_id: bool(wanted.scan_id),
        cases.c.case_id.not_in(wanted.except_ids): bool(wanted.except_ids),
        and_(_held(now), cases.c.holder == wanted.holder): bool(wanted.holder),
    }
    found = [condition for condition, asked in conditions.items() if asked]
    if wanted.created_from is not None:
        found.append(cases.c.create_time >= wanted.created_from)
    if wanted.created_before is not None:
        found.append(cases.c.create_time < wanted.created_before)
    return and_(_in_states(wanted.states, now) if states is None else states, *found)


def claimable(reviewer: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition of cases that wait for a person, that nobody holds and that `reviewer` may decide.

    A second review or an appeal is not offered to somebody who took part in the decision.
    """
    own = (
        resolutions.c.decision_id == cases.c.decision_id,
        or_(resolutions.c.reviewer == reviewer, resolutions.c.second_reviewer == reviewer),
    )
    took_part = select(resolutions.c.number).where(*own).exists()
    waiting = cases.c.state.in_([str(state) for state in UNRESOLVED])
    return and_(waiting, ~_held(now), or_(cases.c.state == str(CaseState.OPEN), ~took_part))


def queue_key(connection: Connection, case: Case) -> float:
    """Return where a new case stands: by its expected harm, or, drawn, in the place of a waiting one."""
    if not case.drawn:
        return case.expected_harm
    lot = lot_of(f"place of {case.case_id}")
    waiting = select(cases.c.queue_key).where(cases.c.state == str(CaseState.OPEN)).order_by(cases.c.lot).limit(1)
    for among in (cases.c.lot >= lot, true()):  # past the greatest lot it begins again with the smallest
        found = connection.scalars(waiting.where(among)).first()
        if found is not None:
            return float(found)
    return case.expected_harm


def _in_states(states: tuple[CaseState, ...], now: datetime) -> ColumnElement[bool]:
    wanted = states or (CaseState.OPEN,)
    stored = [str(state) for state in wanted if state not in (CaseState.OPEN, CaseState.CLAIMED)]
    is_open = cases.c.state == str(CaseState.OPEN)
    conditions: list[ColumnElement[bool]] = [cases.c.state.in_(stored)] if stored else []
    if CaseState.OPEN in wanted and CaseState.CLAIMED in wanted:
        conditions.append(is_open)
    elif CaseState.OPEN in wanted:
        conditions.append(and_(is_open, ~_held(now)))
    elif CaseState.CLAIMED in wanted:
        conditions.append(and_(is_open, _held(now)))
    return or_(*conditions)


def _held(now: datetime) -> ColumnElement[bool]:
    # Never null, so that it can be negated.
    return and_(cases.c.lease_expire_time.is_not(None), cases.c.lease_expire_time > now)
