"""What can be recognised in a picture point by point? SIFT keypoints, described so that they can be stored and matched.

Embeddings say what a region looks like; keypoints (Lowe, "Distinctive image features from scale-invariant keypoints",
2004) say where its details lie. `vision.verify` compares those of a photo with those of a reference, whose pixels are
then not needed any more.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.overlaying import DRAWING_BYTES, EDGE, Drawing, small_drawing
from vision.regions import Box
from vision.shrinking import shrunk

# Of what is stored: points alone, and points with a drawing after them.
_POINTS, _WITH_DRAWING = 1, 2
DESCRIPTOR_BYTES = 128

# A photo's longest edge in pixels when keypoints are sought. On FlickrLogos-27 (untrained model), 400 finds 0.72 of the
# brands at 1% false positives, 500 0.74 and 640 0.76; each step takes half as long again. A smaller photo is not
# enlarged: SIFT looks at it at twice its size anyway, and more pixels show no more details.
PHOTO_EDGE = 448
PHOTO_KEYPOINTS = 1_000
# The longest edge of a part of a photo in which a mark is sought, where it is not small; and what is added on each
# side, for no point lies within 5 pixels of an edge. It is also the edge of a whole photo that may be a copy, or be
# copied: of 360 altered copies of photos of FlickrLogos-27, 500 pixels long, all are found so, and 0.96 of those at
# 448 pixels, whose strongest points are too fine to outlive a crop; in a third of the time.
PART_EDGE = 256
# And where only drawings are sought, which have few fine details: in 0.6 of the time clean marks alone name as many of
# FlickrLogos-27, and 2 points less in 160 pixels. By boxed examples 192 pixels name 1 point less, at 1% false positives
# 3 points.
DRAWINGS_EDGE = 192
_PART_MARGIN = 8
# A reference is a small cut-out: it is enlarged until its shorter edge is this long, as far as the longest allows.
REFERENCE_EDGE = 256
REFERENCE_LONGEST_EDGE = 512
REFERENCE_KEYPOINTS = 256  # half of them cost 2 points of the brands that verification confirms

# Below OpenCV's 0.04, for the faint print of a mark on cloth; and its 10 would drop the ends of thin strokes.
_CONTRAST_THRESHOLD = 0.02
# For photos: the least with which OpenCV passes over what is no brighter or darker than its surroundings by more than
# one grey level, before it looks more closely. 0.02 leaves that out, takes 1.4 times as long and finds 6% more points.
_CONTRAST_OF_PHOTOS = 0.0236
_EDGE_THRESHOLD = 15
# A component of a RootSIFT vector is seldom above a half.
_QUANTUM = 512.0
_HEADER = struct.Struct("<BHHH")  # format version, width, height, count

_CELLS = np.arange(DESCRIPTOR_BYTES).reshape(4, 4, 8)  # rows, columns, directions
_INVERTED = _CELLS[::-1, ::-1].ravel()
_MIRRORED = _CELLS[::-1, :, -np.arange(8) % 8].ravel()


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """The keypoints of a picture that was looked at in `width` x `height` pixels, strongest first.

    points: float32 [n, 4]: x and y in those pixels, diameter in pixels, direction in degrees, clockwise.
    descriptors: uint8 [n, 128], RootSIFT (Arandjelovic and Zisserman, 2012) times 512.
    drawing: the picture itself, where it is a drawing that can be laid over photos.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    width: int
    height: int
    drawing: Drawing | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The descriptors as float32 [n, 128], rows of length 1."""
        rows = self.descriptors.astype(np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return rows

    def strongest(self, most: int) -> LocalFeatures:
        """Keep the `most` strongest keypoints."""
        return replace(self, points=self.points[:most], descriptors=self.descriptors[:most])

    def inverted(self) -> LocalFeatures:
        """Give the keypoints of the same picture with light and dark exchanged, as a mark is printed on dark cloth.

        All gradients turn round, and so do the keypoints' directions: the cells of a descriptor change places.
        """
        points = self.points.copy()
        points[:, 3] = (points[:, 3] + 180) % 360
        return replace(self, points=points, descriptors=self.descriptors[:, _INVERTED], drawing=None)

    def mirrored(self) -> LocalFeatures:
        """Give the keypoints of the same picture flipped left to right."""
        points = self.points.copy()
        # Half a pixel off the mirror's exact place: OpenCV's doubled first octave shifts every point by a quarter.
        points[:, 0] = self.width - 0.5 - points[:, 0]
        points[:, 3] = (180 - points[:, 3]) % 360
        return replace(self, points=points, descriptors=self.descriptors[:, _MIRRORED], drawing=None)

    def to_bytes(self) -> bytes:
        """Serialise: 7 bytes, 144 for each keypoint, and 2,304 for a drawing."""
        version, drawing = (_POINTS, b"") if self.drawing is None else (_WITH_DRAWING, self.drawing.grey.tobytes())
        header = _HEADER.pack(version, self.width, self.height, len(self))
        return header + self.points.astype("<f4").tobytes() + self.descriptors.tobytes() + drawing

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError when it is of another format or damaged."""
        version, width, height, count = _HEADER.unpack_from(data) if len(data) >= _HEADER.size else (0, 0, 0, 0)
        split = _HEADER.size + 16 * count
        end = split + DESCRIPTOR_BYTES * count
        drawn = version == _WITH_DRAWING
        flat = drawn and min(width, height) == 0
        if version not in (_POINTS, _WITH_DRAWING) or flat or len(data) != end + drawn * DRAWING_BYTES:
            raise ValueError(f"{len(data)} bytes of format version {version} are no keypoints that are known here")
        points = np.frombuffer(data, "<f4", 4 * count, _HEADER.size).reshape(count, 4).astype(np.float32, copy=False)
        descriptors = np.frombuffer(data, np.uint8, DESCRIPTOR_BYTES * count, split).reshape(count, DESCRIPTOR_BYTES)
        drawing = None
        if drawn:
            drawing = Drawing(np.frombuffer(data, np.uint8, offset=end).reshape(EDGE, EDGE), width / height)
        return cls(points, descriptors, width, height, drawing)


