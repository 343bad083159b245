"""May this caller have one more? What every call is charged before its message is read, and items as they arrive.

Whoever signed in, or is told by a proxy, is counted by name: that is the tenant. On an installation without
credentials nobody has a name, and only `max_calls` holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving.access.caller import Caller
from serving.access.rate_limits import RateLimit
from serving.limits.classes import CLASSES, STREAMS, RpcClass
from serving.limits.quotas import DailyQuota
from serving.limits.settings import LimitSettings
from serving.places import Places

_WORDS = {
    RpcClass.SCREENS: "listings and photos came from you",
    RpcClass.UPLOADS: "uploads came from you",
    RpcClass.CHANGES: "changes came from you",
    RpcClass.READS: "questions came from you",
}
_TRY_AGAIN_S = 1.0


class CallerLimits:
    """The rates, quotas and open calls of all callers of a server. For one event loop."""

    def __init__(self, settings: LimitSettings) -> None:
        self._rates: dict[RpcClass, RateLimit] = {}
        for kind, words in _WORDS.items():
            setting = f"{kind}_per_minute"
            if most := getattr(settings, setting):
                self._rates[kind] = RateLimit(words, most=most, within_s=60.0, setting=setting)
        self._images = DailyQuota("photos", setting="images_per_day", most=settings.images_per_day)
        self._uploads = DailyQuota("references", setting="uploads_per_day", most=settings.uploads_per_day)
        self._scans = DailyQuota("scans", setting="scans_per_day", most=settings.scans_per_day)
        self._open = Places(
            "calls are open", most=settings.max_calls, of_one=settings.max_calls, retry_after_s=_TRY_AGAIN_S
        )
        self._open_each = Places(
            "calls",
            most=settings.max_calls,
            of_one=settings.max_calls_each,
            retry_after_s=_TRY_AGAIN_S,
            whose=" of yours are open",
            setting="max_calls_each",
        )

    @contextmanager
    def calling(self, rpc: str, caller: Caller) -> Iterator[None]:
        """Charge a call of "package.Service/Method" that was let in, and count it as open for as long as a block runs.

        Raises:
            Overloaded: the caller calls too often, or has too many calls open, or everybody together has.

        """
        with self._open.taken(""):
            if not caller.name:
                yield
                return
            kind = CLASSES.get(rpc)
            if kind is not None and rpc.rpartition("/")[2] not in STREAMS:
                self._charge(kind, caller)
            with self._open_each.taken(caller.name):
                yield

    def screens(self, caller: Caller, *, images: int, streamed: bool = False) -> None:
        """Charge one listing with its photos; `streamed` ones were not charged as calls. Raises Overloaded."""
        if caller.name:
            if streamed:
                self._charge(RpcClass.SCREENS, caller)
            self._images.take(caller.name, images)

    def uploads(self, caller: Caller) -> None:
        """Charge one reference of a stream. Raises Overloaded."""
        if caller.name:
            self._charge(RpcClass.UPLOADS, caller)
            self._uploads.take(caller.name)

    def starts_scan(self, caller: Caller) -> None:
        """Charge one scan. Raises Overloaded."""
        if caller.name:
            self._scans.take(caller.name)

    def _charge(self, kind: RpcClass, caller: Caller) -> None:
        if (rate := self._rates.get(kind)) is not None:
            rate.take(caller.name)
