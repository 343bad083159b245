"""Which real marks are there to learn from? What the finder finds in the training photos, whatever it is.

Rendered marks teach what a mark may look like; clippings keep the embedder at home in real photos: printing, cloth,
shelves. Two views of one clipping are a pair: cut out differently, tilted, photographed again. Nobody names what they
show.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from training.camera import expose
from training.pixels import Pixels
from vision.finder import Finder
from vision.regions import Box

_BATCH = 16
_LEAST = 0.2  # confidence of the finder
_SMALLEST = 28  # pixels of a clipping's shorter edge


class Clippings:
    """Parts of photos, each a mark of its own."""

    def __init__(self, photos: Sequence[Pixels], boxes: Sequence[tuple[int, Box]]) -> None:
        """Hold `photos`, uint8 [H, W, 3], and `boxes`: the number of the photo that each lies in, and where."""
        self._photos = photos
        self._boxes = list(boxes)

    @classmethod
    def find(cls, photos: Sequence[Pixels], finder: Finder) -> Clippings:
        """Take what `finder` is confident of, where it is large enough to show anything."""
        boxes = []
        for start in range(0, len(photos), _BATCH):
            found = finder.find(photos[start : start + _BATCH])
            for number, regions in enumerate(found, start=start):
                height, width = photos[number].shape[:2]
                for region in regions:
                    edges = (region.box.x2 - region.box.x1) * width, (region.box.y2 - region.box.y1) * height
                    if region.confidence >= _LEAST and min(edges) >= _SMALLEST:
                        boxes.append((number, region.box))
        return cls(photos, boxes)

    def __len__(self) -> int:
        """Count the clippings."""
        return len(self._boxes)

    def view(self, place: int, size: int, random: np.random.Generator) -> Pixels:
        """Photograph clipping `place` anew, uint8 [size, size, 3]: cut out roughly, turned and tilted a little."""
        number, box = self._boxes[place]
        photo = self._photos[number]
        height, width = photo.shape[:2]
        centre = np.array([(box.x1 + box.x2) * width, (box.y1 + box.y2) * height]) / 2
        half = np.array([(box.x2 - box.x1) * width, (box.y2 - box.y1) * height]) / 2
        half = np.maximum(half, half.max() * random.uniform(0, 1) ** 2)  # nearer to a square, as finders cut
        half = half * float(np.exp(random.uniform(np.log(0.75), np.log(1.5)))) * np.exp(random.normal(0, 0.08, 2))
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) + random.normal(0, random.choice([0.03, 0.1]), (4, 2))
        angle = random.normal(0, 0.4 if random.random() < 0.1 else 0.08)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = (corners * half) @ turn.T + centre + random.normal(0, 0.08, 2) * half
        there = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
        matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), there)
        shrink = float(half.max() * 2 / size)
        if shrink > 1.5:  # averaged first: sampling a large part would skip pixels
            photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), shrink / 2.5), np.uint8)
        view = cv2.warpPerspective(photo, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return expose(np.asarray(view, np.uint8), random)
