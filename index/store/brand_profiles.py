"""What do owners keep of their brands? Whole brands: made, read, listed by name and changed, each change at most once.

A change names the revision that it was made from. The brand's row is moved on by one statement that finds that revision
or nothing, which is what lets exactly one of two rivals through on every database; the rest follows under that row's
lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, false, func, select, true, tuple_

from index.brand_records import BrandProfile, NamePlace, ProfilePage, RegistryAction, RegistryEvent
from index.errors import Conflict, NameTaken, NotFound
from index.names import normalise_name
from index.records import ChangeKind
from index.rulings import RequestKey
from index.store.brand_rows import (
    replace_keywords,
    replace_marks,
    replace_rights,
    select_profiles,
    shown_marks,
)
from index.store.brands import advance, insert_names, naming, rename, select_brands
from index.store.buyer_advice import advice_of
from index.store.changes import log_changes
from index.store.engine import Database, in_batches
from index.store.locks import lock_registry
from index.store.prices import bands_of
from index.store.registry_events import last_change, note_change
from index.store.requests import claim_request
from index.store.sellers import authorised_of
from index.store.tables.registry import brand_keywords, brand_names, brands, registry_events


class BrandProfileStore:
    """The part of the store that keeps brands as their owners see them."""

    _database: Database

    def create_brand(
        self, profile: BrandProfile, *, actor: str, now: datetime, request: RequestKey | None = None
    ) -> BrandProfile:
        """Add a brand, and return it as it was recorded; sellers and prices are set separately.

        When the same request came before, the brand that it made is returned as it is by now.

        Raises:
            KeyReused: the idempotency key was another request's.
            NameTaken: another brand goes by one of the names or keywords.
            Conflict: the id is taken.

        """
        with self._database.write("create a brand") as connection:
            earlier = claim_request(connection, request, profile.brand.brand_id, now)
            if earlier is None:
                lock_registry(connection)
                insert_profile(connection, profile, actor=actor, now=now)
            return _whole(connection, earlier or profile.brand.brand_id)

    def get_profile(self, brand_id: str) -> BrandProfile:
        """Return a brand with its sellers and price bands. Raises NotFound."""
        with self._database.read("read a brand") as connection:
            return _whole(connection, brand_id)

    def replace_profile(self, profile: BrandProfile, *, actor: str, now: datetime) -> BrandProfile:
        """Put a changed profile in the place of the one it was made from, and return it as it now is.

        `profile.revision` is that of the one it was made from; sellers and prices are left alone.

        Raises:
            NotFound: there is no such brand.
            NameTaken: another brand goes by one of the new names or keywords.
            Conflict: the brand was changed since, or a reference shows a mark that is left out.

        """
        brand_id = profile.brand.brand_id
        with self._database.write("change a brand") as connection:
            lock_registry(connection)
            advance(connection, brand_id, seen=profile.revision, now=now)
            old = select_profiles(connection, [brand_id])[0]
            _refuse_taken(connection, brand_id, _words(profile) - _words(old))
            changed = _put(connection, old, profile)
            events = [*naming(old.brand, profile.brand, actor=actor, time=now)]
            if changed:
                update = RegistryAction.BRAND_UPDATED
                events.append(
                    RegistryEvent(action=update, brand_id=brand_id, actor=actor, create_time=now, fields=changed)
                )
            note_change(connection, *events)
            if old.brand != profile.brand or "keywords" in changed:
                log_changes(connection, ChangeKind.BRAND, [brand_id])
            return _whole(connection, brand_id)

    def list_profiles(
        self, *, prefix: str = "", only: Collection[str] | None = None, after: NamePlace | None = None, limit: int
    ) -> ProfilePage:
        """Return up to `limit` brands in the order of their names, without sellers and price bands.

        `prefix` is one of a name or alias, whatever the case; `only` the ids to choose from. Brands that are renamed
        while somebody turns the pages keep the place that they had at the first one, so that each comes once.
        """
        with self._database.read("list brands") as connection:
            since = after.since if after else last_change(connection)
            key = func.coalesce(_renamed_since(since), brand_names.c.lookup_key)
            place = tuple_(key, brand_names.c.brand_id)
            query = (
                select(brand_names.c.brand_id, key.label("key"))
                .where(brand_names.c.position == 0, _begins(prefix))
                .where(true() if only is None else brand_names.c.brand_id.in_(only))
                .where(true() if after is None else place > tuple_(after.key, after.brand_id))
                .order_by(key, brand_names.c.brand_id)
                .limit(limit + 1)
            )
            rows = connection.execute(query).all()
            ids = [row.brand_id for row in rows[:limit]]
            found = {each.brand.brand_id: each for each in select_profiles(connection, ids)}
        last = NamePlace(since=since, key=rows[limit - 1].key, brand_id=ids[-1]) if len(rows) > limit else None
        return ProfilePage(profiles=tuple(found[brand_id] for brand_id in ids if brand_id in found), next_after=last)

    def brand_keywords(self) -> Mapping[str, tuple[str, ...]]:
        """Return every brand's keywords, by the brand's id; brands without any are left out."""
        found: dict[str, tuple[str, ...]] = {}
        query = select(brand_keywords).order_by(brand_keywords.c.brand_id, brand_keywords.c.position)
        with self._database.read("read keywords") as connection:
            for row in connection.execute(query):
                found[row.brand_id] = (*found.get(row.brand_id, ()), row.keyword)
        return found

    def shown_marks(self, brand_id: str) -> frozenset[str]:
        """Name the marks of a brand that references show, in whatever state."""
        with self._database.read("read which marks are shown") as connection:
            return shown_marks(connection, brand_id)


def insert_profile(connection: Connection, profile: BrandProfile, *, actor: str, now: datetime) -> None:
    """Add a brand under the registry's lock. Raises Conflict and NameTaken, as `create_brand` does."""
    brand = profile.brand
    if select_brands(connection, [brand.brand_id]):
        raise Conflict(f"There is a brand of the id {brand.brand_id!r} already; read it and update it.")
    _refuse_taken(connection, brand.brand_id, {brand.name, *brand.aliases, *profile.keywords})
    times = {"revision": 1, "create_time": now, "update_time": now}
    connection.execute(brands.insert().values(brand_id=brand.brand_id, name=brand.name, **times))
    insert_names(connection, [brand])
    replace_keywords(connection, brand.brand_id, profile.keywords)
    replace_rights(connection, brand.brand_id, profile.rights)
    replace_marks(connection, profile)
    note_change(connection, *naming(None, brand, actor=actor, time=now))
    log_changes(connection, ChangeKind.BRAND, [brand.brand_id])


