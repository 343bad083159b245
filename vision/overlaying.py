"""Is a drawn mark printed here? The drawing laid over a part of a photo, pixel by pixel, until it lies as it fits best.

Plain shapes have no details that could be found again (`vision.verify`): an L in one colour is six corners. But where
it is printed, all its ink has the same colours, and what lies around it others, whatever they are. So the drawing is
moved, turned, scaled and sheared over the part until a function of the photo's colours tells ink from paper best.

It is the alignment of Lucas and Kanade (1981) with appearances projected out (Hager and Belhumeur, "Efficient region
tracking with parametric models of geometry and illumination", 1998; Baker, Gross and Matthews, "Lucas-Kanade 20 years
on", part 3, 2003). The appearances here are the functions of second degree of a pixel's three colours: dark on light,
light on dark and one colour on any ground are the same to it. A blob, though, can be made of any soft shade, so what
counts is what is explained beyond that. Many drawings are laid over a part at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.regions import Outline
from vision.shrinking import shrunk

# Of the brands that 300 scenes of `eval marks` show (seed 1; 0.830 named without), with the finer picture in 48 pixels
# 0.880 are named, in 32 pixels 0.867; blurred by 0.5 to 0.8 of its pixels 0.880, by 1.2 0.867 and by 2 0.850.
EDGE = 48
"""Pixels of a drawing's edges, and of the part's that it is laid over: each is squeezed into a square."""

DRAWING_BYTES = EDGE * EDGE

_COARSE = 24
_BLUR = {_COARSE: 1.2, EDGE: 0.6}  # pixels, of both
# Degrees by which a drawing is turned where an alignment begins; it reaches 15 more.
_TURNS = (0.0, 15.0, -15.0)
# After so many steps the best of a drawing's turns goes on alone.
_FIRST_STEPS = 2
# How the alignment goes on: pixels of an edge, steps, and the least share of the drawing explained so far.
_FURTHER = ((_COARSE, 5, 0.3), (EDGE, 4, 0.55))
# What a part has around a mark, in all, as a share of the mark: `serving.visual.SURROUNDINGS`, and the finder's own.
_AROUND = 0.25
# An alignment that grew or shrank by more than this in some direction has lost its way.
_MOST_SCALED = 2.2
# A pixel with more than so much of a drawing's full ink belongs to the mark.
_INKED = 0.5
# A drawing whose ink is so near to paper, as a share of white, is empty.
_PALEST = 0.03
# A drawing of which so little is in sight, as the variance of its ink (at most 0.25), is explained by anything.
_LEAST_VARIANCE = 0.005
# Appearances weaker than this, by the strongest, are noise.
_LEAST_APPEARANCE = 1e-2
_PROGRESS = 1e-5
# Damping as in Levenberg and Marquardt's method: where it begins, and what a better step divides it by, a worse one
# multiplies it by.
_DAMPING, _DIVIDED, _MULTIPLIED = 1e-3, 3.0, 8.0
_LEAST_DAMPING = 1e-6

_Maps = NDArray[np.float64]  # [k, 2, 3]: from places in the part to places in the drawing, both relative, 0..1


@dataclass(frozen=True, eq=False)
class Drawing:
    """A mark to be laid over photos: its picture's grey levels, uint8 [48, 48], and its width by its height."""

    grey: NDArray[np.uint8]
    aspect: float
    _levels: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @property
    def empty(self) -> bool:
        """Tell whether nothing is drawn."""
        return not self._ink.any()

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Where the mark lies in its picture: left, upper, right and lower edge, relative."""
        inked = self._ink > _INKED
        columns, rows = np.flatnonzero(inked.any(axis=0)), np.flatnonzero(inked.any(axis=1))
        left, upper, right, lower = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        return left / EDGE, upper / EDGE, right / EDGE, lower / EDGE

    def level(self, edge: int) -> NDArray[np.float32]:
        """Give the ink in so many pixels, and its growth per edge to the right and down: float32 [edge, edge, 3]."""
        if edge not in self._levels:
            ink = cv2.resize(self._ink, (edge, edge), interpolation=cv2.INTER_AREA)
            ink = cv2.GaussianBlur(ink, (0, 0), _BLUR[edge])
            growth = [cv2.Sobel(ink, cv2.CV_32F, *along, scale=edge / 8) for along in ((1, 0), (0, 1))]
            self._levels[edge] = np.dstack([ink, *growth])
        return self._levels[edge]

    @cached_property
    def _ink(self) -> NDArray[np.float32]:
        """How far each pixel is from paper, by the farthest, 0..1: paper is what lies along most of the border."""
        grey = self.grey.astype(np.float32) / 255
        paper = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
        ink = np.abs(grey - np.float32(paper))
        return ink / ink.max() if ink.max() > _PALEST else np.zeros_like(ink)


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """How a drawing lies where it fits best.

    `explained` is the share of its ink's variance, 0..1, that the photo's colours explain, of what a soft shade does
    not; `outline` where the corners of its picture come to lie, relative to the part.
    """

    explained: float
    outline: Outline


def small_drawing(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Squeeze a reference's picture, uint8 [H, W], into what a `Drawing` is made of: uint8 [48, 48]."""
    return _resized(grey, EDGE)


