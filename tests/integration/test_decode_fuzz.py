"""Hostile images: whatever the bytes, decoding ends in an image or a named fault, and leaves no memory behind.

The 2,400 mutants are decoded in a process of their own: a decoder that crashes must fail this test, not end the run.
"""

from __future__ import annotations

import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageCms

from vision.decode import DecodeLimits, Image, decode
from vision.errors import ImageError, ImageFault

MUTANTS = 2_400
LARGEST_GROWTH = 200 * 2**20
HOSTILE_SIZES = (0, 1, 2, 15, 255, 4_000, 9_999, 16_384, 65_535)

Mutation = Callable[[bytes, random.Random], bytes]


# --- seeds ---------------------------------------------------------------------------------------------------------


def encoded(image: Pillow.Image, name: str, **options: object) -> bytes:
    """Encode with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def seeds() -> dict[str, bytes]:
    """Make valid files of every format and of the features that decoders treat apart."""
    rng = np.random.default_rng(11)
    rgb = Pillow.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).resize((96, 72))
    grey, alpha = rgb.convert("L"), rgb.convert("RGBA")
    alpha.putalpha(grey)
    frames = [rgb.rotate(angle) for angle in (5, 10, 15)]
    exif = Pillow.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    animated = {"save_all": True, "append_images": frames}
    deep = Pillow.fromarray(rng.integers(0, 65536, (40, 40), dtype=np.uint16))
    files = {
        "JPEG": encoded(rgb, "JPEG", exif=exif, icc_profile=profile),
        "JPEG progressive": encoded(rgb, "JPEG", progressive=True, quality=60),
        "JPEG restarts": encoded(grey, "JPEG", restart_marker_rows=1),
        "JPEG CMYK": encoded(rgb.convert("CMYK"), "JPEG"),
        "PNG": encoded(rgb, "PNG", exif=exif, icc_profile=profile),
        "PNG palette": encoded(rgb.quantize(16), "PNG", transparency=bytes(range(0, 160, 10))),
        "PNG 16 bit": encoded(deep, "PNG"),
        "PNG alpha": encoded(alpha, "PNG"),
        "PNG animated": encoded(rgb, "PNG", **animated),
        "WEBP": encoded(rgb, "WEBP", exif=exif),
        "WEBP lossless": encoded(alpha, "WEBP", lossless=True),
        "WEBP animated": encoded(rgb, "WEBP", **animated),
        "AVIF": encoded(rgb, "AVIF", exif=exif, speed=10),
        "AVIF alpha": encoded(alpha, "AVIF", speed=10),
        "AVIF animated": encoded(rgb, "AVIF", speed=10, **animated),
        "GIF": encoded(rgb, "GIF"),
        "GIF animated": encoded(rgb, "GIF", transparency=3, disposal=2, **animated),
    }
    assert {name.split()[0] for name in files} == {"JPEG", "PNG", "WEBP", "AVIF", "GIF"}
    return files


# --- mutations -----------------------------------------------------------------------------------------------------


def bit_flips(data: bytes, rng: random.Random) -> bytes:
    """Flip up to 30 bits anywhere."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 30)):
        mutant[rng.randrange(len(mutant))] ^= 1 << rng.randrange(8)
    return bytes(mutant)