def in_grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn a photo, uint8 [H, W, 3] RGB, into what its keypoints are sought in: grey, at most 448 pixels long."""
    height, width = pixels.shape[:2]
    scale = min(PHOTO_EDGE / max(height, width), 1.0)
    return shrunk(_grey(pixels), width=_scaled(width, scale), height=_scaled(height, scale))


def photo_features(grey: NDArray[np.uint8]) -> LocalFeatures:
    """Find the keypoints of a whole photo, as `in_grey` gives it; up to 1,000."""
    return _detect(grey, most=PHOTO_KEYPOINTS, contrast=_CONTRAST_OF_PHOTOS)


def part_features(grey: NDArray[np.uint8], part: Box, *, edge: int = PART_EDGE) -> LocalFeatures:
    """Find the keypoints of a part of a photo, as `in_grey` gives it; up to 1,000.

    A part, or a whole, longer than `edge` pixels is looked at in so many. They have their places in the whole photo,
    and nothing far from the part has a share in them.
    """
    height, width = grey.shape
    left, top = (max(math.floor(start - _PART_MARGIN), 0) for start in (part.x1 * width, part.y1 * height))
    right, bottom = (math.ceil(end + _PART_MARGIN) for end in (part.x2 * width, part.y2 * height))
    cut = grey[top:bottom, left:right]
    scale = min(edge / max(cut.shape), 1.0)
    looked_at = shrunk(cut, width=_scaled(cut.shape[1], scale), height=_scaled(cut.shape[0], scale))
    found = _detect(looked_at, most=PHOTO_KEYPOINTS, contrast=_CONTRAST_OF_PHOTOS)
    points = found.points + np.array([left * scale, top * scale, 0, 0], np.float32)
    return LocalFeatures(points, found.descriptors, _scaled(width, scale), _scaled(height, scale))


def reference_features(pixels: NDArray[np.uint8], *, drawn: bool = False) -> LocalFeatures:
    """Find the keypoints of a reference's picture, uint8 [H, W, 3] RGB; up to 256. Keep it when it is `drawn`."""
    grey = _grey(pixels)
    drawing = Drawing(small_drawing(grey), grey.shape[1] / grey.shape[0]) if drawn else None
    scale = min(REFERENCE_EDGE / min(grey.shape), REFERENCE_LONGEST_EDGE / max(grey.shape))
    height, width = (_scaled(edge, scale) for edge in grey.shape)
    if scale != 1:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        grey = np.asarray(cv2.resize(grey, (width, height), interpolation=how), np.uint8)
    found = _detect(grey, most=REFERENCE_KEYPOINTS, contrast=_CONTRAST_THRESHOLD)
    return found if drawing is None or drawing.empty else replace(found, drawing=drawing)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)


def _scaled(edge: int, scale: float) -> int:
    return max(round(edge * scale), 1)


def _detect(grey: NDArray[np.uint8], *, most: int, contrast: float) -> LocalFeatures:
    height, width = grey.shape
    sift = cv2.SIFT.create(nfeatures=most, contrastThreshold=contrast, edgeThreshold=_EDGE_THRESHOLD)
    found, raw = sift.detectAndCompute(grey, None)
    if not found:
        return LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, DESCRIPTOR_BYTES), np.uint8), width, height)
    # Equals are kept beyond `most`, and nothing is in order: the position makes the order the same everywhere.
    rows = np.array([(-one.response, *one.pt, one.size, one.angle) for one in found], np.float32)
    order = np.lexsort(rows.T[::-1])[:most]
    shares = raw[order] / np.maximum(raw[order].sum(axis=1, keepdims=True), 1e-6)
    descriptors = np.minimum(np.rint(np.sqrt(shares) * _QUANTUM), 255).astype(np.uint8)
    return LocalFeatures(rows[order, 1:], descriptors, width, height)