class Part:
    """Lays drawings over a part of a photo. For one thread."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Prepare a part, uint8 [H, W, 3] RGB, at least 1 x 1."""
        self._aspect = pixels.shape[1] / pixels.shape[0]
        self._pixels = _resized(pixels, EDGE)
        self._appearances: dict[int, _Appearances] = {}

    def lay(self, drawings: Sequence[Drawing]) -> list[Overlay | None]:
        """Lay each drawing over the part; None for one that comes to lie nowhere in particular, or is empty."""
        places = [place for place, drawing in enumerate(drawings) if not drawing.empty]
        found: list[Overlay | None] = [None] * len(drawings)
        if places:
            shares, maps = self._lay([drawings[place] for place in places])
            for place, share, one in zip(places, shares, maps, strict=True):
                found[place] = Overlay(explained=float(share), outline=_outline(one)) if share > 0 else None
        return found

    def _lay(self, drawings: Sequence[Drawing]) -> tuple[NDArray[np.float64], _Maps]:
        """Return how much of each is explained, float64 [k], below 0 where it has lost its way, and where it lies."""
        begun = np.stack([[_begin(drawing, self._aspect, turn) for turn in _TURNS] for drawing in drawings])
        turned = [drawing for drawing in drawings for _ in _TURNS]
        shares, maps = self._align(_COARSE, turned, begun.reshape(-1, 2, 3), _FIRST_STEPS)
        rows = np.arange(len(drawings))
        best = shares.reshape(len(drawings), -1).argmax(axis=1)
        shares, maps = shares.reshape(begun.shape[:2])[rows, best], maps.reshape(begun.shape)[rows, best]
        begun = begun[rows, best]
        for edge, steps, least in _FURTHER:
            going_on = np.flatnonzero(shares > least)
            if len(going_on):
                drawn = [drawings[row] for row in going_on.tolist()]
                shares[going_on], maps[going_on] = self._align(edge, drawn, maps[going_on], steps)
        ink = _seen([drawing.level(EDGE) for drawing in drawings], maps, EDGE)[0]
        shaded = _shares(ink, ink @ _SHADES)
        beyond = (shares - shaded) / np.maximum(1.0 - shaded, _PROGRESS)
        return np.where((shaded >= 0) & _near(maps, begun), beyond, -1.0), maps

    def _align(
        self, edge: int, drawings: Sequence[Drawing], begun: _Maps, steps: int
    ) -> tuple[NDArray[np.float64], _Maps]:
        """Improve where drawings lie in so many steps; return what each explains, float64 [k], and where it lies."""
        if edge not in self._appearances:  # most parts are looked at coarsely only
            self._appearances[edge] = _Appearances.of(_resized(self._pixels, edge), edge)
        appearances, pictures = self._appearances[edge], [drawing.level(edge) for drawing in drawings]
        count = len(pictures)
        best, maps, tried = np.full(count, -1.0), begun.copy(), begun
        damping = np.full(count, _DAMPING)
        curvatures, slopes = np.zeros((count, 6, 6)), np.zeros((count, 6))
        for step in range(steps + 1):
            seen = _seen(pictures, tried, edge)
            shares, weights = appearances.explain(seen[0])
            better = shares > best + _PROGRESS
            maps[better], best[better] = tried[better], shares[better]
            if step == steps:
                break
            if better.any():
                curvatures[better], slopes[better] = appearances.derivatives(seen[:, better], weights[better])
            damping = np.where(better, damping / _DIVIDED, damping * _MULTIPLIED)
            diagonals = damping[:, None] * np.einsum("kii->ki", curvatures) + _LEAST_DAMPING * edge * edge
            damped = curvatures + diagonals[:, :, None] * np.eye(6)
            tried = maps - np.linalg.solve(damped, slopes[..., None]).reshape(count, 2, 3)
        return best, maps


