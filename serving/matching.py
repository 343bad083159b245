"""Which brands do the photos show, and how surely? Candidates by embedding, each verified by its references' keypoints.

The search and verify stages of a listing's way through, and the judgement of all that was found, names that were read
(`serving.reading`) included. What is not verified (no keypoints on record, or the stage failed) is judged without.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from index.catalogue import ReferenceCatalogue
from index.matches import BrandMatch
from index.records import ReferenceKind
from serving.findings import Reading, VisualMatch
from serving.recent import Recent
from serving.visual import Regions
from vision.calibration import MatchCalibration, Shown, Signs
from vision.keypoints import LocalFeatures
from vision.regions import Box
from vision.verify import NOTHING, PhotoMatcher, Variant, Verification

# Brands worth verifying, likeliest first. By clean marks alone the right one often ranks low: of 314 photos of
# FlickrLogos-27's references, 16 name 1.6 points more than 8; among the 3,466 of `eval marks` 32 name one of 200 more
# than 20. Most are not verified: see below.
CANDIDATES = 32
# A brand less likely than this by its embedding is not verified: keypoints were never found again for one below 1.4%
# (FlickrLogos-27 among the marks that ship, 60 of 270 photos), and four in ten photos of other goods have none above.
WORTH_VERIFYING = 0.01
# What a region is widened by, in all, before a mark is looked for in it. Of 105 photos of FlickrLogos-27 clean marks
# alone name 65 so, as many as in whole photos, and 63, 63 and 64 at 0, 0.1 and 0.3: chance plays a part in that.
_SURROUNDINGS = 0.2
# References whose keypoints stay in memory: 37 kB each.
_KEPT = 512
# The more brands are looked for, the more points agree by chance: what they count for is less by so much for each
# e-fold of more than a few, up to `CANDIDATES`. Of `eval marks` with another seed, 300 scenes, 0.757 are named at 1%
# false positives so and 0.510 without, of FlickrLogos-27 as many or one less; 0.2 comes to 0.653, and 0.3 to 0.690.
_BY_CHANCE, _FEW = 0.4, 8
# What a name that is not read exactly counts for, by one that is.
_NEARLY = 0.5
# What writing counts for that fills a region and is no name of the brand that the region looks like. Strangers' words
# look like a word mark; so much takes four of the five likeliest ones of FlickrLogos-27 out of consideration.
_OTHERWISE = -0.2
# A region is filled by what is read in a part of the photo when so much of it lies there.
_FILLED = 0.5

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
    """Where keypoints of a listing's photos come from: `serving.visual.PhotoPoints`, or what stands in for it."""

    def get(self, index: int, /) -> LocalFeatures | None:
        """Give those of the whole photo in this place; None where there are none."""

    def within(self, index: int, part: Box) -> LocalFeatures | None:
        """Give those of a part of it."""


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
        """Say how far the inliers go beyond chance, from 0: `Verification.strength`, for so many that were tried."""
        return max(self.verification.strength - _BY_CHANCE * math.log(max(self.among / _FEW, 1.0)), 0.0)


