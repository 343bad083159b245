"""Are the references of likely brands really in the photos? The verify stage: each is looked for where it may be.

By its keypoints (`vision.verify`), and a drawn mark for which none are found by laying it over the photo
(`vision.overlaying`). What has neither on record, or whose photo has none, is judged without (`serving.matching`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.matches import BrandMatch
from index.records import ReferenceKind
from serving.recent import Recent
from vision.calibration import Shown
from vision.keypoints import DRAWINGS_EDGE, PART_EDGE, LocalFeatures
from vision.overlaying import Drawing, Overlay, Part
from vision.regions import Box
from vision.verify import LOCATED, PhotoMatcher, Variant, Verification

# Brands worth verifying, likeliest first. By clean marks alone the right one often ranks low: of 314 photos of
# FlickrLogos-27's references, 16 name 1.6 points more than 8; among the 3,466 of `eval marks` 32 name one of 200 more
# than 20. Most are not verified: see below.
CANDIDATES = 32
# A brand less likely than this by its embedding is not verified: keypoints were never found again for one below 1.4%
# (FlickrLogos-27 among the marks that ship, 60 of 270 photos), and four in ten photos of other goods have none above.
WORTH_VERIFYING = 0.01
# Drawings that are laid over a listing's photos, those of the likeliest brands first: each takes half a millisecond. Of
# 300 scenes of `eval marks` (seed 1), 0.873 are named with 8, 0.880 with 12 and 0.883 with 16; 0.830 without.
_DRAWINGS = 12
# A brand less likely than this by its embedding, or with a score so far below the best, is not worth it: the same 0.880
# are named with 60% of the drawings, and of those for scenes without a registered mark one in five is left.
_WORTH_LAYING, _FARTHEST_BELOW = 0.05, 0.1
# What an overlay counts for, beside `Verification.strength`: so much for each share explained beyond what chance
# explains of some drawing among many. On those scenes 0.837 are named at 1% false positives so, and 0.757 without; of
# FlickrLogos-27 by clean marks 0.610 instead of 0.600. From 0.4 or 0.6 on a hundredth less is named; weights from 1.6
# to 2.5 are alike.
_OVERLAY, _EXPLAINED_BY_CHANCE = 2.0, 0.5
# What a region is widened by, in all, before a mark is looked for in it. Of 105 photos of FlickrLogos-27 clean marks
# alone name 65 so, as many as in whole photos, and 63, 63 and 64 at 0, 0.1 and 0.3: chance plays a part in that.
_SURROUNDINGS = 0.2
# References whose keypoints stay in memory: 37 kB each, and twice that with a drawing that was laid.
_KEPT = 512
# The more brands are looked for, the more points agree by chance: what they count for is less by so much for each
# e-fold of more than a few, up to `CANDIDATES`. Of `eval marks` with another seed, 300 scenes, 0.757 are named at 1%
# false positives so and 0.510 without, of FlickrLogos-27 as many or one less; 0.2 comes to 0.653, and 0.3 to 0.690.
_BY_CHANCE, _FEW = 0.4, 8

SHOWN: Mapping[ReferenceKind, Shown] = {
    ReferenceKind.LOGO: Shown.MARK,
    ReferenceKind.WORDMARK: Shown.MARK,
    ReferenceKind.PATTERN: Shown.MARK,
    ReferenceKind.EXAMPLE: Shown.EXAMPLE,
    ReferenceKind.PRODUCT: Shown.PRODUCT,
    ReferenceKind.PACKAGING: Shown.PRODUCT,
    ReferenceKind.COUNTERFEIT: Shown.PRODUCT,
}


_Where = tuple[int, Box | None]
"""A part of the photo in this place, or all of it."""


class PointSource(Protocol):
    """Where pixels and keypoints of a listing's photos come from: `serving.visual.PhotoPoints`, or a stand-in."""

    def get(self, index: int, /) -> LocalFeatures | None:
        """Give the keypoints of the whole photo in this place; None where there are none."""

    def within(self, index: int, part: Box, *, edge: int = PART_EDGE) -> LocalFeatures | None:
        """Give those of a part of it, looked at in at most `edge` pixels."""

    def pixels_of(self, index: int, part: Box) -> NDArray[np.uint8] | None:
        """Give the pixels of a part, uint8 [H, W, 3]; None where there is no such photo."""


class FeatureSource(Protocol):
    """Where keypoints of references come from: the store, or something that stands in for it."""

    def features_of(self, reference_ids: Iterable[str]) -> dict[str, LocalFeatures]:
        """Give the keypoints of those references that have some, by id."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A brand that a region of photo `image_index` looks like."""

    image_index: int
    region: Box
    match: BrandMatch


@dataclass(frozen=True)
class Verified:
    """The verification of a candidate by the one of its references that is found best, `among` so many brands."""

    reference_id: str
    verification: Verification
    among: int = 1

    @property
    def strength(self) -> float:
        """Say how far what was found goes beyond chance, from 0: `Verification.strength`, for so many that were tried.

        Or what an overlay counts for.
        """
        by_points = self.verification.strength - _BY_CHANCE * math.log(max(self.among / _FEW, 1.0))
        return max(by_points, _OVERLAY * (self.verification.overlaid - _EXPLAINED_BY_CHANCE), 0.0)


