"""API keys: what is believed, how often the slow hash is computed, and how guessing is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.store.store import Store
from serving.access import api_keys
from serving.access.api_keys import Attempts, ByApiKey, NewKey, make_key
from serving.access.caller import Caller
from serving.access.identity import Call, Identity
from serving.errors import Overloaded, Unauthenticated
from serving.remembered import Remembered
from tests.support.databases import with_tables

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store of the test's own."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


def added(store: Store, *, expire_time: datetime | None = None) -> NewKey:
    """Make a key for a brand owner and put it on record."""
    made = make_key(
        name="acme",
        roles=frozenset({"brand-owner"}),
        brands=frozenset({"acme"}),
        created_by="test",
        now=NOON,
        expire_time=expire_time,
    )
    store.add_key(made.key)
    return made


def call(token: str, *, peer: str = "ipv4:10.0.0.1:5000") -> Call:
    """Make a call with a bearer token."""
    return Call([("authorization", f"Bearer {token}")], peer)


@dataclass
class Counted:
    """Counts how often the slow hash is computed."""

    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count the computations of the hash, which go on as they are."""
    counted, real = Counted(), api_keys._matches

    def counting(secret_hash: str, secret: str) -> bool:
        with counted.lock:
            counted.count += 1
        return real(secret_hash, secret)

    monkeypatch.setattr(api_keys, "_matches", counting)
    return counted


def test_the_secret_is_stored_only_as_its_hash() -> None:
    """Two keys share nothing, and the record gives away neither text nor secret."""
    made, other = (
        make_key(name="n", roles=frozenset(), brands=frozenset(), created_by="t", now=NOON, expire_time=None)
        for _ in range(2)
    )

    secret = made.text.split("_", 2)[2]
    assert made.text.startswith(f"tsk_{made.key.key_id}_")
    assert len(secret) >= 43
    assert secret not in repr(made.key)
    assert made.key.secret_hash.startswith("$argon2id$")
    assert made.key.secret_hash != other.key.secret_hash


def test_one_hash_serves_all_who_call_with_the_same_key(store: Store, hashed: Counted) -> None:
    """A hundred calls at once, and a hundred more after them, cost one computation."""
    made = added(store)
    by_key = ByApiKey(store, clock=lambda: NOON)

    async def calls() -> list[Identity | None]:
        first = await asyncio.gather(*(by_key.identify(call(made.text)) for _ in range(100)))
        return [*first, *[await by_key.identify(call(made.text)) for _ in range(100)]]

    with by_key.polling(interval_s=60):
        found = asyncio.run(calls())

    expected = Caller("acme", frozenset({"brand-owner"}), frozenset({"acme"}))
    assert {identity.caller for identity in found if identity} == {expected}
    assert len(found) == 200
    assert hashed.count == 1


def test_unknown_and_expired_keys_cost_no_hash(store: Store, hashed: Counted) -> None:
    """What is not on record or has ended is refused before anything slow; other tokens are nobody's here."""
    ended = added(store, expire_time=NOON)
    by_key = ByApiKey(store, clock=lambda: NOON)

    with by_key.polling(interval_s=60):
        for token in ("tsk_", "tsk_x", "tsk_0011223344556677_secret", ended.text):
            with pytest.raises(Unauthenticated):
                asyncio.run(by_key.identify(call(token)))
        assert asyncio.run(by_key.identify(call("eyJ.a.b"))) is None
        assert asyncio.run(by_key.identify(Call([], ""))) is None

    assert hashed.count == 0


def test_a_key_ends_with_its_time(store: Store) -> None:
    """The identity says until when it holds, so that streams end then, remembered or not."""
    made = added(store, expire_time=NOON + timedelta(hours=1))
    now = [NOON]
    by_key = ByApiKey(store, clock=lambda: now[0])

    with by_key.polling(interval_s=60):
        identity = asyncio.run(by_key.identify(call(made.text)))
        now[0] += timedelta(hours=1)
        with pytest.raises(Unauthenticated):
            asyncio.run(by_key.identify(call(made.text)))

    assert identity is not None
    assert identity.until == NOON + timedelta(hours=1)
    assert identity.source == f"key tsk_{made.key.key_id}"


def test_only_so_many_keys_are_verified_at_once(store: Store, hashed: Counted) -> None:
    """A flood of different secrets is turned away with RESOURCE_EXHAUSTED, not queued."""
    made = added(store)
    by_key = ByApiKey(store, clock=lambda: NOON)
    guesses = [call(f"{made.text}{number}", peer=f"ipv4:10.0.{number}.1:1") for number in range(40)]

    async def flood() -> list[Identity | BaseException | None]:
        return await asyncio.gather(*(by_key.identify(guess) for guess in guesses), return_exceptions=True)

    with by_key.polling(interval_s=60):
        outcomes = asyncio.run(flood())

    kinds = [type(outcome) for outcome in outcomes]
    assert kinds.count(Unauthenticated) == hashed.count == 16
    assert kinds.count(Overloaded) == 24


def test_wrong_attempts_are_forgiven_after_a_while() -> None:
    """After the limit a place waits until the oldest of its mistakes is old; other places do not."""
    now = [0.0]
    attempts = Attempts(2, within_s=60.0, clock=lambda: now[0])
    for second in (0.0, 10.0):
        now[0] = second
        attempts.note("here")

    with pytest.raises(Overloaded) as refused:
        attempts.check("here")
    attempts.check("elsewhere")
    now[0] = 60.0
    attempts.check("here")

    assert refused.value.retry_after_s == 50.0


def test_what_is_remembered_ends_and_is_bounded() -> None:
    """A note holds for its time; of too many the oldest go; the token itself is nowhere."""
    now = [0.0]
    remembered: Remembered[str] = Remembered(2, clock=lambda: now[0])
    remembered.note("token", "ann", for_s=10)

    assert (remembered.get("token"), remembered.get("other")) == ("ann", None)
    assert "token" not in repr(vars(remembered))
    now[0] = 10.0
    assert remembered.get("token") is None
    for name in ("a", "b", "c"):
        remembered.note(name, name, for_s=10)
    assert [remembered.get(name) for name in ("a", "b", "c")] == [None, "b", "c"]
