"""Which brands was a caller given here? Added to what the credential says, once an application was approved.

A copy of the store's list is renewed every `refresh_s` seconds. Who works here is given none: the role of a brand owner
would hold a moderator to single brands.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from index.refresh import Holder
from serving.access.caller import BRAND_OWNER, Caller
from serving.access.permissions import STAFF


class GrantStore(Protocol):
    """What of the store is read."""

    def brand_grants(self) -> Mapping[str, frozenset[str]]:
        """Return the ids of the brands that each holder was given, by the name in the holder's credential."""


class Grants:
    """Knows who was given which brands."""

    def __init__(self, store: GrantStore) -> None:
        self._held = Holder(store.brand_grants(), lambda old: None if (new := store.brand_grants()) == old else new)

    def polling(self, *, interval_s: float) -> AbstractContextManager[None]:
        """Renew the list every `interval_s` seconds until the block ends."""
        return self._held.polling(interval_s=interval_s)

    def added_to(self, caller: Caller) -> Caller:
        """Return the caller with the brands that they were given, as their owner."""
        brands = self._held.current.get(caller.name) if caller.name else None
        if not brands or caller.roles & STAFF:
            return caller
        return replace(caller, roles=caller.roles | {BRAND_OWNER}, brands=caller.brands | brands)
