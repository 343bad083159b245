"""What does an image file claim to be, and how large? Answered from its headers, before any decoder sees a byte.

The gate in front of `vision.decode`: a decoder allocates what the header asks for, so the header is checked first, by
this code, which allocates nothing. The walk over a file's blocks also finds out whether its end is missing, and stops
at a count of blocks, frames and scans that no honest file reaches.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from vision.avif import largest_picture
from vision.errors import ImageError, ImageFault

ACCEPTED = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")

_MOST_BLOCKS = 50_000
"""PNG and RIFF chunks, JPEG segments, GIF frames and extensions of one file: decoders need up to 20 us for each. A PNG
of 25 MiB in chunks of 8 KiB, libpng's choice, has 3,200."""

_MOST_SUB_BLOCKS = 200_000
"""Of one GIF frame or extension: they hold at most 255 bytes, so a GIF of 25 MiB has 103,000 full ones."""

_MOST_JUNK = 4_096
"""Bytes between two segments of a JPEG's header, and padding in a row in its scans. Decoders skip them one by one and
feed Pillow's buffer again and again: 20 MiB of padding took 67 seconds in the header and 11 in a scan."""

_MOST_SCANS = 100
"""Scans of a progressive JPEG; encoders write 3 to 14. Each passes over the whole picture, so a few bytes a scan buy an
attacker seconds of work (libjpeg-turbo, "Two Issues with the JPEG Standard", 2015)."""

_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class Header:
    """What a file claims: its format, size in pixels as stored (not yet upright), and number of frames."""

    format: str
    width: int
    height: int
    frames: int


_Claims = tuple[int, int, int]
"""Width, height and frames. Readers raise EOFError where a file ends too early, ValueError where it is damaged."""


def read_header(data: bytes) -> Header:
    """Read the claims of an encoded image.

    Raises ImageError: UNSUPPORTED_FORMAT, TRUNCATED when the file ends before its own blocks do, or CORRUPT.
    """
    name = _identify(data)
    try:
        width, height, frames = _READERS[name](data)
        if not width or not height:
            raise ValueError(f"it claims to be {width} x {height} pixels")
    except (struct.error, IndexError, EOFError) as error:
        raise ImageError(
            ImageFault.TRUNCATED,
            f"the {name} file ends after {len(data):,} bytes, before its own blocks do; upload the whole file",
        ) from error
    except ValueError as error:
        raise ImageError(
            ImageFault.CORRUPT, f"the {name} file is damaged: {error}; save it again and upload that"
        ) from error
    return Header(name, width, height, frames)


def _identify(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and not {b"avif", b"avis"}.isdisjoint(_brands(data)):
        return "AVIF"
    raise ImageError(
        ImageFault.UNSUPPORTED_FORMAT,
        f"the file begins with {data[:12]!r}, which is none of the accepted formats; "
        f"convert it to one of {', '.join(ACCEPTED)}",
    )


def _brands(data: bytes) -> list[bytes]:
    """List the brands of an ISO media file; `avif` and `avis` say that it holds AV1 images."""
    end = min(int.from_bytes(data[:4]), 256)
    return [data[at : at + 4] for at in range(8, end, 4)]


def _png(data: bytes) -> _Claims:
    if data[12:16] != b"IHDR":
        raise ValueError(f"its first chunk is {data[12:16]!r}, not IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    frames, position = 1, 8
    for _ in range(_MOST_BLOCKS):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, position + 8)
        position += 12 + length
        if position > len(data):
            raise EOFError
        if kind == b"IEND":
            return width, height, max(1, frames)
    raise ValueError(f"it has more than {_MOST_BLOCKS:,} blocks")


def _jpeg(data: bytes) -> _Claims:
    width = height = scans = 0
    position = 2
    for _ in range(_MOST_BLOCKS):
        # Entropy-coded data holds no marker, so the next one ends it; whatever else stands between segments is skipped.
        found = _JPEG_MARKER.search(data, position)
        end = found.start() if found else len(data)
        if end - position > _MOST_JUNK and (not scans or data.find(b"\xff" * _MOST_JUNK, position, end) >= 0):
            raise ValueError(f"it has more than {_MOST_JUNK:,} bytes of junk in a row")
        if found is None or found[1][0] == _EOI:
            break
        marker, position = found[1][0], found.end()
        if marker in (_SOI, _TEM):
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if marker in _SOF and not scans:
            height, width = struct.unpack_from(">HH", data, position + 3)
        elif marker == _SOS:
            scans += 1
            if scans > _MOST_SCANS:
                raise ValueError(f"it has more than {_MOST_SCANS} scans")
        position += length
    else:
        raise ValueError(f"it has more than {_MOST_BLOCKS:,} blocks")
    if not scans:
        raise EOFError
    return width, height, 1


def _gif(data: bytes) -> _Claims:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _gif_palette(flags)
    frames = 0
    for _ in range(_MOST_BLOCKS):
        introducer = data[position : position + 1]
        if introducer == b"!":
            position += 2
        elif introducer == b",":
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
            if not frames:
                # Pillow enlarges the canvas to hold a first frame that reaches over its edge.
                width, height = max(width, left + frame_width), max(height, top + frame_height)
            frames += 1
            position += 11 + _gif_palette(flags)
        else:
            break
        position = _past_sub_blocks(data, position)
    else:
        raise ValueError(f"it has more than {_MOST_BLOCKS:,} blocks")
    if not frames:
        raise EOFError
    return width, height, frames


def _past_sub_blocks(data: bytes, position: int) -> int:
    """Find where a GIF's chain of sub-blocks of at most 255 bytes ends."""
    for _ in range(_MOST_SUB_BLOCKS):
        size = data[position]
        position += 1 + size
        if not size:
            return position
    raise ValueError(f"it has more than {_MOST_SUB_BLOCKS:,} sub-blocks in a row")


def _gif_palette(flags: int) -> int:
    """Count the bytes of the palette that a GIF's flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> _Claims:
    kind, (size,) = data[12:16], struct.unpack_from("<I", data, 4)
    if 8 + size > len(data):
        raise EOFError
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", data, 26))
    else:
        raise ValueError(f"its first chunk is {kind!r}")
    frames, position = 0, 12
    for _ in range(_MOST_BLOCKS):
        if position + 8 > 8 + size:
            return width, height, max(1, frames)
        frames += data[position : position + 4] == b"ANMF"
        (length,) = struct.unpack_from("<I", data, position + 4)
        position += 8 + length + (length & 1)
    raise ValueError(f"it has more than {_MOST_BLOCKS:,} blocks")


def _avif(data: bytes) -> _Claims:
    return *largest_picture(data), 1


_READERS: dict[str, Callable[[bytes], _Claims]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "AVIF": _avif,
    "GIF": _gif,
}