class Verifier:
    """Verifies candidates; keeps the keypoints used last in memory. Any number of threads may use it."""

    def __init__(self, source: FeatureSource) -> None:
        self._source = source
        self.recent: Recent[str, LocalFeatures] = Recent(_KEPT)

    def verify(
        self,
        candidates: Sequence[Candidate],
        photos: PointSource,
        *,
        likelihood: Callable[[Candidate], float] = lambda _candidate: 1.0,
    ) -> tuple[Verified | None, ...]:
        """Look for each candidate's references where its photo looks like them.

        `likelihood` says how likely a candidate is by its embedding, 0..1. None for one that is hardly likely, or whose
        photo or references have neither keypoints nor a drawing.
        """
        likely = [candidate for candidate in candidates if likelihood(candidate) >= WORTH_VERIFYING]
        wanted = [reference for candidate in likely for reference in candidate.match.proposed]
        features = self.recent.get(wanted, self._source.features_of)
        proofs = _by_points(likely, photos, features)
        # Where keypoints have located a mark there is nothing left to find out.
        located = {
            _where(one) for one in likely if id(one) in proofs and proofs[id(one)].verification.inliers >= LOCATED
        }
        drawn = [one for one in likely if _may_be_drawn(one) and likelihood(one) >= _WORTH_LAYING]
        least = max((one.match.score for one in drawn), default=0.0) - _FARTHEST_BELOW
        open_questions = [one for one in drawn if one.match.score >= least and _where(one) not in located]
        proofs |= _by_overlays(open_questions, photos, features, proofs)
        return tuple(proofs.get(id(candidate)) for candidate in candidates)


def _by_points(
    likely: Sequence[Candidate], photos: PointSource, features: Mapping[str, LocalFeatures]
) -> dict[int, Verified]:
    """Verify candidates, by their `id`, by keypoints: of several references the one with most inliers."""
    groups: defaultdict[_Where, defaultdict[tuple[Variant, ...], list[tuple[Candidate, str]]]]
    groups = defaultdict(lambda: defaultdict(list))
    for one in likely:
        known = [(one, reference) for reference in one.match.proposed if reference in features]
        if known:
            groups[_where(one)][_variants(one)] += known
    sought = sum(any(reference in features for reference in one.match.proposed) for one in likely)
    proofs: dict[int, Verified] = {}
    for where, by_variants in groups.items():
        sought_here = (reference for asked in by_variants.values() for _, reference in asked)
        only_drawings = all(features[reference].drawing is not None for reference in sought_here)
        matcher = _matcher(photos, where, DRAWINGS_EDGE if only_drawings else PART_EDGE)
        if matcher is None:
            continue
        for variants, asked in by_variants.items():
            found = matcher.verify_each([features[reference] for _, reference in asked], variants)
            for (one, reference), verification in zip(asked, found, strict=True):
                best = proofs.get(id(one))
                if best is None or verification.inliers > best.verification.inliers:
                    proofs[id(one)] = Verified(reference, verification, among=min(sought, CANDIDATES))
    return proofs


def _by_overlays(
    drawn: Sequence[Candidate],
    photos: PointSource,
    features: Mapping[str, LocalFeatures],
    proofs: Mapping[int, Verified],
) -> dict[int, Verified]:
    """Verify candidates, by their `id`, by their drawings: those that count for more so than by their `proofs`."""
    groups: defaultdict[tuple[int, Box], list[tuple[Candidate, str, Drawing]]] = defaultdict(list)
    for one, reference, drawing in islice(_drawings(drawn, features), _DRAWINGS):
        groups[one.image_index, one.region].append((one, reference, drawing))
    found: dict[int, Verified] = {}
    for (index, region), asked in groups.items():
        pixels = photos.pixels_of(index, region)
        if pixels is None:
            continue
        overlays = Part(pixels).lay([drawing for _, _, drawing in asked])
        for (one, reference, _), overlay in zip(asked, overlays, strict=True):
            if overlay is None:
                continue
            laid, best = Verified(reference, _laid(overlay, region)), found.get(id(one)) or proofs.get(id(one))
            if best is None or laid.strength > best.strength:
                found[id(one)] = laid
    return found


def _drawings(
    candidates: Iterable[Candidate], features: Mapping[str, LocalFeatures]
) -> Iterator[tuple[Candidate, str, Drawing]]:
    """Give the drawings that there are of candidates' references."""
    for one in candidates:
        for reference in one.match.proposed:
            drawing = features[reference].drawing if reference in features else None
            if drawing is not None:
                yield one, reference, drawing


def _laid(overlay: Overlay, region: Box) -> Verification:
    """Say where a drawing lies in the photo, by where it lies in a region."""
    width, height = region.x2 - region.x1, region.y2 - region.y1
    first, second, third, fourth = ((region.x1 + x * width, region.y1 + y * height) for x, y in overlay.outline)
    return Verification(inliers=0, tentative=0, outline=(first, second, third, fourth), overlaid=overlay.explained)


def _matcher(photos: PointSource, where: _Where, edge: int) -> PhotoMatcher | None:
    index, part = where
    points = photos.within(index, part, edge=edge) if part else photos.get(index)
    return PhotoMatcher(points) if points is not None else None


def _where(candidate: Candidate) -> _Where:
    """Say in which part of which photo references are looked for: a mark where it is likely, goods everywhere (None).

    In parts keypoints cost half as much as in whole photos of FlickrLogos-27, and name 1 more of 135.
    """
    everywhere = SHOWN[candidate.match.kind] is Shown.PRODUCT
    return candidate.image_index, None if everywhere else candidate.region.grown(_SURROUNDINGS)


def _may_be_drawn(candidate: Candidate) -> bool:
    return SHOWN[candidate.match.kind] is Shown.MARK


def _variants(candidate: Candidate) -> tuple[Variant, ...]:
    """Say how references may appear: flipped, too, for sellers flip photos; and marks are printed dark and light.

    Of 24 photos of FlickrLogos-27 that were flipped, 12 are named so, and 8 without (`eval tricks`).
    """
    if _may_be_drawn(candidate):
        return (Variant.UPRIGHT, Variant.MIRRORED, Variant.INVERTED)
    return (Variant.UPRIGHT, Variant.MIRRORED)