def header_noise(data: bytes, rng: random.Random) -> bytes:
    """Overwrite some of the first 200 bytes, where sizes and tables stand."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        mutant[rng.randrange(min(200, len(mutant)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(mutant)


def truncated(data: bytes, rng: random.Random) -> bytes:
    """Cut the end off."""
    return data[: rng.randrange(len(data))]


def holes(data: bytes, rng: random.Random) -> bytes:
    """Remove, repeat or blank a stretch."""
    start = rng.randrange(len(data))
    stretch = data[start : start + rng.randint(1, 400)]
    middle = rng.choice((b"", stretch * rng.randint(2, 50), bytes(len(stretch)), b"\xff" * len(stretch)))
    return data[:start] + middle + data[start + len(stretch) :]


def foreign_header(data: bytes, rng: random.Random) -> bytes:
    """Put another format's signature in front, or in place of the first bytes."""
    signatures = (
        *(b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\xff\xff\xff\x7fWEBPVP8X", b"<svg", b"%PDF-1.4"),
        *(b"\x00\x00\x00\x1cftypavif", b"\x00\x00\x00\x1cftypheic", b"BM", b"II*\x00", b"%!PS-Adobe", b"\x00" * 8),
    )
    signature = rng.choice(signatures)
    return signature + data[rng.choice((0, len(signature))) :]


def polyglot(data: bytes, rng: random.Random) -> bytes:
    """Two files in one, one behind the other or one inside the other."""
    other = rng.choice(list(ALL_SEEDS.values()))
    cut = rng.randrange(len(data))
    return rng.choice((data + other, data[:cut] + other + data[cut:], data[:cut] + other[cut:]))


def length_lies(data: bytes, rng: random.Random) -> bytes:
    """Overwrite what may be a length, a count or an offset with an extreme number."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        number = rng.choice((0, 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, len(data), rng.getrandbits(32)))
        order = rng.choice("<>")
        layout, value = rng.choice(((order + "I", number), (order + "H", number & 0xFFFF)))
        struct.pack_into(layout, mutant, rng.randrange(max(1, len(mutant) - 4)), value)
    return bytes(mutant)


def hostile_size(data: bytes, rng: random.Random) -> bytes:
    """Forge the size in the header, with a right checksum where there is one."""
    width, height = rng.choice(HOSTILE_SIZES), rng.choice(HOSTILE_SIZES)
    mutant = bytearray(data)
    if data[:4] == b"\x89PNG":
        struct.pack_into(">II", mutant, 16, width, height)
    elif data[:2] == b"\xff\xd8":
        start = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        struct.pack_into(">HH", mutant, start + 5, height, width)
    elif data[:4] == b"GIF8":
        struct.pack_into("<HH", mutant, rng.choice((6, data.index(b",", 13) + 5)), width, height)
    elif data[4:8] == b"ftyp":
        struct.pack_into(">II", mutant, data.index(b"ispe") + 8, width, height)
    elif data[12:16] == b"VP8X":
        mutant[24:30] = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    elif data[12:16] == b"VP8L":
        struct.pack_into("<I", mutant, 21, (width & 0x3FFF) | (height & 0x3FFF) << 14)
    else:
        struct.pack_into("<HH", mutant, 26, width & 0x3FFF, height & 0x3FFF)
    return checksummed(bytes(mutant))


def many_frames(data: bytes, rng: random.Random) -> bytes:
    """Announce or append frames by the thousand."""
    count = rng.choice((2, 999, 1_001, 5_000, 60_000))
    if data[:4] == b"\x89PNG":
        content = b"acTL" + struct.pack(">II", rng.choice((count, 2**31 - 1, 2**32 - 1)), 0)
        return checksummed(data[:33] + struct.pack(">I", 8) + content + bytes(4) + data[33:])
    if data[:4] == b"GIF8":
        return data[:-1] + b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0" * count + b";"
    if data[:4] == b"RIFF":
        body = data[8:] + (b"ANMF" + struct.pack("<I", 16) + bytes(16)) * count
        return b"RIFF" + struct.pack("<I", len(body)) + body
    return data + data[: rng.randrange(len(data))] * min(count, 999)


def checksummed(data: bytes) -> bytes:
    """Repair a PNG's checksums, so that a mutation gets past them."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    mutant, position = bytearray(data), 8
    while position + 12 <= len(mutant):
        end = position + 8 + int.from_bytes(mutant[position : position + 4])
        if end + 4 > len(mutant):
            break
        struct.pack_into(">I", mutant, end, zlib.crc32(mutant[position + 4 : end]))
        position = end + 4
    return bytes(mutant)


def checksummed_noise(data: bytes, rng: random.Random) -> bytes:
    """Change bytes behind the signature and repair the checksums: palettes, modes, frame counts, profiles."""
    mutant = bytearray(data)
    for _ in range(rng.randint(1, 12)):
        mutant[rng.randrange(8, len(mutant))] = rng.randrange(256)
    return checksummed(bytes(mutant))


MUTATIONS: tuple[Mutation, ...] = (
    *(bit_flips, header_noise, truncated, holes, foreign_header),
    *(polyglot, length_lies, hostile_size, many_frames, checksummed_noise),
)
ALL_SEEDS = seeds()


def mutants(count: int, seed: int = 20_261_122) -> Iterator[tuple[str, bytes]]:
    """Deterministic mutants, each seed file and each mutation in turn, one in four mutated twice."""
    rng = random.Random(seed)
    names = list(ALL_SEEDS)
    for index in range(count):
        name, mutation = names[index % len(names)], MUTATIONS[index // len(names) % len(MUTATIONS)]
        data = mutation(ALL_SEEDS[name], rng)
        if data and rng.random() < 0.25:
            second = rng.choice([other for other in MUTATIONS if other not in (hostile_size, many_frames)])
            data = second(data, rng) if len(data) > 16 else data
        yield f"{index}: {name}, {mutation.__name__}", data


# --- the decoding process --------------------------------------------------------------------------------------------


def outcome_of(data: bytes) -> str:
    """`IMAGE`, or the name of the fault; any other exception is a defect and passes through."""
    try:
        image = decode(data)
    except ImageError as error:
        return ImageFault(error.fault).value if str(error) else "a fault without a message"
    assert_sound(image)
    return "IMAGE"


def assert_sound(image: Image) -> None:
    """Check that what came out keeps the promises of `Image`."""
    height, width = image.pixels.shape[:2]
    assert image.pixels.shape == (height, width, 3)
    assert image.pixels.dtype == np.uint8
    assert 1 <= max(height, width) <= DecodeLimits().working_edge


def decode_all(count: int) -> dict[str, object]:
    """Decode the mutants and report outcomes, defects and memory in bytes."""
    warnings.simplefilter("ignore")
    process = psutil.Process()
    for data in ALL_SEEDS.values():
        assert outcome_of(data) == "IMAGE"
    before = highest = process.memory_info().rss
    outcomes: Counter[str] = Counter()
    defects: list[str] = []
    for label, data in mutants(count):
        try:
            outcomes[outcome_of(data)] += 1
        except Exception as error:  # noqa: BLE001 - a defect of any kind is to be reported, not to end the run
            defects.append(f"{label}: {error!r}")
        highest = max(highest, process.memory_info().rss)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"outcomes": outcomes, "defects": defects, "growth": highest - before, "peak": peak}


@pytest.mark.slow
def test_mutated_images_end_in_an_image_or_a_named_fault(record_property: Callable[[str, object], None]) -> None:
    """2,400 mutants of 17 files: no crash, no other exception, less than 200 MiB of memory kept."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    run = subprocess.run(
        [sys.executable, str(Path(__file__)), str(MUTANTS)],
        capture_output=True,
        text=True,
        timeout=500,
        env=environment,
        check=False,
    )

    assert run.returncode == 0, f"the decoding process ended with {run.returncode}: {run.stderr[-2000:]}"
    report = json.loads(run.stdout)
    record_property("report", report)
    assert report["defects"] == []
    assert sum(report["outcomes"].values()) == MUTANTS
    assert set(report["outcomes"]) <= {"IMAGE", *(fault.value for fault in ImageFault)}
    assert len(report["outcomes"]) >= 7, f"the mutations reach too few of the rules: {report['outcomes']}"
    assert report["growth"] < LARGEST_GROWTH, f"{report['growth'] / 2**20:.0f} MiB were kept"


@given(
    signature=st.sampled_from([data[:length] for data in ALL_SEEDS.values() for length in (4, 12, 40, 120)] + [b""]),
    rest=st.binary(max_size=600),
)
@settings(max_examples=400, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_bytes_end_in_an_image_or_a_named_fault(signature: bytes, rest: bytes) -> None:
    """Bytes that begin like an image and go on at random."""
    assert outcome_of(signature + rest) in {"IMAGE", *ImageFault}


if __name__ == "__main__":
    json.dump(decode_all(int(sys.argv[1])), sys.stdout)
