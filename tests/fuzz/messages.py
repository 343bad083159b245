"""What may a hostile client send? Random messages of any protobuf type, field by field, and mutants of their bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from PIL import Image

from tests.fuzz.mutations import mutated

_F = FieldDescriptor
_DEPTH = 5
_STRINGS: tuple[str, ...] = (
    "",
    " ",
    "\0",
    "a\nb",
    "\u202egnp",
    "é" * 300,
    "x" * 2_000,
    "'; DROP TABLE",
    "../../etc/passwd",
    "=1+1",
)
_STRINGS += ("USD", "DE", "en", "moderator", "2026-01-01", "9" * 30, "\U0010ffff", "\ufeff", "a" * 64, "{}", "%s%n")
_INTS = (0, 1, 2, 3, 50, 1_000, 2**31 - 1)
_WIDE = (2**63 - 1, 253402300800)
_FLOATS = (0.0, 1.0, 0.5, -1.0, float("nan"), float("inf"), 1e308, 1e-308)
_LONG_LIST = 70
# What an honest first request leaves out.
_OPTIONAL = frozenset(
    {"page_token", "etag", "cursor", "request_id", "market", "known_etag", "language", "jurisdiction"}
)


def small_pictures() -> tuple[bytes, ...]:
    """Draw pictures of 32 pixels that decode quickly, and files that do not decode."""
    files = []
    for seed, kind in enumerate(("PNG", "JPEG", "WEBP", "GIF")):
        stream = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, kind)
        files.append(stream.getvalue())
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><script/></svg>'
    return (*files, b"", b"no picture", files[0][:60], files[1][:200], svg)


class Messages:
    """Makes messages; `known` are ids that the service has on record."""

    def __init__(self, rng: random.Random, known: Sequence[str]) -> None:
        self._rng = rng
        self._known = known
        self._pictures = small_pictures()
        self._friendly = rng.random() < 0.5  # so that what lies behind the checks of a request is reached, too

    def bytes_of(self, kind: Descriptor) -> bytes:
        """Make the bytes of a request: valid, mutated, another type's, or noise."""
        draw = self._rng.random()
        if draw < 0.05:
            return self._rng.randbytes(self._rng.choice((1, 10, 100, 1_000)))
        content: bytes = self.message(kind).SerializeToString()
        if draw < 0.1:
            return content * 2  # merged with itself: lists double, texts stay
        return mutated(content, self._rng) if draw < 0.4 else content

    def message(self, kind: Descriptor, depth: int = 0) -> Any:
        """Make a message, with about half of its fields set."""
        made = GetMessageClass(kind)()
        for field in kind.fields:
            if depth >= _DEPTH or self._rng.random() < (0.5 if self._friendly or depth else 0.3):
                continue
            self._set(made, field, depth)
        return made

    def _set(self, made: Any, field: FieldDescriptor, depth: int) -> None:
        if not field.is_repeated:
            if field.message_type is not None:
                getattr(made, field.name).CopyFrom(self.message(field.message_type, depth + 1))
            else:
                setattr(made, field.name, self._value(field))
            return
        values = getattr(made, field.name)
        count = self._rng.choice((1, 1, 1, 2, 3, _LONG_LIST if self._rng.random() < 0.02 else 1))
        if field.message_type is None:
            values.extend(self._value(field) for _ in range(count))
        elif field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            if value.message_type is None:
                values[self._value(key)] = self._value(value)
        else:
            values.extend(self.message(field.message_type, depth + 1) for _ in range(count))

    def _harmless(self, field: FieldDescriptor) -> Any:
        """Give what a client in good faith might send; None where that says little of the value."""
        if field.type == _F.TYPE_BYTES:
            return self._pictures[self._rng.randrange(4)]
        if field.cpp_type == _F.CPPTYPE_STRING:
            return "" if field.name in _OPTIONAL else self._rng.choice(self._known)
        if field.cpp_type in (_F.CPPTYPE_INT32, _F.CPPTYPE_INT64, _F.CPPTYPE_UINT32, _F.CPPTYPE_UINT64):
            return self._rng.choice((0, 1, 2))
        return None

    def _value(self, field: FieldDescriptor) -> Any:
        rng = self._rng
        if self._friendly and (made := self._harmless(field)) is not None:
            return made
        match field.cpp_type:
            case _F.CPPTYPE_STRING if field.type == _F.TYPE_BYTES:
                return rng.choice(self._pictures)
            case _F.CPPTYPE_STRING:
                return rng.choice(self._known if rng.random() < 0.6 else _STRINGS)
            case _F.CPPTYPE_BOOL:
                return rng.random() < 0.5
            case _F.CPPTYPE_ENUM:
                assert field.enum_type is not None
                return rng.choice((*(value.number for value in field.enum_type.values), 99, -1))
            case _F.CPPTYPE_FLOAT | _F.CPPTYPE_DOUBLE:
                return rng.choice(_FLOATS) if field.cpp_type == _F.CPPTYPE_DOUBLE else rng.choice((0.0, 0.5, 1.0, 2.0))
            case _F.CPPTYPE_UINT32:
                return rng.choice((*_INTS, 2**32 - 1))
            case _F.CPPTYPE_UINT64:
                return rng.choice((*_INTS, *_WIDE, 2**64 - 1))
            case _F.CPPTYPE_INT32:
                return rng.choice((*_INTS, -1, -(2**31)))
            case _:
                return rng.choice((*_INTS, *_WIDE, -1, -(2**63)))
