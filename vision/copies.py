"""Is this photo made from that one? Keypoints of a photo on record found again, square on and in one scale.

PDQ recognises a copy as long as nothing is cut off or added (`vision.hashing`). A crop, a border or words laid over it
leave most details where they were, to within a shift and a scale: far stricter than what `vision.verify` allows a thing
that a camera saw again. So few details prove a copy, and two photos of one wardrobe do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.keypoints import LocalFeatures
from vision.regions import Point
from vision.verify import NOTHING, Variant, Verification, mutual_pairs

KEPT_KEYPOINTS = 128
"""Keypoints of a photo on record that are kept, the strongest."""

COPIED = 6
"""So many details in place make a photo a copy, when they are enough of those in view (`COPIED_SHARE`)."""

COPIED_SHARE = 0.18
"""Of the details on record that would be in view, so many are found. Different clothes photographed on one hanger share
the hanger and the wall: at most 0.15 of the details, up to 20 of them. Of 374 copies (crops, borders, words, q=30 JPEG,
two at once) 0.98 and more share 0.2. Measured on photos of clothing/train."""

EXACTNESS = 2.0
"""Half of the details that agree lie within so many pixels of their place, times the share of those in view that
agree. A carton that was photographed again, a step aside, shows the same print, a little off: of 7,290 pairs of photos
of one product in grocery/train 252 had enough details in place, and 102 of them as exactly as this; of fashion/train 25
of 8,508, and 3. Hardly a copy is lost (0.0005 of fashion/train); at 1.25 it would be 0.007, and drawings of flat
shapes.
"""

_RATIO = 0.92  # Lowe's test, laxer than in `vision.verify`: the arrangement is the stricter
_FEWEST = 3
_TURN = 12.0  # degrees: a copy is not turned
_SIZES = 0.5  # a point's size and the arrangement's scale may differ by this, as logarithms
_LEAST_SCALE, _MOST_SCALE = 0.2, 5.0
_MOST_STRETCH = 1.25  # of one axis beside the other
_PROPOSERS = 30  # the clearest pairs; each two of them propose an arrangement
# How far a detail may lie from its place: share of the photo's longer edge, first roughly, then for good.
_ROUGH, _EXACT = 0.02, 0.006
_LEAST_PIXELS = 1.5
# One of the photos shows at least this share of the other, and neither is a detail of the other.
_MOSTLY, _PARTLY = 0.5, 0.2


@dataclass(frozen=True, eq=False)
class _Placement:
    """Where a photo lies in another: x' = scale * x + shift on each axis, float64 [2]; `inliers` details agree.

    `error` is how far the middle one of them is off, in pixels of the photo that shows less of them.
    """

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    inliers: int
    error: float


class CopyMatcher:
    """Compares photos on record with one photo, whose points are prepared once. For one thread."""

    def __init__(self, photo: LocalFeatures) -> None:
        self._photo = photo
        self._vectors = np.ascontiguousarray(photo.vectors.T)

    def compare(self, known: LocalFeatures) -> Verification:
        """Look for a photo on record, as it is and flipped; `NOTHING` when this one is not made from it."""
        upright, mirrored = self._compare(known, Variant.UPRIGHT), self._compare(known.mirrored(), Variant.MIRRORED)
        return max(upright, mirrored, key=lambda one: one.inliers)

    def _compare(self, known: LocalFeatures, variant: Variant) -> Verification:
        if min(len(known), len(self._photo)) < _FEWEST:
            return NOTHING
        ours, theirs, apart = mutual_pairs(known.vectors @ self._vectors, ratio=_RATIO)
        clearest = np.argsort(apart, kind="stable")
        ours, theirs = ours[clearest], theirs[clearest]
        placement = _place(known.points[ours], self._photo.points[theirs], max(known.width, known.height))
        if placement is None or not self._proves(placement, known):
            return NOTHING
        return Verification(
            inliers=placement.inliers,
            tentative=len(ours),
            outline=self._outline(placement, known, variant),
            variant=variant,
        )

    def _proves(self, placement: _Placement, known: LocalFeatures) -> bool:
        """Say whether enough details agree, exactly enough, and the photos have enough of their area in common."""
        ours, theirs = np.array([known.width, known.height]), np.array([self._photo.width, self._photo.height])
        places = placement.scale * known.points[:, :2] + placement.shift
        in_view = int(((places > 0) & (places < theirs)).all(axis=1).sum())
        if placement.inliers < max(COPIED, COPIED_SHARE * in_view):
            return False
        if placement.error * in_view > EXACTNESS * placement.inliers:
            return False
        low = np.maximum(placement.shift, 0.0)
        high = np.minimum(placement.scale * ours + placement.shift, theirs)
        common = float(np.prod(np.maximum(high - low, 0.0)))
        shares = common / float(np.prod(placement.scale * ours)), common / float(np.prod(theirs))
        return max(shares) >= _MOSTLY and min(shares) >= _PARTLY

    def _outline(
        self, placement: _Placement, known: LocalFeatures, variant: Variant
    ) -> tuple[Point, Point, Point, Point]:
        """Give the corners of the photo on record itself, clockwise from its upper left, relative to this one."""
        size = np.array([self._photo.width, self._photo.height])
        left, top = (float(value) for value in placement.shift / size)
        end = placement.scale * (known.width, known.height) + placement.shift
        right, bottom = (float(value) for value in end / size)
        if variant is Variant.MIRRORED:
            left, right = right, left
        return (left, top), (right, top), (right, bottom), (left, bottom)


def _place(known: NDArray[np.float32], seen: NDArray[np.float32], extent: int) -> _Placement | None:
    """Find the placement that most pairs agree on: points float32 [p, 4], the photo on record `extent` pixels long."""
    turns = (seen[:, 3] - known[:, 3] + 180) % 360 - 180
    level = np.abs(turns) < _TURN
    known, seen = known[level], seen[level]
    if len(known) < _FEWEST:
        return None
    here, there = known[:, :2].astype(np.float64), seen[:, :2].astype(np.float64)
    proposed = _propose(here, there, np.log(seen[:, 2] / known[:, 2]), extent)
    if proposed is None:
        return None
    scale, kept = proposed
    factors, shift = np.full(2, scale), np.zeros(2)
    for share in (_ROUGH, _EXACT, _EXACT):
        for axis in range(2):
            factors[axis], shift[axis] = _line(here[kept, axis], there[kept, axis], scale, extent)
        errors = np.abs(factors * here + shift - there).max(axis=1)
        kept = np.flatnonzero(errors < max(share * scale * extent, _LEAST_PIXELS))
        if len(kept) < _FEWEST:
            return None
    if factors.min() <= 0 or factors.max() > _MOST_STRETCH * factors.min():
        return None
    error = float(np.median(errors[kept])) / max(1.0, float(factors.mean()))
    return _Placement(factors, shift, min(_distinct(here[kept]), _distinct(there[kept])), error)


def _propose(
    here: NDArray[np.float64], there: NDArray[np.float64], sizes: NDArray[np.float32], extent: int
) -> tuple[float, NDArray[np.int64]] | None:
    """Let each two of the clearest pairs propose a scale and a shift; give the winner's scale and who votes for it."""
    one, other = np.triu_indices(min(len(here), _PROPOSERS), 1)
    spans, seen = here[other] - here[one], there[other] - there[one]
    squares = np.maximum((spans**2).sum(axis=1), 1e-6)
    scales = (spans * seen).sum(axis=1) / squares
    usable = (squares > (0.05 * extent) ** 2) & (scales > _LEAST_SCALE) & (scales < _MOST_SCALE)
    one, spans, seen, scales = one[usable], spans[usable], seen[usable], scales[usable]
    fits = np.abs(seen - scales[:, None] * spans).max(axis=1) < 0.03 * scales * extent + 2.0
    fits &= np.abs(sizes[one] - np.log(scales)) < _SIZES
    one, scales = one[fits], scales[fits]
    if len(scales) == 0:
        return None
    shifts = there[one] - scales[:, None] * here[one]
    errors = np.abs(scales[:, None, None] * here + shifts[:, None] - there).max(axis=2)
    votes = errors < np.maximum(_ROUGH * scales * extent, 2.0)[:, None]
    winner = int(votes.sum(axis=1).argmax())
    return float(scales[winner]), np.flatnonzero(votes[winner])


def _line(here: NDArray[np.float64], there: NDArray[np.float64], scale: float, extent: int) -> tuple[float, float]:
    """Fit there = factor * here + shift by least squares; points in one place leave the factor at `scale`."""
    middle = here - here.mean()
    factor = scale if np.ptp(here) < 0.08 * extent else float((middle * there).sum() / (middle**2).sum())
    return factor, float(there.mean() - factor * here.mean())


def _distinct(points: NDArray[np.float64]) -> int:
    """Count points that are more than about three pixels apart: one corner described twice is one."""
    return len(np.unique(np.round(points / 3), axis=0))
