"""Are pictures of advice drawn once, and not remembered without bound? Over a blob store that counts."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from index.blobs import digest_of
from index.errors import BlobMissing
from index.records import Reference, ReferenceKind
from serving.advice_pictures import PICTURE_EDGE, AdvicePictures
from vision.regions import Box


class Files:
    """A blob store in memory that counts what it is asked for."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.gets: list[str] = []

    def put(self, content: bytes) -> str:
        """Keep a file."""
        self.kept[digest_of(content)] = content
        return digest_of(content)

    def get(self, sha256: str) -> bytes:
        """Return a file."""
        self.gets.append(sha256)
        if sha256 not in self.kept:
            raise BlobMissing(sha256)
        return self.kept[sha256]


def a_reference(files: Files, seed: int) -> Reference:
    """Keep a picture of 800 by 600 pixels of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (600, 800, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    sha256 = files.put(stream.getvalue())
    return Reference(reference_id=f"r{seed}", brand_id="b", kind=ReferenceKind.PRODUCT, image_sha256=sha256)


def size_of(picture: bytes) -> tuple[int, int]:
    """Give a picture's width and height in pixels."""
    return Image.open(io.BytesIO(picture)).size


def test_a_picture_is_drawn_once() -> None:
    """Asked for again, it is the same, and its file is not read again; another box of it is another picture."""
    files = Files()
    pictures, reference = AdvicePictures(files), a_reference(files, 1)
    boxed = replace(reference, box=Box(0.0, 0.0, 0.5, 1.0))

    first, again, part = (pictures.copy_of(one) for one in (reference, reference, boxed))

    assert first is again
    assert (size_of(first), len(files.gets)) == ((PICTURE_EDGE, PICTURE_EDGE * 3 // 4), 2)
    assert size_of(part) == (400 * PICTURE_EDGE // 600, PICTURE_EDGE)


def test_only_so_many_are_remembered() -> None:
    """Of more the one that was not asked for longest is drawn anew."""
    files = Files()
    pictures = AdvicePictures(files, remembered=2)
    one, two, three = (a_reference(files, seed) for seed in range(3))

    for reference in (one, two, one, three, one, two):
        pictures.copy_of(reference)

    assert files.gets == [each.image_sha256 for each in (one, two, three, two)]


def test_what_could_not_be_read_is_read_again() -> None:
    """A file that is away for a moment is not remembered as missing."""
    files = Files()
    reference = a_reference(files, 1)
    content = files.kept.pop(reference.image_sha256)
    pictures = AdvicePictures(files)

    with pytest.raises(BlobMissing):
        pictures.copy_of(reference)
    files.put(content)

    assert pictures.copy_of(reference)
