"""What does the network see while it learns? Scenes with marked boxes for the finder, pairs of views for the embedder.

A scene is what a finder sees: a picture and the box of each mark in it. A view is what an embedder sees: the part of a
picture that a finder would cut out, or the clean drawing that a registry holds. Two views of one artwork are a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.artworks import Artwork
from training.camera import expose
from training.clippings import Clippings
from training.grounds import Grounds
from training.pixels import PixelBox, Pixels
from training.wordmarks import Wordmarks
from training.world import photograph

_CLEAN = 0.25  # share of views that are clean drawings, as a registry holds them
_LOOK_ALIKES = 4  # invented names in a family
_REAL = 0.25  # share of pairs that are clippings of real photos


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, uint8 [size, size, 3] RGB, and the boxes of its marks in pixels, int32 [n, 4] as x1, y1, x2, y2."""

    picture: Pixels
    boxes: NDArray[np.int32]


class Studio:
    """Everything that scenes are made of. One generator makes each scene, so that a run can be repeated."""

    def __init__(
        self,
        artworks: Sequence[Artwork],
        wordmarks: Wordmarks,
        grounds: Grounds,
        clippings: Clippings | None = None,
    ) -> None:
        self._artworks = artworks
        self._wordmarks = wordmarks
        self._grounds = grounds
        self._clippings = clippings

    def scene(self, size: int, random: np.random.Generator) -> Scene:
        """Make a scene with no mark (one in ten), one, or a few."""
        whole = random.random() < 0.5
        picture = self._grounds.whole(size, random) if whole else self._grounds.piece(size, random)
        boxes: list[PixelBox] = []
        for _ in range(int(random.choice([0, 1, 2, 3, 4], p=[0.1, 0.45, 0.25, 0.12, 0.08]))):
            longest = float(np.exp(random.uniform(np.log(0.06), np.log(0.95)))) * size
            laid, box = photograph(self.artwork(random), picture, random, longest=longest)
            if box is None or any(_overlap(box, other) > 0.05 for other in boxes):
                continue
            picture = laid
            boxes.append(box)
        return Scene(expose(picture, random), np.array(boxes, np.int32).reshape(-1, 4))

    def artwork(self, random: np.random.Generator) -> Artwork:
        """Draw one mark: a brand's, or a word mark made up for the occasion."""
        if random.random() < 0.3:
            return self._wordmarks.family(random, 1)[0]
        return self._artworks[int(random.integers(len(self._artworks)))]

    def pairs(self, count: int, size: int, random: np.random.Generator) -> tuple[list[Pixels], list[Pixels], list[str]]:
        """Make `count` pairs of views, uint8 [size, size, 3], of as many marks, with the marks' names.

        No two marks are of one brand. About a fifth are invented names in families of look-alikes: hard negatives. A
        quarter are clippings of real photos, if there are any; they come last.
        """
        real = self._real_marks(count, random)
        count -= len(real)
        chosen: dict[str, Artwork] = {}
        for _ in range(max(count // 5 // _LOOK_ALIKES, 1)):
            chosen.update((each.brand, each) for each in self._wordmarks.family(random, _LOOK_ALIKES))
        while len(chosen) < count:
            each = self._artworks[int(random.integers(len(self._artworks)))]
            chosen.setdefault(each.brand, each)
        marks = list(chosen.values())[:count]
        one = [self.view(each, size, random) for each in marks]
        other = [
            self.clean(each, size, random) if random.random() < 2 * _CLEAN else self.view(each, size, random)
            for each in marks
        ]
        if self._clippings is not None:
            one += [self._clippings.view(place, size, random) for place in real]
            other += [self._clippings.view(place, size, random) for place in real]
        return one, other, [each.name for each in marks] + [f"real/{place}" for place in real]

    def _real_marks(self, count: int, random: np.random.Generator) -> list[int]:
        """Choose the clippings among `count` pairs, each once."""
        if self._clippings is None:
            return []
        share = min(int(count * _REAL), len(self._clippings))
        return [int(place) for place in random.choice(len(self._clippings), share, replace=False)]

    def view(self, artwork: Artwork, size: int, random: np.random.Generator) -> Pixels:
        """Photograph the mark and cut it out as a finder would: roughly, uint8 [size, size, 3]."""
        for _ in range(4):
            scene = int(size * random.uniform(1.0, 1.4))
            longest = float(np.exp(random.uniform(np.log(0.35), np.log(0.9)))) * scene
            picture, box = photograph(artwork, self._grounds.piece(scene, random), random, longest=longest)
            if box is not None and (box[2] - box[0]) * (box[3] - box[1]) > 120:
                return _cut(expose(picture, random), box, size, random)
        return self.clean(artwork, size, random)

    def clean(self, artwork: Artwork, size: int, random: np.random.Generator) -> Pixels:
        """Draw the mark on plain paper, as a brand owner submits it: uint8 [size, size, 3]."""
        tall, wide = artwork.coverage.shape
        inside = int(size * random.uniform(0.8, 0.96))
        scale = inside / max(tall, wide)
        across, down = max(int(wide * scale), 4), max(int(tall * scale), 4)
        if random.random() < 0.5:  # tight, squashed as a boxed reference is
            across = down = inside
        paper = _PAPERS[random.integers(len(_PAPERS))]
        plain = artwork.one_colour and random.random() < 0.6
        if plain:
            ink = np.full(3, 17 if paper.mean() > 127 else 255, np.float32)
            colour = np.broadcast_to(ink, (down, across, 3))
        else:
            colour = cv2.resize(artwork.colour, (across, down), interpolation=cv2.INTER_AREA).astype(np.float32)
            if np.abs(artwork.colour.reshape(-1, 3).mean(axis=0) - paper).mean() < 40:
                paper = 255 - paper
        cover = cv2.resize(artwork.coverage, (across, down), interpolation=cv2.INTER_AREA)[..., None] / np.float32(255)
        sheet = np.empty((size, size, 3), np.float32)
        sheet[:] = paper
        top, left = (size - down) // 2, (size - across) // 2
        part = sheet[top : top + down, left : left + across]
        part += (colour - part) * cover
        return sheet.astype(np.uint8)


_PAPERS = tuple(np.full(3, tone, np.float32) for tone in (255, 255, 255, 245, 17, 0))


def _cut(picture: Pixels, box: PixelBox, size: int, random: np.random.Generator) -> Pixels:
    """Cut a box out with the errors that finders make: too wide or too tight, off the centre, nearer to a square."""
    x1, y1, x2, y2 = box
    square = max(x2 - x1, y2 - y1) * random.uniform(0, 1) ** 2
    width, height = max(x2 - x1, square), max(y2 - y1, square)
    grown = 1 + random.uniform(-0.2, 0.6)
    centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2]) + random.normal(0, 0.06, 2) * (width, height)
    left, top = np.floor(centre - np.array([width, height]) * grown / 2).astype(int)
    right, bottom = np.ceil(centre + np.array([width, height]) * grown / 2).astype(int)
    part = picture[max(top, 0) : max(bottom, 4), max(left, 0) : max(right, 4)]
    return np.asarray(cv2.resize(part, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _overlap(one: PixelBox, other: PixelBox) -> float:
    """Measure what two boxes share, as a share of the smaller one, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((each[2] - each[0]) * (each[3] - each[1]) for each in (one, other))
    return max(width, 0) * max(height, 0) / max(smaller, 1)
