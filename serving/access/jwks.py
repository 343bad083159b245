"""Which keys sign tokens? A JSON Web Key Set (RFC 7517) from a file or an https address, renewed while it is in use.

A set is renewed at intervals, and at once when a token names a key that it lacks, but only so often: anybody can make
up names of keys. When its place is out of reach the old set stays in use, for a bounded time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from index.refresh import Holder
from serving.errors import KeysUnavailable, SettingsError, Unauthenticated

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
_MAX_BYTES = 1 << 20  # a set of real keys has a few KiB
_HTTPS = "https://"
_NEVER = float("-inf")

Read = Callable[[], bytes]


@dataclass(frozen=True)
class Keys:
    """The keys of a set by their names, and when they were read, on the clock of `KeySet`."""

    by_id: Mapping[str, PyJWK]
    read_at: float = _NEVER


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: object) -> urllib.request.Request | None:
        """Follow redirects to https alone."""
        request = super().redirect_request(*given)  # type: ignore[arg-type]
        if request is not None and not request.full_url.startswith(_HTTPS):
            raise SettingsError(f"the key set's address leads to {request.full_url}, which is not https")
        return request


def reader(place: str) -> Read:
    """Return what reads a key set from a file or an https address.

    The address's certificate is verified with the system's authorities, or those that SSL_CERT_FILE names.

    Raises:
        SettingsError: it is an address of another kind.

    """
    if place.startswith(_HTTPS):
        return lambda: _download(place)
    if "://" in place:
        raise SettingsError(f"{place}: a key set is read from a file or an https:// address, not from there")
    return lambda: _size_checked(Path(place).read_bytes(), place)


def parse(content: bytes) -> dict[str, PyJWK]:
    """Read a set's keys for signatures; symmetric keys, and kinds that are not known here, are left out.

    Raises:
        SettingsError: it is no key set, or holds no key of use.

    """
    try:
        listed = json.loads(content)["keys"]
        keys = dict(pair for entry in listed if (pair := _key(entry)) is not None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SettingsError(f"this is no JSON Web Key Set: {error!r}") from error
    if not keys:
        raise SettingsError("the key set holds no public key for signatures")
    return keys


class KeySet:
    """A key set that renews itself. `key` is for one event loop; `polling` works in a thread of its own."""

    def __init__(
        self,
        read: Read,
        *,
        max_stale_s: float,
        least_interval_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_stale_s = max_stale_s
        self._least_interval_s = least_interval_s
        self._clock = clock
        self._held = Holder(Keys({}), lambda _: Keys(parse(read()), clock()))
        self._asked_at = _NEVER
        self._asking = asyncio.Lock()

    def refresh(self) -> int:
        """Read the set now and return how many keys it holds. Raises SettingsError, OSError."""
        self._held.refresh()
        return len(self._held.current.by_id)

    @contextmanager
    def polling(self, *, interval_s: float) -> Iterator[None]:
        """Renew the set every `interval_s` seconds until the block ends; the first time before it begins.

        A set that cannot be read at first is no reason not to serve: it may come into reach, and there may be other
        credentials.
        """
        try:
            self.refresh()
        except (SettingsError, OSError) as error:
            log.error("the key set cannot be read, so tokens cannot be verified yet: %s", error)
        with self._held.polling(interval_s=interval_s):
            yield

    async def key(self, key_id: str | None) -> PyJWK:
        """Return the key that a token names; without a name, the only one there is.

        Raises:
            Unauthenticated: there is no such key.
            KeysUnavailable: the set was out of reach for too long.

        """
        found = self._find(key_id)
        if found is None:
            await self._ask_again(key_id)
            found = self._find(key_id)
        if found is not None:
            return found
        if self._too_old():
            raise KeysUnavailable("the key set could not be read for too long, so no token can be verified")
        raise Unauthenticated("The token is signed by a key that the key set does not hold; renew your token.")

    def _find(self, key_id: str | None) -> PyJWK | None:
        if self._too_old():
            return None
        keys = self._held.current.by_id
        if key_id is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(key_id)

    def _too_old(self) -> bool:
        return self._clock() - self._held.current.read_at > self._max_stale_s

    async def _ask_again(self, key_id: str | None) -> None:
        """Read the set anew, for all who wait together, unless that was done a moment ago."""
        async with self._asking:
            if self._find(key_id) is not None or self._clock() - self._asked_at < self._least_interval_s:
                return
            self._asked_at = self._clock()
            try:
                await asyncio.to_thread(self.refresh)
            except (SettingsError, OSError) as error:
                log.warning("the key set cannot be read anew; going on with the one that is known: %s", error)


def _key(entry: Mapping[str, str]) -> tuple[str, PyJWK] | None:
    if entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
        return None
    try:
        return str(entry.get("kid", "")), PyJWK(dict(entry))
    except PyJWTError:
        return None  # of a kind that a later standard brings: the others are of use all the same


def _download(address: str) -> bytes:
    opener = urllib.request.build_opener(_HttpsOnly())
    try:
        with opener.open(address, timeout=_TIMEOUT_S) as answer:
            return _size_checked(answer.read(_MAX_BYTES + 1), address)
    except HTTPException as error:  # which is no OSError, as all else that urllib raises
        raise OSError(f"{address} does not answer as HTTP asks: {error!r}") from error


def _size_checked(content: bytes, place: str) -> bytes:
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{place} has more than {_MAX_BYTES} bytes, which is no key set")
    return content
