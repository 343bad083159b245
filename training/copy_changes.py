"""What do sellers do to a photo that they copy? Crops, the mirror image, borders, words laid over it, compression.

`training.evaluate_copies` alters photos on record with these, one change at a time and two together. Every choice comes
from the generator passed in, so that a seed stands for a picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.pixels import Pixels

Change = Callable[[Pixels, np.random.Generator], Pixels]

KEPT = 0.6
"""What a crop keeps: of the photo's area, or of each of its edges."""

QUALITY = 90
"""JPEG quality of an altered photo; `compress` saves at `LOW_QUALITY` first."""

LOW_QUALITY = 30

MOST_COVERED = 0.2
"""Words cover at most this share of a photo."""

_WORDS = ("NEW", "SALE", "100% original", "free shipping", "@bestdeals", "ask me", "Top quality", "2 for 1")


def crop_area(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Keep 60% of the area, anywhere in the photo."""
    return _crop(photo, random, share=KEPT**0.5)


def crop_edges(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Keep 60% of each edge, so 36% of the area, anywhere in the photo."""
    return _crop(photo, random, share=KEPT)


def mirror(photo: Pixels, random: np.random.Generator) -> Pixels:  # noqa: ARG001 - changes are called alike
    """Flip the photo left to right."""
    return photo[:, ::-1]


def border(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Put a frame around the photo, 5-15% of its shorter edge wide, white, black or of one colour."""
    width = max(round(min(photo.shape[:2]) * random.uniform(0.05, 0.15)), 1)
    colours = ((255, 255, 255), (0, 0, 0), tuple(random.integers(0, 256, 3)))
    height, breadth = photo.shape[:2]
    framed = np.empty((height + 2 * width, breadth + 2 * width, 3), np.uint8)
    framed[:] = colours[random.integers(3)]
    framed[width:-width, width:-width] = photo
    return framed


def overlay(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Lay words over 5-20% of the photo, anywhere; half of the time on a band of one colour."""
    height, width = photo.shape[:2]
    words = _WORDS[random.integers(len(_WORDS))]
    unit = ImageFont.load_default(100).getbbox(words)
    shape = (unit[2] - unit[0]) / (unit[3] - unit[1])
    area = random.uniform(MOST_COVERED / 4, MOST_COVERED) * height * width
    across = min((area * shape) ** 0.5, 0.95 * width)
    font = ImageFont.load_default(max(100 * across / (unit[2] - unit[0]), 8))
    picture = Image.fromarray(np.ascontiguousarray(photo))
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = pen.textbbox((0, 0), words, font=font)
    x = random.uniform(0, max(width - (right - left), 1)) - left
    y = random.uniform(0, max(height - (bottom - top), 1)) - top
    ink, band = (tuple(int(value) for value in random.integers(0, 256, 3)) for _ in range(2))
    if random.random() < 0.5:
        pen.rectangle((x + left, y + top, x + right, y + bottom), fill=band)
    pen.text((x, y), words, fill=ink, font=font)
    return np.asarray(picture)


def compress(photo: Pixels, random: np.random.Generator) -> Pixels:  # noqa: ARG001 - changes are called alike
    """Save the photo as JPEG of quality 30."""
    return np.asarray(Image.open(io.BytesIO(as_jpeg(photo, quality=LOW_QUALITY))))


CHANGES: dict[str, Change] = {
    "crop_area": crop_area,
    "crop_edges": crop_edges,
    "mirror": mirror,
    "border": border,
    "overlay": overlay,
    "jpeg": compress,
}


def two(photo: Pixels, random: np.random.Generator) -> Pixels:
    """Make two different changes, but not both crops: 22% of the area is no copy of the photo."""
    one, other = random.choice(sorted(set(CHANGES) - {"crop_area"}), 2, replace=False)
    if "crop_edges" in (one, other) and random.random() < 0.5:
        one, other = (name.replace("crop_edges", "crop_area") for name in (one, other))
    return CHANGES[other](CHANGES[one](photo, random), random)


def as_jpeg(photo: Pixels, *, quality: int = QUALITY) -> bytes:
    """Encode uint8 [H, W, 3] RGB."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(photo)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _crop(photo: Pixels, random: np.random.Generator, *, share: float) -> Pixels:
    height, width = (max(round(edge * share), 1) for edge in photo.shape[:2])
    top = random.integers(photo.shape[0] - height + 1)
    left = random.integers(photo.shape[1] - width + 1)
    return photo[top : top + height, left : left + width]
