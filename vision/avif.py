"""How large are the pictures in an AVIF file, by its own claim and by the AV1 streams inside?

Part of `vision.headers`. The container's claim (`ispe`) is not enough: a decoder follows the AV1 sequence header and
scales the outcome to the claim afterwards, so 1 KiB that claims 64 x 64 pixels can make it decode 16,384 x 16,384.
Here the sequence headers of all AV1 items and of the first frame of each track are read as well.
Formats: ISO/IEC 14496-12 (boxes), 23008-12 (items), AV1 specification 5.3 and 5.5 (OBUs, sequence header).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MOST_BOXES = 20_000
_MOST_OBUS = 10_000
_SEQUENCE_HEADER = 1

Span = tuple[int, int]
"""Start and end of a part of the file, in bytes."""


def largest_picture(data: bytes) -> tuple[int, int]:
    """Width and height of the largest picture that an AVIF file claims or holds.

    Raises EOFError or struct.error where the file ends too early, ValueError where it is damaged.
    """
    sizes = list(_claimed_sizes(data))
    if not sizes:
        raise ValueError("it declares no image size")
    for stream in (*_items(data), *_first_frames(data)):
        sizes.extend(_sequence_sizes(stream))
    return max(sizes, key=lambda size: size[0] * size[1])


def _claimed_sizes(data: bytes) -> Iterator[tuple[int, int]]:
    for start, _ in _find(data, "meta", "iprp", "ipco", "ispe"):
        yield struct.unpack_from(">II", data, start + 4)


def _find(data: bytes, *path: str) -> list[Span]:
    """Contents of all boxes at a path such as `meta`, `iprp`; `meta` has 4 bytes of version and flags in front."""
    spans = [(0, len(data))]
    for name in path:
        spans = [found for start, end in spans for found in _boxes(data, start, end, name)]
        if name == "meta":
            spans = [(start + 4, end) for start, end in spans]
    return spans


def _boxes(data: bytes, start: int, end: int, wanted: str) -> Iterator[Span]:
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        box_end = start + size if size else end
        if box_end > end or box_end < start + head:
            raise EOFError
        if kind == wanted.encode():
            yield start + head, box_end
        start = box_end
    raise ValueError(f"it has more than {_MOST_BOXES:,} boxes")


def _items(data: bytes) -> Iterator[bytes]:
    """The AV1 streams of all items, put together from their extents."""
    av1_items = set(_av1_item_ids(data))
    inner = next(iter(_find(data, "meta", "idat")), (0, 0))
    budget = 2 * len(data)
    for start, _ in _find(data, "meta", "iloc"):
        for item, in_file, extents in _locations(data, start):
            if item not in av1_items:
                continue
            shift = 0 if in_file else inner[0]
            budget -= sum(length or len(data) for _, length in extents)
            if budget < 0:
                raise ValueError("its items overlap")
            yield b"".join(data[shift + at : shift + at + length if length else None] for at, length in extents)


def _av1_item_ids(data: bytes) -> Iterator[int]:
    for start, end in _find(data, "meta", "iinf"):
        counted = 2 if data[start] == 0 else 4
        for entry, _ in _boxes(data, start + 4 + counted, end, "infe"):
            layout = ">H2x4s" if data[entry] < 3 else ">I2x4s"
            item, kind = struct.unpack_from(layout, data, entry + 4)
            if kind == b"av01":
                yield item


def _locations(data: bytes, start: int) -> Iterator[tuple[int, bool, list[Span]]]:
    """Read an `iloc` box: item, whether its offsets count from the file's start, and extents as (offset, length)."""
    version = data[start]
    sizes = data[start + 4] >> 4, data[start + 4] & 15, data[start + 5] >> 4, data[start + 5] & 15 if version else 0
    offset_size, length_size, base_size, index_size = sizes
    reader = _Bytes(data, start + 6)
    for _ in range(reader.take(2 if version < 2 else 4)):
        item = reader.take(2 if version < 2 else 4)
        in_file = not version or not reader.take(2) & 15
        reader.take(2)
        base = reader.take(base_size)
        extents = []
        for _ in range(reader.take(2)):
            reader.take(index_size)
            extents.append((base + reader.take(offset_size), reader.take(length_size)))
        yield item, in_file, extents


class _Bytes:
    """Reads big-endian numbers one after the other."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position

    def take(self, size: int) -> int:
        end = self._position + size
        if end > len(self._data):
            raise EOFError
        value = int.from_bytes(self._data[self._position : end])
        self._position = end
        return value


def _first_frames(data: bytes) -> Iterator[bytes]:
    """The AV1 stream of each track's first frame."""
    for start, end in _find(data, "moov", "trak", "mdia", "minf", "stbl"):
        sizes = [struct.unpack_from(">III", data, at + 4) for at, _ in _boxes(data, start, end, "stsz")]
        offsets = [struct.unpack_from(">I", data, at + 8)[0] for at, _ in _boxes(data, start, end, "stco")]
        offsets += [struct.unpack_from(">Q", data, at + 8)[0] for at, _ in _boxes(data, start, end, "co64")]
        for (common, _, first), offset in zip(sizes, offsets, strict=False):
            yield data[offset : offset + (common or first)]


def _sequence_sizes(stream: bytes) -> Iterator[tuple[int, int]]:
    """Largest frame that each sequence header of an AV1 stream allows."""
    position = 0
    for _ in range(_MOST_OBUS):
        if position >= len(stream):
            return
        head = stream[position]
        position += 2 if head & 4 else 1
        size = len(stream) - position
        if head & 2:
            size, position = _leb128(stream, position)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            yield _frame_size(_Bits(stream[position : position + min(size, 256)]))
        position += size
    raise ValueError(f"an image in it has more than {_MOST_OBUS:,} parts")


def _leb128(stream: bytes, position: int) -> tuple[int, int]:
    """Read a little-endian number of 7 bits a byte: value and what follows."""
    value = 0
    for index in range(8):
        byte = stream[position + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position + index + 1
    raise ValueError("a number in it is too long")


class _Bits:
    """Reads unsigned numbers of some bits, most significant first."""

    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content), 8 * len(content)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & (1 << count) - 1


def _frame_size(bits: _Bits) -> tuple[int, int]:
    """Width and height of a sequence header (AV1 specification, 5.5.1)."""
    bits.take(4)  # profile, still picture
    if bits.take(1):  # reduced still picture header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: _Bits) -> None:
    """Skip timing, decoder model and operating points (5.5.1 to 5.5.4)."""
    delay_bits = 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            _skip_uvlc(bits)
        if bits.take(1):
            delay_bits = bits.take(5) + 1
            bits.take(42)
    display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if display_delay and bits.take(1):
            bits.take(4)


def _skip_uvlc(bits: _Bits) -> None:
    zeros = 0
    while not bits.take(1):
        zeros += 1
    bits.take(zeros if zeros < 32 else 0)
