"""Which rules must a field of a request keep? One small check for each kind of field, all in the same words.

`serving.wire` runs them and collects what they find, so that a client learns of every fault at once.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Iterator

from serving.errors import FieldViolation

MAX_ID_CHARACTERS = 256
MAX_REQUEST_ID_CHARACTERS = 128
# How much of a bad value a description repeats.
_SHOWN_CHARACTERS = 40


def check_id(field: str, value: str, *, required: bool) -> Iterator[FieldViolation]:
    """Check an identifier that the client chose."""
    if not value:
        if required:
            yield FieldViolation(field, f"is empty; send 1 to {MAX_ID_CHARACTERS} characters")
        return
    yield from check_length(field, value, limit=MAX_ID_CHARACTERS)
    if any(unicodedata.category(character) == "Cc" for character in value):
        yield FieldViolation(field, f"{shown(value)} holds a control character; remove it")
    if value != value.strip():
        yield FieldViolation(field, f"{shown(value)} begins or ends with a space; remove it")


def check_request_id(field: str, value: str) -> Iterator[FieldViolation]:
    """Check an idempotency key; an empty one means none."""
    yield from check_length(field, value, limit=MAX_REQUEST_ID_CHARACTERS)
    if not (value.isascii() and value.isprintable()):
        yield FieldViolation(field, f"{shown(value)} is not printable ASCII; send a UUID, for example")


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
