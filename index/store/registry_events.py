"""Who changed the registry, what, and when? One row for each change of a brand or of what belongs to it.

The numbers are given out in the order of the commits, so that whoever remembers the last one misses none.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from index.audit.entries import Act, Entry
from index.brand_records import RegistryAction, RegistryEvent
from index.names import normalise_name
from index.store.audit import enter
from index.store.changes import head, take
from index.store.engine import Database, in_batches
from index.store.tables.registry import brands, registry_events

# The counter's row is made by migration 0009.
_REGISTRY = "registry"


class RegistryEventStore:
    """The part of the store that tells who changed the registry."""

    _database: Database

    def registry_events(self, brand_id: str = "", *, after: int = 0, limit: int = 1000) -> tuple[RegistryEvent, ...]:
        """Return up to `limit` changes numbered above `after`, oldest first; of one brand, or of all."""
        query = select(registry_events).where(registry_events.c.number > after)
        if brand_id:
            query = query.where(registry_events.c.brand_id == brand_id)
        with self._database.read("read the changes of the registry") as connection:
            rows = connection.execute(query.order_by(registry_events.c.number).limit(limit)).all()
        return tuple(map(_event, rows))

    def brand_names_at(self, brand_ids: Collection[str], time: datetime) -> dict[str, str]:
        """Return the name, in its normal form, that each of the brands bore then; those made later are left out."""
        named: dict[str, str] = {}
        with self._database.read("read what brands were called") as connection:
            for batch in in_batches(brand_ids):
                there = or_(brands.c.create_time.is_(None), brands.c.create_time <= time)
                query = select(brands.c.brand_id, brands.c.name).where(brands.c.brand_id.in_(batch), there)
                named |= {row.brand_id: normalise_name(row.name) for row in connection.execute(query)}
                event = registry_events.c
                since = (event.action == str(RegistryAction.BRAND_RENAMED), event.create_time > time)
                renamed = select(event.brand_id, event.before).where(event.brand_id.in_(batch), *since)
                for row in connection.execute(renamed.order_by(event.number.desc())):  # the first one counts
                    if row.brand_id in named:
                        named[row.brand_id] = row.before
        return named


def note_change(connection: Connection, *events: RegistryEvent) -> None:
    """Note who changed brands or references: late in a transaction, see `take`. The store numbers the events."""
    if not events:
        return
    first = take(connection, _REGISTRY, len(events))
    rows = [
        vars(event) | {"number": number, "action": str(event.action), "fields": json.dumps(event.fields)}
        for number, event in enumerate(events, start=first)
    ]
    connection.execute(registry_events.insert(), rows)
    enter(connection, *map(_entry, events))


def last_change(connection: Connection) -> int:
    """Return the number of the newest change, 0 before the first."""
    return head(connection, _REGISTRY)


def _entry(event: RegistryEvent) -> Entry:
    facts = {"action": str(event.action), "reference": event.subject_id, "fields": " ".join(event.fields)}
    told = {name: fact for name, fact in facts.items() if fact}
    return Entry(act=Act.REGISTRY_CHANGED, subject=event.brand_id, actor=event.actor, facts=told)


def _event(row: Row[Any]) -> RegistryEvent:
    values = row._asdict()
    return RegistryEvent(
        **values | {"action": RegistryAction(values["action"]), "fields": tuple(json.loads(values["fields"]))}
    )