@dataclass(frozen=True, eq=False)
class _Appearances:
    """What a part's colours can explain.

    `basis`, float32 [n, q], spans the functions of second degree of its n pixels' colours; `moved`, float32 [n, 3 q],
    is each of them times the pixels' places.
    """

    basis: NDArray[np.float32]
    moved: NDArray[np.float32]

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], edge: int) -> _Appearances:
        blurred = cv2.GaussianBlur(pixels.astype(np.float32) / 255 - 0.5, (0, 0), _BLUR[edge])
        colours = blurred.reshape(-1, 3)
        squares = [colours[:, one] * colours[:, other] for one in range(3) for other in range(one, 3)]
        functions = np.stack([np.ones(len(colours), np.float32), *colours.T, *squares], axis=1)
        # By their products: a tenth of the time of their singular values.
        values, vectors = np.linalg.eigh((functions.T @ functions).astype(np.float64))
        kept = values > _LEAST_APPEARANCE**2 * values[-1]
        basis = functions @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
        return cls(basis, (basis[:, :, None] * _PLACES[edge][:, None, :]).reshape(len(basis), -1))

    def explain(self, ink: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the share of each ink's variance that is explained, float64 [k], and how: float32 [k, q]."""
        weights = ink @ self.basis
        return _shares(ink, weights), weights

    def derivatives(
        self, seen: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Say how what is not explained of drawings changes with the six numbers of each map.

        `seen`, float32 [3, k, n], are ink and its growth. Returns Gauss and Newton's curvatures, float64 [k, 6, 6], and
        slopes, float64 [k, 6]. What the appearances can follow is left out of the curvatures by its products.
        """
        ink, growth = seen[0], seen[1:]
        count, size = ink.shape
        edge = math.isqrt(size)
        right, down = growth
        products = np.stack([right * right, right * down, down * down]) @ _MOMENTS[edge]
        xx, xy, yy = products.reshape(3, count, 3, 3)
        followed = (growth @ self.moved).reshape(2, count, -1, 3)
        both = np.concatenate([followed[0], followed[1]], axis=2)
        curvatures = np.block([[xx, xy], [xy, yy]]) - both.transpose(0, 2, 1) @ both
        slopes = (growth * (ink - weights @ self.basis.T)) @ _PLACES[edge]
        both_ways = np.concatenate([slopes[0], slopes[1]], axis=1)
        return curvatures.astype(np.float64), both_ways.astype(np.float64)


def _shares(ink: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of each ink's variance, float32 [k, n], that its weights in an orthonormal basis explain.

    They are float32 [k, q]. Below 0 where so little of the drawing is in sight that anything would explain it.
    """
    squares, explained = (np.einsum("ki,ki->k", each, each).astype(np.float64) for each in (ink, weights))
    variance = squares / ink.shape[1] - ink.mean(axis=1, dtype=np.float64) ** 2
    shares = 1.0 - (squares - explained) / ink.shape[1] / np.maximum(variance, _LEAST_VARIANCE)
    return np.where(variance > _LEAST_VARIANCE, shares, -1.0)


def _seen(pictures: Sequence[NDArray[np.float32]], maps: _Maps, edge: int) -> NDArray[np.float32]:
    """Look at the drawings' levels through the maps: float32 [3, k, edge * edge], of `Drawing.level`."""
    # Of pixels' centres: a relative place is (pixel + 0.5) / edge.
    shifts = maps[:, :, :2].sum(axis=2) * 0.5 + maps[:, :, 2] * edge - 0.5
    transforms = np.concatenate([maps[:, :, :2], shifts[:, :, None]], axis=2)
    seen = np.empty((len(pictures), edge, edge, 3), np.float32)
    for picture, transform, place in zip(pictures, transforms, seen, strict=True):
        cv2.warpAffine(picture, transform, (edge, edge), dst=place, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.ascontiguousarray(seen.reshape(len(pictures), -1, 3).transpose(2, 0, 1))


def _begin(drawing: Drawing, aspect: float, turn: float) -> NDArray[np.float64]:
    """Say where an alignment begins: the mark in the middle of the part, as large as it can be there; float64 [2, 3].

    Upright, it fills the part, whatever their shapes: it may be squeezed. Turned, it keeps its shape.
    """
    left, upper, right, lower = drawing.bounds
    width, height = (right - left) * (1 + _AROUND), (lower - upper) * (1 + _AROUND)
    if turn:
        cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        scale = max(width * drawing.aspect / aspect, height)
        turned = np.array([(cosine, -sine), (sine, cosine)]) * scale
        linear = np.diag([1 / drawing.aspect, 1.0]) @ turned @ np.diag([aspect, 1.0])
    else:
        linear = np.diag([width, height])
    centre = np.array([left + right, upper + lower]) / 2
    return np.column_stack([linear, centre - linear @ (0.5, 0.5)])


def _near(maps: _Maps, begun: _Maps) -> NDArray[np.bool_]:
    """Say which maps have stretched no further than is plausible, and not flipped, since they began."""
    relative = maps[:, :, :2] @ np.linalg.inv(begun[:, :, :2])
    stretched = np.linalg.svd(relative, compute_uv=False)
    within = (stretched[:, 0] < _MOST_SCALED) & (stretched[:, 1] > 1 / _MOST_SCALED)
    near: NDArray[np.bool_] = within & (np.linalg.det(relative) > 0)
    return near


def _outline(one: NDArray[np.float64]) -> Outline:
    """Give the corners of the drawing's picture, by the map that leads there."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    first, second, third, fourth = np.linalg.solve(one[:, :2], (corners - one[:, 2]).T).T.tolist()
    return tuple(first), tuple(second), tuple(third), tuple(fourth)


def _resized(picture: NDArray[np.uint8], edge: int) -> NDArray[np.uint8]:
    """Squeeze a picture into a square of so many pixels."""
    height, width = picture.shape[:2]
    smaller = shrunk(picture, width=min(edge, width), height=min(edge, height))
    return np.asarray(cv2.resize(smaller, (edge, edge), interpolation=cv2.INTER_LINEAR), np.uint8)


def _places(edge: int) -> NDArray[np.float32]:
    """Give the relative place of each pixel's centre, with a 1: float32 [edge * edge, 3]."""
    along = (np.arange(edge, dtype=np.float32) + 0.5) / edge
    right, down = np.meshgrid(along, along)
    return np.stack([right.ravel(), down.ravel(), np.ones(edge * edge, np.float32)], axis=1)


_PLACES = {edge: _places(edge) for edge in _BLUR}
# The products of each two of a place's three numbers, row by row: float32 [edge * edge, 9].
_MOMENTS = {edge: (places[:, :, None] * places[:, None, :]).reshape(-1, 9) for edge, places in _PLACES.items()}
# The functions of second degree of the place, by which a soft shade goes, made orthonormal: float32 [48 * 48, 6].
_SHADES = np.linalg.qr(_MOMENTS[EDGE][:, [0, 1, 2, 4, 5, 8]].astype(np.float64))[0].astype(np.float32)
