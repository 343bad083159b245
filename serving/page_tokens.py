"""Where does the next page begin? Page tokens: opaque, good only for the question that they were given for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from serving.errors import FieldViolation, InvalidListing

_MAX_TOKEN_CHARACTERS = 4_000


def write_token(question: Message, *place: str | float | datetime) -> str:
    """Write down where the next page of the answer to `question` begins."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in place]
    document = json.dumps([_binding(question), *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def read_token(question: Message, token: str, *kinds: type[Any]) -> list[Any]:
    """Read the place, a value of each kind (str, int, float or datetime), that a token was written for.

    Raises:
        InvalidListing: it is not one that was given for this question.

    """
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError
        document: list[Any] = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        binding, *place = document
        if binding != _binding(question):
            raise ValueError
        return [_read(value, kind) for value, kind in zip(place, kinds, strict=True)]
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        remedy = "is not a token that this rpc gave for the same filter and order; start again without one"
        raise InvalidListing((FieldViolation("page_token", remedy),)) from error


def _read(value: Any, kind: type[Any]) -> Any:
    """Read a value of a token. Raises ValueError or TypeError for another kind, and for what no database could take."""
    if kind is datetime:
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError
        return time
    if type(value) is not kind:
        raise ValueError
    if isinstance(value, str) and "\0" in value.encode().decode():  # half a character cannot be encoded
        raise ValueError
    if isinstance(value, int) and not 0 <= value < 2**63:
        raise ValueError
    return value


def _binding(question: Message) -> str:
    name = question.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b":" + question.SerializeToString(deterministic=True)).hexdigest()[:16]
