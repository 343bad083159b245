"""Is the reference really there, and where? Its keypoints found again in the photo, in one plausible arrangement.

The step after search: embeddings propose a few references, and a `PhotoMatcher` proves or fails to prove each. Points
are paired by their descriptors, vote for a position, scale and turn, and what agrees is refined to a homography (USAC
MAGSAC++, Barath et al. 2020). A chance agreement has two to four points; `CHANCE` of them prove nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.keypoints import LocalFeatures
from vision.regions import Box, Outline

# On FlickrLogos-27, of a photo's ten likeliest brands, 5 points and more agree for 0.71 of the right ones, for 0.008 of
# the wrong ones and for none where the photo has no brand; 4 and more for one in 40 of the latter.
CHANCE = 3
# From here on the outline is as good as a box that a person draws.
LOCATED = 8
# And from so much of a drawing on that the photo explains.
LAID = 0.7

_RATIO = 0.85  # Lowe's test: the second nearest point must be this much farther
_FARTHEST = 1.0  # between unit vectors: beyond it nothing is alike
_FEWEST = CHANCE + 1  # and three define an affine map
_RANK_OF_AFFINE = 3
# References whose points are compared in one product: with 1,000 points of the photo it has 16 MB.
_TOGETHER = 16
_FEWEST_PERSPECTIVE = 8  # twice what a homography needs
_MOST_STRETCH = 3.0
# What agrees with a vote: position in shares of the reference's longer edge, scale as a ratio's logarithm, turn.
_POSITION, _SCALE, _TURN = 0.12, 0.7, 0.6
_REFINED_POSITION = 0.05
_LEAST_PIXELS = 3.0
_LEAST_SPREAD = 0.12

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


class Variant(enum.Enum):
    """How a reference may appear beside as it is: in exchanged light and dark, or flipped left to right."""

    UPRIGHT = "upright"
    INVERTED = "inverted"
    MIRRORED = "mirrored"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What the comparison of one reference with one photo found.

    `inliers` counts the pairs of points in one plausible arrangement, of `tentative` that look alike. `outline` is
    where the reference's corners (from the upper left, clockwise) come to lie, relative to the photo; beyond 0..1
    where the photo cuts it off. None when nothing agrees. `overlaid` is the share of a drawing, 0..1, that the photo
    explains where it was laid over it (`vision.overlaying`), for want of points; 0 when it was not.
    """

    inliers: int
    tentative: int
    outline: Outline | None = None
    variant: Variant = Variant.UPRIGHT
    overlaid: float = 0.0

    @property
    def strength(self) -> float:
        """Say on a logarithmic scale how far the inliers go beyond chance, from 0."""
        return math.log1p(max(self.inliers - CHANCE, 0))

    @property
    def box(self) -> Box | None:
        """The part of the photo that the outline spans; None when it is not well enough known, or outside."""
        if self.outline is None or (self.inliers < LOCATED and self.overlaid < LAID):
            return None
        xs, ys = ([min(max(value, 0.0), 1.0) for value in axis] for axis in zip(*self.outline, strict=True))
        if min(xs) >= max(xs) or min(ys) >= max(ys):
            return None
        return Box(min(xs), min(ys), max(xs), max(ys))


NOTHING = Verification(inliers=0, tentative=0)


@dataclass(frozen=True, eq=False)
class _Arrangement:
    """Where a reference lies: a projective map float64 [3, 3] from its pixels to the photo's, and its pairs."""

    transform: NDArray[np.float64]
    inliers: int