@dataclass(frozen=True, kw_only=True)
class Line:
    """Words in `box` of photo `image_index`, whatever they say; `confidence` is that of their letters, 0..1."""

    image_index: int
    box: Box
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What is read in the photos: by `brand_id` the surest reading of its name, and candidates that only it names.

    `lines` are all words that were read, whether they name a brand or not.
    """

    of_brand: Mapping[str, Reading] = field(default_factory=dict)
    named: tuple[Candidate, ...] = ()
    lines: tuple[Line, ...] = ()

    def sign(self, candidate: Candidate, verified: Verified | None) -> float:
        """Say what the readings count for beside the embedding, -1..1: 1 is the brand's name, surely read.

        Below 0 where something else is written in a region that only the embedding takes for the brand.
        """
        reading = self.of_brand.get(candidate.match.brand_id)
        if reading is not None:
            return reading.confidence * (1.0 if reading.exact else _NEARLY)
        if verified is not None and verified.strength > 0:
            return 0.0
        filling = (line.confidence for line in self.lines if _fills(line, candidate))
        return _OTHERWISE * max(filling, default=0.0)


NOTHING_READ = Readings()


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
        worth: Callable[[Candidate], bool] = lambda _candidate: True,
    ) -> tuple[Verified | None, ...]:
        """Look for each candidate's references where its photo looks like them.

        None for a candidate that is not `worth` it, or whose photo or references have no keypoints.
        """
        likely = [candidate for candidate in candidates if worth(candidate)]
        wanted = [reference for candidate in likely for reference in candidate.match.proposed]
        features = self.recent.get(wanted, self._source.features_of)
        groups: defaultdict[_Where, defaultdict[tuple[Variant, ...], list[tuple[Candidate, str]]]]
        groups = defaultdict(lambda: defaultdict(list))
        for one in likely:
            known = [(one, reference) for reference in one.match.proposed if reference in features]
            if known:
                groups[_where(one)][_variants(one)] += known
        sought = sum(any(reference in features for reference in one.match.proposed) for one in likely)
        proofs: dict[int, Verified] = {}
        for where, by_variants in groups.items():
            matcher = _matcher(photos, where)
            if matcher is None:
                continue
            for variants, asked in by_variants.items():
                found = matcher.verify_each([features[reference] for _, reference in asked], variants)
                for (one, reference), verification in zip(asked, found, strict=True):
                    best = proofs.get(id(one))
                    if best is None or verification.inliers > best.verification.inliers:
                        proofs[id(one)] = Verified(reference, verification, among=min(sought, CANDIDATES))
        return tuple(proofs.get(id(candidate)) for candidate in candidates)


def _matcher(photos: PointSource, where: _Where) -> PhotoMatcher | None:
    index, part = where
    points = photos.within(index, part) if part else photos.get(index)
    return PhotoMatcher(points) if points is not None else None


def _where(candidate: Candidate) -> _Where:
    """Say in which part of which photo references are looked for: a mark where it is likely, goods everywhere (None).

    In parts keypoints cost half as much as in whole photos of FlickrLogos-27, and name 1 more of 135.
    """
    everywhere = SHOWN[candidate.match.kind] is Shown.PRODUCT
    return candidate.image_index, None if everywhere else candidate.region.grown(_SURROUNDINGS)


def find_candidates(regions: Regions, catalogue: ReferenceCatalogue, *, most: int) -> tuple[Candidate, ...]:
    """Search all regions at once: the `most` likeliest brands, and at least those worth verifying, best first."""
    candidates = []
    for match in catalogue.best_per_brand(regions.vectors, max(most, CANDIDATES), photos=regions.photos):
        image_index, region = regions.places[match.region_row]
        candidates.append(Candidate(image_index=image_index, region=region.box, match=match))
    return tuple(candidates)


def worth_verifying(candidate: Candidate, calibration: MatchCalibration) -> bool:
    """Tell whether a candidate is likely enough by its embedding for its references' keypoints to be looked for."""
    signs = Signs(score=candidate.match.score)
    return calibration.probability(SHOWN[candidate.match.kind], signs) >= WORTH_VERIFYING


def judge(
    candidates: Sequence[Candidate],
    verified: Sequence[Verified | None],
    calibration: MatchCalibration,
    *,
    most: int,
    read: Readings = NOTHING_READ,
) -> tuple[VisualMatch, ...]:
    """Give the `most` likeliest matches, likeliest first.

    The box is where the reference was found, else what the embedding saw; a reading has a place of its own.
    """
    matches = [
        _judged(candidate, proof, read, calibration) for candidate, proof in proposed(candidates, verified, read)
    ]
    return tuple(sorted(matches, key=lambda match: -match.probability)[:most])


def proposed(
    candidates: Sequence[Candidate], verified: Sequence[Verified | None], read: Readings
) -> list[tuple[Candidate, Verified | None]]:
    """Put the candidates, each with its verification, and those that are only named together."""
    return [*zip(candidates, verified, strict=True), *((candidate, None) for candidate in read.named)]


def signs_of(candidate: Candidate, verified: Verified | None, read: Readings = NOTHING_READ) -> Signs:
    """Collect what speaks for a candidate, and against it."""
    strength = verified.strength if verified else 0.0
    return Signs(score=candidate.match.score, strength=strength, read=read.sign(candidate, verified))


def _fills(line: Line, candidate: Candidate) -> bool:
    """Tell whether a line was read where the candidate's region is."""
    if line.image_index != candidate.image_index:
        return False
    return candidate.region.share_within(line.box) >= _FILLED


def _variants(candidate: Candidate) -> tuple[Variant, ...]:
    """Say how references may appear: flipped, too, for sellers flip photos; and marks are printed dark and light.

    Of 24 photos of FlickrLogos-27 that were flipped, 12 are named so, and 8 without (`eval tricks`).
    """
    if SHOWN[candidate.match.kind] is Shown.MARK:
        return (Variant.UPRIGHT, Variant.MIRRORED, Variant.INVERTED)
    return (Variant.UPRIGHT, Variant.MIRRORED)


def _judged(
    candidate: Candidate, verified: Verified | None, read: Readings, calibration: MatchCalibration
) -> VisualMatch:
    match = candidate.match
    verification = verified.verification if verified else NOTHING
    proven = verified is not None and verified.strength > 0
    return VisualMatch(
        image_index=candidate.image_index,
        box=verification.box or candidate.region,
        brand_id=match.brand_id,
        brand=match.brand,
        reference_id=verified.reference_id if verified and proven else match.reference_id,
        kind=match.kind,
        similarity=match.similarity,
        probability=calibration.probability(SHOWN[match.kind], signs_of(candidate, verified, read)),
        verification=verification if proven else None,
        reading=read.of_brand.get(match.brand_id),
    )
