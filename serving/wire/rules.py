"""Which rules must a field of a request keep? One small check for each kind of field, all in the same words.

`serving.wire.requests` runs them and collects what they find, so that a client learns of every fault at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from serving.errors import FieldViolation
from touchstone.moderation.v1 import evidence_pb2
from vision.regions import Box

MAX_ID_CHARACTERS = 256
MAX_REQUEST_ID_CHARACTERS = 128
# How much of a bad value a description repeats.
_SHOWN_CHARACTERS = 40
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
# Embeddings, overrides and isolates, which make a name read as another one (UTS #39, UAX #9).
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_id(field: str, value: str, *, required: bool) -> Iterator[FieldViolation]:
    """Check an identifier that the client chose."""
    if not value:
        if required:
            yield FieldViolation(field, f"is empty; send 1 to {MAX_ID_CHARACTERS} characters")
        return
    yield from check_length(field, value, limit=MAX_ID_CHARACTERS)
    if _CONTROL.search(value):
        yield FieldViolation(field, f"{shown(value)} holds a control character; remove it")
    if BIDI.search(value):
        yield FieldViolation(field, f"{shown(value)} holds a sign that turns the direction of writing; remove it")
    if value != value.strip():
        yield FieldViolation(field, f"{shown(value)} begins or ends with a space; remove it")


def check_request_id(field: str, value: str) -> Iterator[FieldViolation]:
    """Check an idempotency key; an empty one means none."""
    yield from check_length(field, value, limit=MAX_REQUEST_ID_CHARACTERS)
    if not (value.isascii() and value.isprintable()):
        yield FieldViolation(field, f"{shown(value)} is not printable ASCII; send a UUID, for example")


def check_etag(field: str, value: str) -> Iterator[FieldViolation]:
    """Check an etag, which is the number of a revision; an empty one means none."""
    if value and not (value.isascii() and value.isdigit() and len(value) < 10):
        yield FieldViolation(field, f"{shown(value)} is none of this service; send back the one that you read")


def check_text(field: str, value: str, *, limit: int) -> Iterator[FieldViolation]:
    """Check words of a seller or moderator, of at most `limit` characters."""
    yield from check_length(field, value, limit=limit)
    if "\0" in value:  # which PostgreSQL cannot store
        yield FieldViolation(field, f"holds a NUL character at position {value.index(chr(0))}; remove it")


def check_length(field: str, value: str, *, limit: int) -> Iterator[FieldViolation]:
    """Check that a text has at most `limit` characters."""
    if len(value) > limit:
        yield FieldViolation(field, f"has {len(value)} characters; send at most {limit}")


def check_range(field: str, value: int, *, low: int, high: int, default: int) -> Iterator[FieldViolation]:
    """Check that a number lies in `low`..`high`, or is 0, which stands for `default`."""
    if value != 0 and not low <= value <= high:
        yield FieldViolation(field, f"{value} is out of range; send {low} to {high}, or 0 for {default}")


def check_one_of(
    field: str, value: int, allowed: Iterable[int], name: Callable[[Any], str]
) -> Iterator[FieldViolation]:
    """Check that an enum's number is one of those allowed; `name` names them."""
    known = tuple(allowed)
    if value not in known:
        names = ", ".join(name(number) for number in known if number)
        yield FieldViolation(field, f"{value} is not allowed; send one of {names}")


def check_time(field: str, message: Timestamp) -> Iterator[FieldViolation]:
    """Check that a time is one that a calendar has: the years 1 to 9999."""
    try:
        to_time(message)
    except (ValueError, OverflowError):
        yield FieldViolation(field, f"{message.seconds} s is no time between the years 1 and 9999; correct it")


def to_time(message: Timestamp) -> datetime:
    """Translate a time, once it is checked."""
    return message.ToDatetime(tzinfo=UTC)


def check_box(field: str, message: evidence_pb2.Box) -> Iterator[FieldViolation]:
    """Check a box that was sent."""
    try:
        to_box(message)
    except ValueError as error:
        yield FieldViolation(field, str(error))


def to_box(message: evidence_pb2.Box) -> Box:
    """Translate a box, once it is checked."""
    return Box(message.x1, message.y1, message.x2, message.y2)


def check_digests(field: str, values: Sequence[str], *, limit: int) -> Iterator[FieldViolation]:
    """Check a list of at most `limit` SHA-256 digests."""
    if len(values) > limit:
        yield FieldViolation(field, f"has {len(values)} values; send at most {limit}")
        return
    for index, value in enumerate(values):
        if not _DIGEST.fullmatch(value):
            yield FieldViolation(f"{field}[{index}]", f"{shown(value)} is not 64 lower-case hexadecimal digits")


def check_market(field: str, value: str) -> Iterator[FieldViolation]:
    """Check a country code; an empty one means unknown."""
    if value and value not in countries():
        yield FieldViolation(
            field, f"{shown(value)} is not an ISO 3166-1 alpha-2 code; send one in capitals, such as DE, or nothing"
        )


def check_images(
    field: str, sizes: Iterable[int], *, count: int, limit: int, max_bytes: int
) -> Iterator[FieldViolation]:
    """Check how many images there are and how large each of the first ones is.

    An empty one passes: each image answers for itself.
    """
    for index, size in enumerate(sizes):
        if size > max_bytes:
            yield FieldViolation(f"{field}[{index}]", f"has {size} bytes; send at most {max_bytes}")
    if count == 0:
        yield FieldViolation(field, f"is empty; send 1 to {limit} images")
    if count > limit:
        yield FieldViolation(field, f"has {count} images; send at most {limit}")


def shown(value: str) -> str:
    """Quote a client's value for a description, cut short: a status has to fit into gRPC's trailers."""
    return repr(value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…")


@functools.cache
def countries() -> frozenset[str]:
    """All ISO 3166-1 alpha-2 codes."""
    import pycountry

    return frozenset(str(country.alpha_2) for country in pycountry.countries)