class PhotoMatcher:
    """Compares references with one photo, whose points are prepared once. For one thread."""

    def __init__(self, photo: LocalFeatures) -> None:
        self._photo = photo
        self._vectors: dict[Variant, NDArray[np.float32]] = {}
        self._scratch = np.empty((0, len(photo)), np.float32)

    def verify(self, reference: LocalFeatures, variants: Collection[Variant] = (Variant.UPRIGHT,)) -> Verification:
        """Look for a reference in the photo; of several variants the one with most inliers is the answer."""
        return self.verify_each([reference], variants)[0]

    def verify_each(
        self, references: Sequence[LocalFeatures], variants: Collection[Variant] = (Variant.UPRIGHT,)
    ) -> list[Verification]:
        """Look for each of several references, as `verify` does, in fewer and larger products."""
        if len(self._photo) < _FEWEST:
            return [NOTHING] * len(references)
        found: list[Verification] = []
        for start in range(0, len(references), _TOGETHER):
            found += self._verify_together(references[start : start + _TOGETHER], variants)
        return found

    def _verify_together(
        self, references: Sequence[LocalFeatures], variants: Collection[Variant]
    ) -> list[Verification]:
        vectors = np.concatenate([reference.vectors for reference in references])
        if len(self._scratch) < len(vectors):  # fresh memory for each product took three times as long
            self._scratch = np.empty((len(vectors), len(self._photo)), np.float32)
        found = [NOTHING] * len(references)
        for variant in variants:
            cosines = np.matmul(vectors, self._appearing(variant), out=self._scratch[: len(vectors)])
            pairs = _pairs_of_each(cosines, [len(reference) for reference in references], ratio=_RATIO)
            here = [self._arranged(*each, variant) for each in zip(references, pairs, strict=True)]
            found = [max(each, key=lambda one: one.inliers) for each in zip(found, here, strict=True)]
        return found

    def _arranged(self, reference: LocalFeatures, pairs: Pairs, variant: Variant) -> Verification:
        """See whether the pairs of points agree on where the reference lies."""
        ours, theirs, _ = pairs
        if len(ours) < _FEWEST:
            return NOTHING
        known, seen = _appearing(reference, variant).points[ours], self._photo.points[theirs]
        size = (reference.width, reference.height)
        arrangement = _arrange(known, seen, size)
        if arrangement is None:
            return NOTHING
        corners = _map(arrangement.transform, _corners(size)) / (self._photo.width, self._photo.height)
        if variant is Variant.MIRRORED:  # the corners of the reference itself
            corners = corners[[1, 0, 3, 2]]
        outline = tuple((float(x), float(y)) for x, y in corners)
        assert len(outline) == 4
        return Verification(inliers=arrangement.inliers, tentative=len(ours), outline=outline, variant=variant)

    def _appearing(self, variant: Variant) -> NDArray[np.float32]:
        """Give the photo's vectors, float32 [128, n], as they appear to references of a variant.

        As a reference appears to the photo, so does the photo to the reference: it is turned round once, not each of
        them.
        """
        if variant not in self._vectors:
            self._vectors[variant] = np.ascontiguousarray(_appearing(self._photo, variant).vectors.T)
        return self._vectors[variant]


def mutual_pairs(cosines: NDArray[np.float32], *, ratio: float) -> Pairs:
    """Pair points that are each other's nearest, and nearer than `ratio` of the second nearest (Lowe's test).

    `cosines` is float32 [ours, theirs]. Returns the places of each pair on both sides, int64 [p], and the squared
    distance of its descriptors, float32 [p].
    """
    (pairs,) = _pairs_of_each(cosines, [len(cosines)], ratio=ratio)
    return pairs


def _pairs_of_each(cosines: NDArray[np.float32], counts: Sequence[int], *, ratio: float) -> list[Pairs]:
    """Give the mutual pairs of each of several pictures: the rows of `cosines` are the points of one after another."""
    rows = np.arange(len(cosines))
    nearest = cosines.argmax(axis=1)
    first = cosines[rows, nearest].copy()
    cosines[rows, nearest] = -1.0
    second = cosines.max(axis=1)
    cosines[rows, nearest] = first
    apart, farther = 2 - 2 * first, 2 - 2 * second  # squared distances
    clear = np.flatnonzero((apart < ratio**2 * farther) & (apart < _FARTHEST**2))
    ends = np.cumsum(counts)
    found = []
    for start, end, own in zip(ends - counts, ends, np.split(clear, np.searchsorted(clear, ends[:-1])), strict=True):
        mutual = own[cosines[start:end, nearest[own]].argmax(axis=0) + start == own] if len(own) else own
        found.append((mutual - start, nearest[mutual], apart[mutual]))
    return found


def _appearing(reference: LocalFeatures, variant: Variant) -> LocalFeatures:
    if variant is Variant.INVERTED:
        return reference.inverted()
    return reference.mirrored() if variant is Variant.MIRRORED else reference


def _arrange(known: NDArray[np.float32], seen: NDArray[np.float32], size: tuple[int, int]) -> _Arrangement | None:
    """Find the one arrangement that most pairs agree on: points float32 [p, 4] of a reference of `size` in a photo."""
    if len(known) < _FEWEST:
        return None
    agreeing, extent = _vote(known, seen, size)
    if len(agreeing) < _FEWEST:
        return None
    known, seen = known[agreeing], seen[agreeing]
    tolerance = max(_REFINED_POSITION * extent, _LEAST_PIXELS)
    best = _perspective(known, seen, size, tolerance)
    return best if best is not None else _affine(known, seen, size, tolerance)


