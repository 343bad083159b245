"""Does an API key hold, and whom does it stand for? For installations without an identity provider.

A key is `tsk_ID_SECRET`; `touchstone keys create` shows it once, and the store keeps argon2id's hash of the secret.
That hash takes tens of milliseconds and megabytes on purpose, so it is computed on threads of its own, a few at once,
once for all requests that wait for the same key, and what held is remembered. Whether a key was revoked or has expired
is looked up for each request in a copy of the store's list, which `polling` renews.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from index.access import ApiKey
from index.refresh import Holder
from index.store.access import AccessStore
from serving.access.caller import Caller
from serving.access.identity import Call, Identity
from serving.errors import Overloaded, Unauthenticated
from serving.remembered import Remembered

PREFIX = "tsk_"
# OWASP's least for argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane. A secret here has 256 random
# bits, not a person's choice, so what the hash must bear is a stolen store, and more would only slow the first request.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

_REMEMBER_S = 300.0
_REMEMBERED = 10_000
_THREADS = 2
_MAX_WAITING = 16
# How often one address may be wrong about one key.
_MAX_WRONG = 10
_WRONG_S = 60.0
_PLACES = 10_000


@dataclass(frozen=True)
class NewKey:
    """A key that was just made: what is stored, and the text that its owner gets, once."""

    key: ApiKey
    text: str


def make_key(
    *,
    name: str,
    roles: frozenset[str],
    brands: frozenset[str],
    created_by: str,
    now: datetime,
    expire_time: datetime | None,
) -> NewKey:
    """Make a key with a random id (64 bits) and secret (256 bits)."""
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=key_id,
        name=name,
        secret_hash=_HASHER.hash(secret),
        roles=roles,
        brands=brands,
        create_time=now,
        created_by=created_by,
        expire_time=expire_time,
    )
    return NewKey(key, f"{PREFIX}{key_id}_{secret}")


class ByApiKey:
    """Believes API keys that are on record. For one event loop; close it with `polling`."""

    def __init__(self, store: AccessStore, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._keys = Holder(_by_id(store), lambda old: None if (new := _by_id(store)) == old else new)
        self._held: Remembered[str] = Remembered(_REMEMBERED)  # the hash that the token fitted
        self._verifying: dict[bytes, asyncio.Task[bool]] = {}
        self._wrong = Attempts(_MAX_WRONG, within_s=_WRONG_S)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")

    @contextmanager
    def polling(self, *, interval_s: float) -> Iterator[None]:
        """Renew the list of keys every `interval_s` seconds until the block ends."""
        try:
            with self._keys.polling(interval_s=interval_s):
                yield
        finally:
            self._threads.shutdown(cancel_futures=True)

    async def identify(self, call: Call) -> Identity | None:
        """Verify the call's bearer token, if it is an API key. Raises Overloaded when too many wrong ones came."""
        token = call.bearer
        if not token.startswith(PREFIX):
            return None
        key_id, _, secret = token.removeprefix(PREFIX).partition("_")
        key = self._keys.current.get(key_id)
        if key is None or not key.holds_at(self._clock()):  # which is no secret: ids stand in logs
            raise Unauthenticated("The API key is unknown, expired or revoked; ask an administrator for another.")
        if self._held.get(token) != key.secret_hash:
            await self._verify(token, secret, key, place=f"{_host(call.peer)} {key_id}")
        return Identity(Caller(key.name, key.roles, key.brands), f"key {PREFIX}{key_id}", key.expire_time)

    async def _verify(self, token: str, secret: str, key: ApiKey, *, place: str) -> None:
        self._wrong.check(place)
        digest = self._held.digest(token)
        task = self._verifying.get(digest)
        if task is None:
            if len(self._verifying) >= _MAX_WAITING:
                raise Overloaded("too many API keys are being verified", retry_after_s=1.0)
            task = asyncio.create_task(self._fits(secret, key))
            self._verifying[digest] = task
            task.add_done_callback(lambda _: self._verifying.pop(digest, None))
        if not await asyncio.shield(task):  # others may wait for it when this call is cancelled
            self._wrong.note(place)
            raise Unauthenticated("The API key's secret is wrong; copy it whole, or ask an administrator for another.")
        self._held.note(token, key.secret_hash, for_s=_REMEMBER_S)

    async def _fits(self, secret: str, key: ApiKey) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _matches, key.secret_hash, secret)


class Attempts:
    """Counts wrong attempts by place, and refuses more of them for a while. Bounded, whatever number of places try."""

    def __init__(self, most: int, *, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._within_s = within_s
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, place: str) -> None:
        """Raise Overloaded when the place was wrong too often."""
        times = self._times.get(place)
        if times is None or len(times) < self._most:
            return
        wait = times[0] + self._within_s - self._clock()
        if wait > 0:
            raise Overloaded("too many wrong API keys came from here", retry_after_s=wait)

    def note(self, place: str) -> None:
        """Count an attempt that was wrong."""
        self._times.setdefault(place, deque(maxlen=self._most)).append(self._clock())
        self._times.move_to_end(place)
        if len(self._times) > _PLACES:
            self._times.popitem(last=False)


def _by_id(store: AccessStore) -> Mapping[str, ApiKey]:
    return {key.key_id: key for key in store.list_keys()}


def _matches(secret_hash: str, secret: str) -> bool:
    try:
        return _HASHER.verify(secret_hash, secret)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _host(peer: str) -> str:
    """Return a peer's address without its port."""
    return peer.rpartition(":")[0] or peer
