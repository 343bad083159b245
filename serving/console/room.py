"""Is there room for a stranger's photos? Bodies of pages without a sign-in are taken in a few at a time.

A body arrives for up to a minute and is in memory several times over on its way to the service. Who finds no room is
told so before any of it is read; a form without files is small and needs none.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from starlette.requests import Request

from serving.access.client_address import counted
from serving.places import Places

AT_ONCE, OF_ONE = 8, 2
RETRY_AFTER_S = 15.0


def strangers_places() -> Places:
    """Make the places of one console."""
    return Places("bodies are arriving", most=AT_ONCE, of_one=OF_ONE, retry_after_s=RETRY_AFTER_S)


def room_for(request: Request, places: Places) -> AbstractContextManager[None]:
    """Hold a place of the browser's address for a block. Raises Overloaded on entering it."""
    host = request.client.host if request.client else ""
    return places.taken(counted(host) or host)


def is_large(request: Request, *, small_bytes: int) -> bool:
    """Tell whether a body is more than `small_bytes` by its own account, or gives none."""
    length = request.headers.get("content-length", "")
    return not length.isdecimal() or int(length) > small_bytes
