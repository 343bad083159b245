"""How do rights, marks and keywords lie in the tables? Rows to records and back, for `index.store.brand_profiles`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from index.brand_records import (
    BrandMark,
    BrandProfile,
    ExhaustionRegime,
    Right,
    RightStatus,
    RightType,
    mark_key,
    told_mark_id,
)
from index.records import MarkKind, ReferenceState
from index.store.brands import select_brands
from index.store.engine import in_batches
from index.store.tables.references import references
from index.store.tables.registry import brand_keywords, brand_rights, brands, marks

_FIELDS = tuple(Right.__dataclass_fields__)
_LISTS = ("nice_classes", "territories", "licensee_names", "exhaustion_territories")
_ENUMS = {"type": RightType, "status": RightStatus, "exhaustion_regime": ExhaustionRegime}
# The form of a mark, by what protects it: the store keeps one for each, and owners do not name it.
_KINDS = {
    RightType.WORD_MARK: MarkKind.WORDMARK,
    RightType.FIGURATIVE_MARK: MarkKind.LOGO,
    RightType.DESIGN: MarkKind.TRADE_DRESS,
    RightType.COPYRIGHT: MarkKind.PATTERN,
}


def select_profiles(connection: Connection, brand_ids: Sequence[str]) -> list[BrandProfile]:
    """Return those of the brands that are stored, in the order of their ids, without sellers and price bands."""
    found: list[BrandProfile] = []
    for batch in in_batches(brand_ids):
        # First, so that what follows is of this revision or newer, and an etag never promises more than it knows.
        rows = connection.execute(select(brands).where(brands.c.brand_id.in_(batch))).all()
        named = {brand.brand_id: brand for brand in select_brands(connection, batch)}
        keywords, rights, own_marks = (
            _by_brand(connection, select(table).where(table.c.brand_id.in_(batch)).order_by(table.c.position))
            for table in (brand_keywords, brand_rights, marks)
        )
        active = _active_references(connection, batch)
        for row in sorted(rows, key=lambda row: batch.index(row.brand_id)):
            own = row.brand_id
            found.append(
                BrandProfile(
                    brand=named[own],
                    keywords=tuple(each.keyword for each in keywords[own]),
                    rights=tuple(map(_right, rights[own])),
                    marks=tuple(map(_mark, own_marks[own])),
                    revision=row.revision,
                    create_time=row.create_time,
                    update_time=row.update_time,
                    active_references=active.get(own, 0),
                )
            )
    return found


def replace_keywords(connection: Connection, brand_id: str, keywords: Sequence[str]) -> None:
    """Replace what is searched for in the words of listings."""
    connection.execute(delete(brand_keywords).where(brand_keywords.c.brand_id == brand_id))
    rows = [{"brand_id": brand_id, "position": place, "keyword": word} for place, word in enumerate(keywords)]
    if rows:
        connection.execute(brand_keywords.insert(), rows)


def replace_rights(connection: Connection, brand_id: str, rights: Sequence[Right]) -> None:
    """Replace a brand's rights."""
    connection.execute(delete(brand_rights).where(brand_rights.c.brand_id == brand_id))
    rows = [
        {"brand_id": brand_id, "position": place} | {name: _column(getattr(right, name)) for name in _FIELDS}
        for place, right in enumerate(rights)
    ]
    if rows:
        connection.execute(brand_rights.insert(), rows)


def replace_marks(connection: Connection, profile: BrandProfile) -> None:
    """Replace a brand's marks; those that stay are kept, for references show them. Fails where one that goes is shown.

    A mark that was put under an id of its own (`put_marks`) keeps it.
    """
    own = profile.brand.brand_id
    stored = {told_mark_id(own, key): key for key in connection.scalars(_keys_of(own))}
    kept = {mark.mark_id for mark in profile.marks}
    gone = [key for mark_id, key in stored.items() if mark_id not in kept]
    for batch in in_batches(gone):
        connection.execute(delete(marks).where(marks.c.mark_id.in_(batch)))
    for place, mark in enumerate(profile.marks):
        values = {"name": mark.name, "right_ids": json.dumps(mark.right_ids), "position": place}
        if mark.mark_id in stored:
            connection.execute(update(marks).where(marks.c.mark_id == stored[mark.mark_id]).values(**values))
        else:
            kind = str(_kind(mark, profile.rights))
            new = {"mark_id": mark_key(own, mark.mark_id), "brand_id": own, "kind": kind}
            connection.execute(marks.insert().values(**new, **values))


def shown_marks(connection: Connection, brand_id: str) -> frozenset[str]:
    """Name the marks that references of the brand show, in whatever state, as the brand's owner knows them."""
    shown = select(references.c.mark_id).where(references.c.brand_id == brand_id, references.c.mark_id.is_not(None))
    return frozenset(told_mark_id(brand_id, key) for key in connection.scalars(shown.distinct()))


def _by_brand(connection: Connection, query: Select[Any]) -> defaultdict[str, list[Row[Any]]]:
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.brand_id].append(row)
    return found


def _active_references(connection: Connection, brand_ids: Iterable[str]) -> dict[str, int]:
    active = references.c.state == str(ReferenceState.ACTIVE)
    count = select(references.c.brand_id, func.count()).where(references.c.brand_id.in_(brand_ids), active)
    return {row[0]: int(row[1]) for row in connection.execute(count.group_by(references.c.brand_id))}


def _keys_of(brand_id: str) -> Select[Any]:
    return select(marks.c.mark_id).where(marks.c.brand_id == brand_id)


def _kind(mark: BrandMark, rights: Sequence[Right]) -> MarkKind:
    types = [right.type for right in rights if right.right_id in mark.right_ids]
    return _KINDS[types[0]] if types else MarkKind.LOGO


def _column(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value


def _right(row: Row[Any]) -> Right:
    values = {name: getattr(row, name) for name in _FIELDS}
    values |= {name: tuple(json.loads(values[name])) for name in _LISTS}
    return Right(**values | {name: enum(values[name]) for name, enum in _ENUMS.items()})


def _mark(row: Row[Any]) -> BrandMark:
    mark_id = told_mark_id(row.brand_id, row.mark_id)
    return BrandMark(mark_id=mark_id, name=row.name, right_ids=tuple(json.loads(row.right_ids)))
