"""Does every database keep API keys alike? Put, listed, revoked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from index.access import ApiKey
from index.errors import Conflict, NotFound
from index.store.store import Store
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_key(key_id: str, *, after: timedelta = timedelta(0), **more: object) -> ApiKey:
    """Make the record of a key."""
    values = {"name": "uploads", "secret_hash": "$argon2id$...", "roles": frozenset({"pipeline"})} | more
    return ApiKey(key_id=key_id, create_time=NOON + after, created_by="ann", **values)  # type: ignore[arg-type]


class AccessContract(StoreSuite):
    """What every database must do."""

    def test_keys_come_back_as_they_were_put(self, store: Store) -> None:
        """Every field is kept, and keys are listed in the order of their making."""
        plain = a_key("k2", after=timedelta(hours=1))
        owner = a_key(
            "k1",
            roles=frozenset({"brand-owner", "rights-owner"}),
            brands=frozenset({"acme", "a brand with spaces"}),
            expire_time=NOON + timedelta(days=1),
        )

        store.add_key(plain)
        store.add_key(owner)

        assert store.list_keys() == (owner, plain)

    def test_an_id_is_given_once(self, store: Store) -> None:
        """A second key of the same id is refused, and leaves the first as it was."""
        store.add_key(a_key("k", brands=frozenset({"acme"})))

        with pytest.raises(Conflict):
            store.add_key(a_key("k", name="other", brands=frozenset({"other"})))

        assert store.list_keys() == (a_key("k", brands=frozenset({"acme"})),)

    def test_a_key_is_revoked_once(self, store: Store) -> None:
        """Revoking says who and when; the first time counts, other keys stay, and an unknown one is named."""
        store.add_key(a_key("k", brands=frozenset({"acme"})))
        store.add_key(a_key("other", brands=frozenset({"acme"})))

        revoked = store.revoke_key("k", actor="bob", time=NOON)
        with pytest.raises(Conflict, match="bob"):
            store.revoke_key("k", actor="cid", time=NOON + timedelta(hours=1))
        with pytest.raises(NotFound, match="'no such'"):
            store.revoke_key("no such", actor="bob", time=NOON)

        assert (revoked.revoke_time, revoked.revoked_by, revoked.brands) == (NOON, "bob", frozenset({"acme"}))
        assert [key.holds_at(NOON) for key in store.list_keys()] == [False, True]


def test_a_key_holds_until_it_expires() -> None:
    """Up to its end a key holds; at that moment it does no longer."""
    key = a_key("k", expire_time=NOON)

    assert key.holds_at(NOON - timedelta(seconds=1))
    assert not key.holds_at(NOON)


class TestSqlite(OnSqlite, AccessContract):
    """The embedded default."""


class TestPostgresql(OnPostgres, AccessContract):
    """The server."""
