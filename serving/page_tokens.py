"""Where does the next page begin? Page tokens: opaque, good only for the question that they were given for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from google.protobuf.message import Message

from serving.errors import FieldViolation, InvalidListing

_MAX_TOKEN_CHARACTERS = 4_000


def write_token(question: Message, *place: str | int | float) -> str:
    """Write down where the next page of the answer to `question` begins."""
    document = json.dumps([_binding(question), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def read_token(question: Message, token: str, *kinds: type[Any]) -> list[Any]:
    """Read the place, a value of each kind, that a token was written for.

    Raises:
        InvalidListing: it is not one that was given for this question.

    """
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError
        document: list[Any] = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        binding, *place = document
        if binding != _binding(question) or [type(value) for value in place] != list(kinds):
            raise ValueError
        for value in place:
            _check(value)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise foreign_token() from error
    return place


def foreign_token() -> InvalidListing:
    """Make the error for a token that leads nowhere."""
    remedy = "is not a token that this rpc gave for the same filter and order; start again without one"
    return InvalidListing((FieldViolation("page_token", remedy),))


def _check(value: object) -> None:
    """Raise ValueError for what no database could be asked for."""
    if isinstance(value, str) and "\0" in value.encode().decode():  # half a character cannot be encoded
        raise ValueError
    if isinstance(value, int) and not 0 <= value < 2**63:
        raise ValueError


def _binding(question: Message) -> str:
    name = question.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b":" + question.SerializeToString(deterministic=True)).hexdigest()[:16]