def _vote(
    known: NDArray[np.float32], seen: NDArray[np.float32], size: tuple[int, int]
) -> tuple[NDArray[np.int64], float]:
    """Let each pair propose the similarity that maps its point, scale and direction; the one with most votes wins.

    Returns the places of the pairs that agree, and the reference's longer edge in the photo, in its pixels.
    """
    scales = seen[:, 2] / known[:, 2]
    # A similarity is multiplication by one complex number and a shift.
    directions = np.exp(1j * np.deg2rad(seen[:, 3] - known[:, 3]))
    factors = scales * directions
    here, there = known[:, 0] + 1j * known[:, 1], seen[:, 0] + 1j * seen[:, 1]
    shifts = there - factors * here
    errors = factors[:, None] * here + shifts[:, None] - there
    extents = scales * max(size)
    # Compared by what is cheap for each two of them: squares, and the cosine of the turn between two directions.
    votes = errors.real**2 + errors.imag**2 < np.maximum(_POSITION * extents, _LEAST_PIXELS)[:, None] ** 2
    sizes = np.log(scales)
    votes &= np.abs(sizes - sizes[:, None]) < _SCALE
    votes &= np.outer(directions.real, directions.real) + np.outer(directions.imag, directions.imag) > math.cos(_TURN)
    winner = int(votes.sum(axis=1).argmax())
    return np.flatnonzero(votes[winner]), float(extents[winner])


def _perspective(
    known: NDArray[np.float32], seen: NDArray[np.float32], size: tuple[int, int], tolerance: float
) -> _Arrangement | None:
    """Fit a homography; None when there are too few points for one, or it is not how a flat thing can be seen."""
    if len(known) < _FEWEST_PERSPECTIVE:
        return None
    transform: Any  # None when there is none, which OpenCV's annotations leave out
    transform, mask = cv2.findHomography(
        known[:, :2], seen[:, :2], cv2.USAC_MAGSAC, tolerance, maxIters=1_000, confidence=0.999
    )
    if transform is None:
        return None
    return _checked(transform, known, seen, np.flatnonzero(mask), size, fewest=_FEWEST_PERSPECTIVE)


def _affine(
    known: NDArray[np.float32], seen: NDArray[np.float32], size: tuple[int, int], tolerance: float
) -> _Arrangement | None:
    """Fit an affine map to the voters by least squares, drop those that it misses, and fit again."""
    kept = np.arange(len(known))
    ones = np.ones((len(known), 1), np.float64)
    sources = np.hstack([known[:, :2], ones])
    transform = np.eye(3)
    for _ in range(2):
        solution, _, rank, _ = np.linalg.lstsq(sources[kept], seen[kept, :2].astype(np.float64), rcond=None)
        if rank < _RANK_OF_AFFINE:
            return None
        transform[:2] = solution.T
        kept = np.flatnonzero(np.linalg.norm(sources @ solution - seen[:, :2], axis=1) < tolerance)
        if len(kept) < _FEWEST:
            return None
    return _checked(transform, known, seen, kept, size, fewest=_FEWEST)


def _checked(
    transform: NDArray[np.float64],
    known: NDArray[np.float32],
    seen: NDArray[np.float32],
    kept: NDArray[np.int64],
    size: tuple[int, int],
    *,
    fewest: int,
) -> _Arrangement | None:
    """Accept an arrangement only if something flat could be seen so, by enough different points that are spread out."""
    inliers = min(_distinct(known[kept]), _distinct(seen[kept]))
    if inliers < fewest or np.ptp(known[kept, :2], axis=0).max() < _LEAST_SPREAD * max(size):
        return None
    return _Arrangement(transform, inliers) if _plausible(transform, size) else None


def _plausible(transform: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Say whether a map keeps a rectangle of `size` convex, the right way round and not stretched beyond reason."""
    corners = _corners(size)
    if (np.hstack([corners, np.ones((4, 1))]) @ transform[2] <= 0).any():
        return False  # part of it would lie behind the camera
    sides = np.roll(mapped := _map(transform, corners), -1, axis=0) - mapped
    following = np.roll(sides, -1, axis=0)
    if (sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0] <= 0).any():
        return False  # folded over, or flipped
    lengths = np.linalg.norm(sides, axis=1) / (size[0], size[1], size[0], size[1])
    return bool(lengths.max() < _MOST_STRETCH * lengths.min() and lengths.min() * max(size) > _LEAST_PIXELS)


def _corners(size: tuple[int, int]) -> NDArray[np.float64]:
    width, height = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def _map(transform: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a projective map to points float64 [p, 2]."""
    projected = np.hstack([points, np.ones((len(points), 1))]) @ transform.T
    mapped: NDArray[np.float64] = projected[:, :2] / projected[:, 2:]
    return mapped


def _distinct(points: NDArray[np.float32]) -> int:
    """Count points that are more than about two pixels apart: one corner described twice is one."""
    return len(np.unique(np.round(points[:, :2] / 2), axis=0))
