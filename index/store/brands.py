"""Which brands are there, and which one does a seller's wording name? Brands, their aliases and their marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select, true, update

from index.audit.entries import Act, Entry
from index.brand_records import RegistryAction, RegistryEvent
from index.errors import Conflict, NotFound, StoreError
from index.names import normalise_name
from index.records import Brand, ChangeKind, Mark, MarkKind
from index.store.audit import enter
from index.store.changes import log_changes
from index.store.engine import Database, in_batches
from index.store.locks import lock_registry
from index.store.registry_events import note_change
from index.store.tables.registry import brand_names, brands, marks


class BrandStore:
    """The part of the store that keeps brands and marks."""

    _database: Database

    def put_brands(self, records: Iterable[Brand], *, actor: str = "", now: datetime | None = None) -> int:
        """Add brands, or replace those with the same id, all or none; return how many are new or differ.

        A brand that is stored just so counts as no change, so that seeding twice leaves the version alone. Of one that
        differs only the names are replaced.
        """
        now = now or datetime.now(UTC)
        wanted = {brand.brand_id: brand for brand in records}
        for brand in wanted.values():
            if not normalise_name(brand.name):
                raise StoreError(
                    f"The brand {brand.brand_id!r} has the name {brand.name!r}; a name has letters or digits."
                )
        with self._database.write("put brands") as connection:
            lock_registry(connection)
            stored = {brand.brand_id: brand for brand in select_brands(connection, list(wanted))}
            fresh = [brand for brand in wanted.values() if brand.brand_id not in stored]
            differing = [brand for brand in wanted.values() if stored.get(brand.brand_id, brand) != brand]
            if fresh:
                times = {"create_time": now, "update_time": now}
                rows = [{"brand_id": brand.brand_id, "name": brand.name, **times} for brand in fresh]
                connection.execute(brands.insert(), rows)
            for brand in differing:
                advance(connection, brand.brand_id, seen=None, now=now)
            rename(connection, differing)
            insert_names(connection, fresh)
            events = [
                event
                for brand in (*fresh, *differing)
                for event in naming(stored.get(brand.brand_id), brand, actor=actor, time=now)
            ]
            note_change(connection, *events)
            log_changes(connection, ChangeKind.BRAND, [brand.brand_id for brand in (*fresh, *differing)])
        return len(fresh) + len(differing)

    def get_brand(self, brand_id: str) -> Brand:
        """Return a brand. Raises NotFound."""
        with self._database.read("read a brand") as connection:
            found = select_brands(connection, [brand_id])
        if not found:
            raise NotFound(f"There is no brand with the id {brand_id!r}; list_brands names those there are.")
        return found[0]

    def list_brands(self, *, after: str = "", limit: int = 1000) -> tuple[Brand, ...]:
        """Return up to `limit` brands in the order of their ids, from the first one after `after`."""
        page = select(brands.c.brand_id).where(brands.c.brand_id > after).order_by(brands.c.brand_id).limit(limit)
        with self._database.read("list brands") as connection:
            return tuple(select_brands(connection, list(connection.scalars(page))))

    def iter_brands(self) -> Iterator[Brand]:
        """Yield all brands in the order of their ids, page by page."""
        page = self.list_brands()
        while page:
            yield from page
            page = self.list_brands(after=page[-1].brand_id)

    def brand_names_of(self, brand_ids: Collection[str]) -> dict[str, str]:
        """Return the names of those of the brands that are stored, by id."""
        found: dict[str, str] = {}
        with self._database.read("read brands' names") as connection:
            for batch in in_batches(brand_ids):
                query = select(brands.c.brand_id, brands.c.name).where(brands.c.brand_id.in_(batch))
                found.update((row.brand_id, row.name) for row in connection.execute(query))
        return found

    def find_brand(self, name_or_alias: str) -> Brand | None:
        """Return the brand that goes by this name, in any spelling that `index.names` takes for the same.

        When several do, one whose name it is comes before one whose alias it is, then the one with the lowest id.
        """
        key = normalise_name(name_or_alias)
        if not key:
            return None
        query = (
            select(brand_names.c.brand_id)
            .where(brand_names.c.lookup_key == key)
            .order_by(brand_names.c.position > 0, brand_names.c.brand_id)
            .limit(1)
        )
        with self._database.read("find a brand") as connection:
            brand_id = connection.scalars(query).one_or_none()
            return None if brand_id is None else select_brands(connection, [brand_id])[0]

    def put_marks(self, records: Iterable[Mark]) -> int:
        """Add marks, or replace those with the same id, all or none; return how many were given. Raises NotFound."""
        wanted = {mark.mark_id: mark for mark in records}
        rows = [
            {"mark_id": mark.mark_id, "brand_id": mark.brand_id, "kind": str(mark.kind), "name": mark.name}
            for mark in wanted.values()
        ]
        with self._database.write("put marks") as connection:
            lock_registry(connection)
            require_brands(connection, {mark.brand_id for mark in wanted.values()})
            stored = _present(connection, list(wanted))
            fresh = [row for row in rows if row["mark_id"] not in stored]
            if fresh:
                connection.execute(marks.insert(), fresh)
            for row in rows:
                if row["mark_id"] in stored:
                    connection.execute(update(marks).where(marks.c.mark_id == row["mark_id"]).values(**row))
            counted = Counter(str(row["brand_id"]) for row in rows)
            entries = [
                Entry(act=Act.MARKS_PUT, subject=brand_id, facts={"marks": count})
                for brand_id, count in counted.items()
            ]
            enter(connection, *entries)
        return len(rows)

    def list_marks(self, brand_id: str) -> tuple[Mark, ...]:
        """Return the marks of a brand in the order of their ids."""
        query = select(marks).where(marks.c.brand_id == brand_id).order_by(marks.c.mark_id)
        with self._database.read("list marks") as connection:
            return tuple(
                Mark(mark_id=row.mark_id, brand_id=row.brand_id, kind=MarkKind(row.kind), name=row.name)
                for row in connection.execute(query)
            )


def advance(connection: Connection, brand_id: str, *, seen: int | None, now: datetime) -> None:
    """Note that a brand changes, and keep others from changing it until the transaction ends.

    Args:
        connection: in a write transaction.
        brand_id: the brand.
        seen: the revision that the change was made from; None changes whatever is there.
        now: when.

    Raises:
        NotFound: there is no such brand.
        Conflict: it is of another revision by now.

    """
    this = brands.c.brand_id == brand_id
    # One statement: of two rivals, PostgreSQL lets the second look at the row again when the first has committed.
    moved = update(brands).where(this, true() if seen is None else brands.c.revision == seen)
    moved = moved.values(revision=brands.c.revision + 1, update_time=now)
    if connection.execute(moved).rowcount == 0:
        require_brands(connection, [brand_id])
        raise Conflict(f"The brand {brand_id!r} was changed meanwhile; read it again and apply your change to that.")


def require_brands(connection: Connection, brand_ids: Iterable[str]) -> None:
    """Raise NotFound unless every one of the brands is stored."""
    wanted = set(brand_ids)
    for batch in in_batches(sorted(wanted)):
        wanted.difference_update(connection.scalars(select(brands.c.brand_id).where(brands.c.brand_id.in_(batch))))
    if wanted:
        raise NotFound(f"There is no brand with the id {min(wanted)!r}; put the brand before what belongs to it.")


def naming(old: Brand | None, new: Brand, *, actor: str, time: datetime) -> Iterator[RegistryEvent]:
    """Say what is done to the registry where `new` takes the place of `old`."""

    def event(action: RegistryAction, *fields: str, before: str = "") -> RegistryEvent:
        return RegistryEvent(
            action=action, brand_id=new.brand_id, actor=actor, create_time=time, fields=fields, before=before
        )

    if old is None:
        yield event(RegistryAction.BRAND_CREATED)
        return
    if old.name != new.name:
        yield event(RegistryAction.BRAND_RENAMED, "name", before=normalise_name(old.name))
    if old.aliases != new.aliases:
        yield event(RegistryAction.BRAND_UPDATED, "aliases")


def require_marks(connection: Connection, mark_ids: Iterable[str]) -> None:
    """Raise NotFound unless every one of the marks is stored."""
    wanted = set(mark_ids)
    if missing := wanted - _present(connection, sorted(wanted)):
        raise NotFound(f"There is no mark with the id {min(missing)!r}; put the mark before its references.")


def _present(connection: Connection, mark_ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for batch in in_batches(mark_ids):
        found.update(connection.scalars(select(marks.c.mark_id).where(marks.c.mark_id.in_(batch))))
    return found


def select_brands(connection: Connection, brand_ids: Sequence[str]) -> list[Brand]:
    """Return those of the brands that are stored, in the order of their ids."""
    found: list[Brand] = []
    for batch in in_batches(brand_ids):
        aliases: dict[str, list[str]] = {}
        listed = (brand_names.c.brand_id.in_(batch), brand_names.c.position > 0)
        for row in connection.execute(select(brand_names).where(*listed).order_by(brand_names.c.position)):
            aliases.setdefault(row.brand_id, []).append(row.name)
        for row in connection.execute(select(brands).where(brands.c.brand_id.in_(batch)).order_by(brands.c.brand_id)):
            found.append(Brand(brand_id=row.brand_id, name=row.name, aliases=tuple(aliases.get(row.brand_id, ()))))
    return found


def rename(connection: Connection, records: Sequence[Brand]) -> None:
    """Give stored brands the names and aliases of the records."""
    for brand in records:
        connection.execute(delete(brand_names).where(brand_names.c.brand_id == brand.brand_id))
        connection.execute(update(brands).where(brands.c.brand_id == brand.brand_id).values(name=brand.name))
    insert_names(connection, records)


def insert_names(connection: Connection, records: Sequence[Brand]) -> None:
    """Add the names and aliases of new brands."""
    rows = [
        {"brand_id": brand.brand_id, "position": position, "name": name, "lookup_key": normalise_name(name)}
        for brand in records
        for position, name in enumerate((brand.name, *brand.aliases))
    ]
    if rows:
        connection.execute(brand_names.insert(), rows)
