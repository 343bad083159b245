"""What do sellers do to a photo so that its mark is not seen? Each trick alters the photos of one listing.

`training.evaluate_tricks` measures what each costs. Unlike `training.copy_changes`, which alters copies of a photo on
record, these go against the recognition of a mark, and know where it stands. Every choice comes from the generator
passed in, so that a seed stands for a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.copy_changes import border, mirror
from training.pixels import PixelBox, Pixels
from vision.regions import Box

TINY = 0.25
"""Share of each edge that a photo with a tiny mark fills; the rest is plain."""

DRAWN_OVER = 0.3
"""Share of the mark's box that strokes cover, about."""

LEFT_OF_MARK = 0.6
"""Share of the mark's width that an extreme crop leaves; nothing else of the photo is left but a little around it."""

_TILE = 400  # pixels of a collage's tiles


@dataclass(frozen=True, eq=False, kw_only=True)
class Marked:
    """A photo, where its first mark stands, whose it is, and photos of other things to hide it among."""

    photo: Pixels
    box: Box
    brand: str
    others: Sequence[Pixels]


Trick = Callable[[Marked, np.random.Generator], tuple[Pixels, ...]]


def untouched(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:  # noqa: ARG001 - tricks are alike
    """Leave the photo as it is: what the tricks are compared with."""
    return (marked.photo,)


def mirrored(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Flip the photo left to right."""
    return (mirror(marked.photo, random),)


def framed(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Put a frame around the photo."""
    return (border(marked.photo, random),)


def collage(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Make the photo one of four tiles, the others of other things."""
    tiles = [marked.photo, *(marked.others[int(index)] for index in random.choice(len(marked.others), 3))]
    squares = [_fitted(tiles[place], _TILE) for place in random.permutation(4)]
    return (np.vstack([np.hstack(squares[:2]), np.hstack(squares[2:])]),)


def second_photo(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Show something else first."""
    return (marked.others[int(random.integers(len(marked.others)))], marked.photo)


def drawn_over(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Draw strokes of one colour over the mark."""
    left, top, right, bottom = _pixels(marked)
    picture = Image.fromarray(np.ascontiguousarray(marked.photo))
    pen = ImageDraw.Draw(picture)
    colour = tuple(int(value) for value in random.integers(0, 256, 3))
    strokes = 3
    width = max(2, round(DRAWN_OVER * (bottom - top) / strokes))
    for _ in range(strokes):
        ends = (left, random.uniform(top, bottom), right, random.uniform(top, bottom))
        pen.line(ends, fill=colour, width=width)
    return (np.asarray(picture),)


def said_otherwise(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Write "NOT" and the brand across the photo, above or below the mark, on a band: a typographic attack."""
    height, width = marked.photo.shape[:2]
    words = f"NOT {marked.brand.upper()}"
    picture = Image.fromarray(np.ascontiguousarray(marked.photo))
    pen = ImageDraw.Draw(picture)
    unit = ImageFont.load_default(100).getbbox(words)
    font = ImageFont.load_default(max(8.0, 80 * width / (unit[2] - unit[0])))
    extent = pen.textbbox((0, 0), words, font=font)
    _, top, _, bottom = _pixels(marked)
    tall = extent[3] - extent[1]
    y = top - tall if top > height - bottom else bottom
    x = random.uniform(0, max(1, width - extent[2] + extent[0]))
    y = min(max(0, y), max(0, height - tall))
    pen.rectangle((0, y, width, y + tall), fill="white")
    pen.text((x - extent[0], y - extent[1]), words, fill="black", font=font)
    return (np.asarray(picture),)


def tiny(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Shrink the photo into a plain picture of its size, anywhere in it."""
    height, width = marked.photo.shape[:2]
    size = (max(1, round(width * TINY)), max(1, round(height * TINY)))
    small = np.asarray(Image.fromarray(np.ascontiguousarray(marked.photo)).resize(size, Image.Resampling.LANCZOS))
    plain = np.full_like(marked.photo, random.integers(180, 256))
    top, left = random.integers(height - size[1] + 1), random.integers(width - size[0] + 1)
    plain[top : top + size[1], left : left + size[0]] = small
    return (plain,)


def cropped(marked: Marked, random: np.random.Generator) -> tuple[Pixels, ...]:
    """Cut the mark itself: leave one end of it, with a little around."""
    height, width = marked.photo.shape[:2]
    left, top, right, bottom = _pixels(marked)
    across, tall = right - left, bottom - top
    margin = round(0.1 * max(across, tall))
    if random.random() < 0.5:
        left, right = left - margin, left + round(LEFT_OF_MARK * across)
    else:
        left, right = right - round(LEFT_OF_MARK * across), right + margin
    left, right = max(0, left), min(width, right)
    top, bottom = max(0, top - margin), min(height, bottom + margin)
    return (_at_least(marked.photo[top:bottom, left:right], 64),)


TRICKS: dict[str, Trick] = {
    "none": untouched,
    "mirror": mirrored,
    "border": framed,
    "collage": collage,
    "second photo": second_photo,
    "drawn over": drawn_over,
    "NOT BRAND": said_otherwise,
    "tiny": tiny,
    "extreme crop": cropped,
}


def _pixels(marked: Marked) -> PixelBox:
    height, width = marked.photo.shape[:2]
    box = marked.box
    left, top = int(box.x1 * width), int(box.y1 * height)
    return left, top, max(left + 2, round(box.x2 * width)), max(top + 2, round(box.y2 * height))


def _fitted(photo: Pixels, edge: int) -> Pixels:
    """Scale a photo into a white square."""
    picture = Image.fromarray(np.ascontiguousarray(photo))
    picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (edge, edge), "white")
    square.paste(picture, ((edge - picture.width) // 2, (edge - picture.height) // 2))
    return np.asarray(square)


def _at_least(photo: Pixels, edge: int) -> Pixels:
    """Enlarge what is too small for a photo."""
    short = min(photo.shape[:2])
    if short >= edge:
        return photo
    scale = edge / short
    size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
    return np.asarray(Image.fromarray(np.ascontiguousarray(photo)).resize(size, Image.Resampling.BICUBIC))
