"""Which brands are photos of a listing about? Every one that a decision, case, report or evidence names.

An order on a brand keeps the photos of whatever may concern it. The brand at stake in a decision is one guess, and
there may be none: what else was seen, who reported and on which right count as well, under all of a brand's names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from index.names import normalise_name
from index.store.engine import in_batches
from index.store.tables.cases import case_brands, cases, reports
from index.store.tables.decisions import decisions
from index.store.tables.listings import listing_brands
from index.store.tables.registry import brand_names, brand_rights

_NUMBERS = ("right_id", "registration_number", "application_number", "international_registration_number")


def brands_about(connection: Connection, listing_ids: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return the brands that each of the listings may be about: their names and aliases, as `normalise_name` writes."""
    names: dict[str, set[str]] = defaultdict(set)
    brand_ids: dict[str, set[str]] = defaultdict(set)
    for batch in in_batches(sorted(set(listing_ids))):
        for query in _naming(batch):
            for listing_id, name in connection.execute(query):
                names[listing_id].add(normalise_name(name))
        for query in _identifying(batch):
            for listing_id, brand_id in connection.execute(query):
                brand_ids[listing_id].add(brand_id)
        for listing_id, brand_id in _of_rights(connection, batch):
            brand_ids[listing_id].add(brand_id)
    owners = _owners(connection, {name for each in names.values() for name in each})
    for listing_id, known in names.items():
        brand_ids[listing_id].update(brand_id for name in known for brand_id in owners[name])
    all_names = _all_names(connection, {one for each in brand_ids.values() for one in each})
    return {
        listing_id: frozenset(names[listing_id].union(*(all_names[one] for one in brand_ids[listing_id])))
        for listing_id in {*names, *brand_ids}
    }


def _naming(listing_ids: list[str]) -> Iterator[Select[Any]]:
    for table in (decisions, cases):
        of = (table.c.listing_id.in_(listing_ids), table.c.brand != "")
        yield select(table.c.listing_id, table.c.brand).where(*of).distinct()


def _identifying(listing_ids: list[str]) -> Iterator[Select[Any]]:
    in_cases = select(cases.c.listing_id, case_brands.c.brand_id).join_from(cases, case_brands)
    yield in_cases.where(cases.c.listing_id.in_(listing_ids)).distinct()
    for table in (listing_brands, reports):
        of = (table.c.listing_id.in_(listing_ids), table.c.brand_id != "")
        yield select(table.c.listing_id, table.c.brand_id).where(*of).distinct()


def _of_rights(connection: Connection, listing_ids: list[str]) -> Iterator[tuple[str, str]]:
    """Yield listings with the brands whose rights notices about them rest on."""
    noticed = select(reports.c.listing_id, reports.c.notice)
    noticed = noticed.where(reports.c.listing_id.in_(listing_ids), reports.c.notice.is_not(None))
    claimed = [(row.listing_id, row.notice["right_id"]) for row in connection.execute(noticed)]
    owners: dict[str, set[str]] = defaultdict(set)
    for batch in in_batches(sorted({number for _, number in claimed if number})):
        numbered = or_(*(brand_rights.c[name].in_(batch) for name in _NUMBERS))
        for row in connection.execute(select(brand_rights).where(numbered)):
            for name in _NUMBERS:
                owners[getattr(row, name)].add(row.brand_id)
    owners.pop("", None)  # a number that a right lacks
    yield from ((listing_id, brand_id) for listing_id, number in claimed for brand_id in owners[number])


def _owners(connection: Connection, names: Iterable[str]) -> Mapping[str, set[str]]:
    """Return the ids of the brands that go by each name."""
    found: dict[str, set[str]] = defaultdict(set)
    for batch in in_batches(sorted(names)):
        named = select(brand_names.c.lookup_key, brand_names.c.brand_id).where(brand_names.c.lookup_key.in_(batch))
        for name, brand_id in connection.execute(named):
            found[name].add(brand_id)
    return found


def _all_names(connection: Connection, brand_ids: Iterable[str]) -> Mapping[str, set[str]]:
    """Return what each brand goes by."""
    found: dict[str, set[str]] = defaultdict(set)
    for batch in in_batches(sorted(brand_ids)):
        named = select(brand_names.c.brand_id, brand_names.c.lookup_key).where(brand_names.c.brand_id.in_(batch))
        for brand_id, name in connection.execute(named):
            found[brand_id].add(name)
    return found
