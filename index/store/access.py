"""Which API keys are there? Added and revoked; the rows are never deleted, for what a key did stays on record."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from index.access import ApiKey
from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound
from index.store.audit import enter
from index.store.engine import Database
from index.store.tables.access import api_key_brands, api_keys

_COLUMNS = tuple(column.name for column in api_keys.c)


class AccessStore:
    """The part of the store that keeps API keys."""

    _database: Database

    def add_key(self, key: ApiKey) -> None:
        """Put a key on record. Raises Conflict when its id is taken."""
        values = {name: getattr(key, name) for name in _COLUMNS} | {"roles": " ".join(sorted(key.roles))}
        brands = [{"key_id": key.key_id, "brand_id": brand} for brand in sorted(key.brands)]
        with self._database.write(f"add the key {key.key_id!r}") as connection:
            connection.execute(api_keys.insert().values(values))
            if brands:
                connection.execute(api_key_brands.insert(), brands)
            facts = {"roles": values["roles"], "brands": " ".join(sorted(key.brands))}
            enter(connection, Entry(act=Act.KEY_CREATED, subject=key.key_id, actor=key.created_by, facts=facts))

    def revoke_key(self, key_id: str, *, actor: str, time: datetime) -> ApiKey:
        """End a key for good. Raises NotFound; Conflict when it was revoked before."""
        this = api_keys.c.key_id == key_id
        with self._database.write(f"revoke the key {key_id!r}") as connection:
            revoked = update(api_keys).where(this, api_keys.c.revoke_time.is_(None))
            done = connection.execute(revoked.values(revoke_time=time, revoked_by=actor)).rowcount
            found = _read(connection, this)
            if done:
                enter(connection, Entry(act=Act.KEY_REVOKED, subject=key_id, actor=actor))
        if not found:
            raise NotFound(f"There is no key {key_id!r}; 'touchstone keys list' names them.")
        if not done:
            raise Conflict(f"The key {key_id!r} was revoked at {found[0].revoke_time} by {found[0].revoked_by!r}.")
        return found[0]

    def list_keys(self) -> tuple[ApiKey, ...]:
        """Return all keys, revoked and expired ones too; oldest first."""
        with self._database.read("list keys") as connection:
            return _read(connection)


def _read(connection: Connection, *conditions: Any) -> tuple[ApiKey, ...]:
    brands: dict[str, set[str]] = defaultdict(set)
    own = select(api_key_brands).join(api_keys, api_keys.c.key_id == api_key_brands.c.key_id).where(*conditions)
    for row in connection.execute(own):
        brands[row.key_id].add(row.brand_id)
    query = select(api_keys).where(*conditions).order_by(api_keys.c.create_time, api_keys.c.key_id)
    return tuple(
        ApiKey(**{**row._asdict(), "roles": frozenset(row.roles.split()), "brands": frozenset(brands[row.key_id])})
        for row in connection.execute(query)
    )
