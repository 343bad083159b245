"""Where does the next page begin? Page tokens: opaque, good only for the request whose page gave them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from serving.errors import FieldViolation, InvalidListing

Place = TypeVar("Place")

_MAX_TOKEN_CHARACTERS = 1_000


def seal(key: float | datetime, last_id: str, bound: Message) -> str:
    """Write down the place behind `last_id`, whose order goes by `key`; `bound` is what the pages have in common."""
    plain = key.isoformat() if isinstance(key, datetime) else key
    document = json.dumps([_binding(bound), plain, last_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def unseal(token: str, bound: Message, read: Callable[[Any, str], Place]) -> Place | None:
    """Read where a page begins with `read(key, last_id)`; None is the beginning.

    Raises:
        InvalidListing: the token is not one that was given for the same request; `read` raised ValueError, say.

    """
    if not token:
        return None
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError
        binding, key, last_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if binding != _binding(bound) or not isinstance(last_id, str):
            raise ValueError
        return read(key, last_id)
    except (ValueError, TypeError, binascii.Error, UnicodeDecodeError, RecursionError) as error:
        remedy = "is not a token that this rpc gave for the same filter and order; start again without one"
        raise InvalidListing((FieldViolation("page_token", remedy),)) from error


def read_time(key: Any) -> datetime:
    """Read a time as `seal` wrote it. Raises ValueError or TypeError."""
    time = datetime.fromisoformat(key)
    if time.tzinfo is None:
        raise ValueError
    return time


def _binding(bound: Message) -> str:
    return hashlib.sha256(bound.SerializeToString(deterministic=True)).hexdigest()[:16]
