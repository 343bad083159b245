"""How large are the pictures in an AVIF file? Its own claim is one answer, the AV1 streams inside are another.

Part of `vision.headers`. The container's claim (`ispe`) is not enough: a decoder follows the AV1 sequence header and
scales the outcome to the claim afterwards, so 1 KiB that claims 64 x 64 pixels can make it decode 16,384 x 16,384.
Here the sequence headers of all AV1 items and of the first frame of each track are read as well.
Formats: ISO/IEC 14496-12 (boxes), 23008-12 (items), AV1 specification 5.3 and 5.5 (OBUs, sequence header).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MOST_STEPS = 100_000
"""Boxes, extents and AV1 units (OBUs) looked at in one file; photos have about 40, long animations some hundred."""

_SEQUENCE_HEADER = 1

Span = tuple[int, int]
"""Start and end of a part of the file, in bytes."""

Size = tuple[int, int]
"""Width and height in pixels."""


def largest_picture(data: bytes) -> Size:
    """Width and height of the largest picture that an AVIF file claims or holds.

    Raises EOFError or struct.error where the file ends too early, ValueError where it is damaged.
    """
    container = _Container(data)
    sizes = container.claimed_sizes()
    if not sizes:
        raise ValueError("it declares no image size")
    for stream in (*container.items(), *container.first_frames()):
        sizes.extend(_frame_size(header) for header in container.sequence_headers(stream))
    return max(sizes, key=lambda size: size[0] * size[1])


class _Container:
    """The boxes of one file. Every loop over what the file says counts its steps, so that no file can ask for many."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._steps = 0

    def claimed_sizes(self) -> list[Size]:
        spans = self._find("meta", "iprp", "ipco", "ispe")
        return [struct.unpack_from(">II", self._data, start + 4) for start, _ in spans]

    def items(self) -> Iterator[bytes]:
        """Put the AV1 streams of all items together from their extents."""
        tables = self._find("meta", "iloc")
        if len(tables) > 1:
            raise ValueError("it has more than one table of items")
        av1_items = set(self._av1_item_ids())
        inner = self._find("meta", "idat") or [(0, 0)]
        budget = 2 * len(self._data)
        for start, _ in tables:
            for item, in_file, extents in self._locations(start):
                if item not in av1_items:
                    continue
                shift = 0 if in_file else inner[0][0]
                parts = [self._data[shift + at : shift + at + length if length else None] for at, length in extents]
                budget -= sum(map(len, parts))
                if budget < 0:
                    raise ValueError("its items overlap")
                yield b"".join(parts)

    def first_frames(self) -> Iterator[bytes]:
        """Cut out the AV1 stream of each track's first frame."""
        data = self._data
        for table in self._find("moov", "trak", "mdia", "minf", "stbl"):
            sizes = [
                struct.unpack_from(">I", data, at + 4)[0] or struct.unpack_from(">I", data, at + 12)[0]
                for at, _ in self._boxes(table, "stsz")
            ]
            offsets = [struct.unpack_from(">I", data, at + 8)[0] for at, _ in self._boxes(table, "stco")]
            offsets += [struct.unpack_from(">Q", data, at + 8)[0] for at, _ in self._boxes(table, "co64")]
            for size, offset in zip(sizes, offsets, strict=False):
                yield data[offset : offset + size]

    def sequence_headers(self, stream: bytes) -> Iterator[_Bits]:
        """Find the sequence headers among the units (OBUs) of an AV1 stream."""
        position = 0
        while position < len(stream):
            self._step()
            head = stream[position]
            position += 2 if head & 4 else 1
            size = len(stream) - position
            if head & 2:
                size, position = _leb128(stream, position)
            if head >> 3 & 15 == _SEQUENCE_HEADER:
                yield _Bits(stream[position : position + min(size, 256)])
            position += size

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise ValueError(f"it has more than {_MOST_STEPS:,} parts")

    def _find(self, *path: str) -> list[Span]:
        """Find the contents of all boxes at a path; in `meta` 4 bytes of version and flags stand first."""
        spans = [(0, len(self._data))]
        for name in path:
            skipped = 4 if name == "meta" else 0
            spans = [(start + skipped, end) for span in spans for start, end in self._boxes(span, name)]
        return spans

    def _boxes(self, span: Span, wanted: str) -> Iterator[Span]:
        start, end = span
        while start + 8 <= end:
            self._step()
            size, kind = struct.unpack_from(">I4s", self._data, start)
            head = 8
            if size == 1:
                (size,), head = struct.unpack_from(">Q", self._data, start + 8), 16
            box_end = start + size if size else end
            if box_end > end or box_end < start + head:
                raise EOFError
            if kind == wanted.encode():
                yield start + head, box_end
            start = box_end

    def _av1_item_ids(self) -> Iterator[int]:
        for start, end in self._find("meta", "iinf"):
            counted = 2 if self._data[start] == 0 else 4
            for entry, _ in self._boxes((start + 4 + counted, end), "infe"):
                layout = ">H2x4s" if self._data[entry] < 3 else ">I2x4s"
                item, kind = struct.unpack_from(layout, self._data, entry + 4)
                if kind == b"av01":
                    yield item

    def _locations(self, start: int) -> Iterator[tuple[int, bool, list[Span]]]:
        """Read an `iloc` box: item, whether offsets count from the file's start, and extents as (offset, length)."""
        version, widths = self._data[start], self._data[start + 4 : start + 6]
        offset_size, length_size, base_size = widths[0] >> 4, widths[0] & 15, widths[1] >> 4
        index_size = widths[1] & 15 if version else 0
        bits = _Bits(self._data[start + 6 :])
        for _ in range(bits.take(16 if version < 2 else 32)):
            self._step()
            item = bits.take(16 if version < 2 else 32)
            in_file = not version or not bits.take(16) & 15
            bits.take(16)
            base = bits.take(8 * base_size)
            extents = []
            for _ in range(bits.take(16)):
                self._step()
                bits.take(8 * index_size)
                extents.append((base + bits.take(8 * offset_size), bits.take(8 * length_size)))
            yield item, in_file, extents


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
    """Reads unsigned numbers of some bits one after the other, most significant bit first."""

    def __init__(self, content: bytes) -> None:
        self._content, self._position = content, 0

    def take(self, count: int) -> int:
        start, self._position = self._position, self._position + count
        if self._position > 8 * len(self._content):
            raise EOFError
        first, past = start // 8, (self._position + 7) // 8
        return int.from_bytes(self._content[first:past]) >> (8 * past - self._position) & (1 << count) - 1


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