def _whole(connection: Connection, brand_id: str) -> BrandProfile:
    found = select_profiles(connection, [brand_id])
    if not found:
        raise NotFound(f"There is no brand with the id {brand_id!r}; list_brands names those there are.")
    return replace(
        found[0],
        sellers=authorised_of(connection, brand_id),
        price_bands=bands_of(connection, brand_id),
        buyer_advice=advice_of(connection, brand_id),
    )


def _put(connection: Connection, old: BrandProfile, new: BrandProfile) -> tuple[str, ...]:
    """Store what differs, and return which lists do."""
    if old.brand != new.brand:
        rename(connection, [new.brand])
    changed = tuple(name for name in ("keywords", "rights", "marks") if getattr(old, name) != getattr(new, name))
    if "keywords" in changed:
        replace_keywords(connection, new.brand.brand_id, new.keywords)
    if "rights" in changed:
        replace_rights(connection, new.brand.brand_id, new.rights)
    if "marks" in changed:
        replace_marks(connection, new)
    return changed


def _words(profile: BrandProfile) -> set[str]:
    return {profile.brand.name, *profile.brand.aliases, *profile.keywords}


def _refuse_taken(connection: Connection, brand_id: str, words: Iterable[str]) -> None:
    """Raise NameTaken when another brand goes by one of the words: it would be taken for this one."""
    by_key: dict[str, set[str]] = {}
    for word in words:
        by_key.setdefault(normalise_name(word), set()).add(word)
    taken: set[str] = set()
    for batch in in_batches(by_key):
        query = select(brand_names.c.lookup_key).where(
            brand_names.c.lookup_key.in_(batch), brand_names.c.brand_id != brand_id
        )
        taken.update(*(by_key[key] for key in connection.scalars(query)))
    if taken:
        raise NameTaken(frozenset(taken))


def _renamed_since(number: int) -> ColumnElement[str]:
    """Select the name, in its normal form, that a brand had at the change `number`; null where it has it still."""
    event = registry_events
    return (
        select(event.c.before)
        .where(
            event.c.brand_id == brand_names.c.brand_id,
            event.c.number > number,
            event.c.action == str(RegistryAction.BRAND_RENAMED),
        )
        .order_by(event.c.number)
        .limit(1)
        .correlate(brand_names)
        .scalar_subquery()
    )


def _begins(prefix: str) -> ColumnElement[bool]:
    if not prefix:
        return true()
    # A blank at the end parts words, so that "Red " is not the beginning of "Redken".
    begun = normalise_name(prefix) + (" " if prefix[-1].isspace() else "")
    if not begun.strip():
        return false()
    other = brand_names.alias()
    matching = and_(other.c.brand_id == brand_names.c.brand_id, other.c.lookup_key.startswith(begun, autoescape=True))
    return select(other.c.brand_id).where(matching).correlate(brand_names).exists()
