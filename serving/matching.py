"""Which brands do the photos show, and how surely? Candidates by embedding, and the judgement of all that was found.

The search stage of a listing's way through, and its end: what was verified (`serving.verifying`) and the names that
were read (`serving.reading`) included. What is not verified (nothing on record to do it by, or the stage failed) is
judged without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from index.catalogue import ReferenceCatalogue
from serving.findings import Reading, VisualMatch
from serving.verifying import CANDIDATES, SHOWN, Candidate, Verified
from serving.visual import Regions
from vision.calibration import MatchCalibration, Signs
from vision.regions import Box
from vision.verify import NOTHING

# What a name that is not read exactly counts for, by one that is.
_NEARLY = 0.5
# What writing counts for that fills a region and is no name of the brand that the region looks like. Strangers' words
# look like a word mark; so much takes four of the five likeliest ones of FlickrLogos-27 out of consideration.
_OTHERWISE = -0.2
# A region is filled by what is read in a part of the photo when so much of it lies there.
_FILLED = 0.5


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


def find_candidates(regions: Regions, catalogue: ReferenceCatalogue, *, most: int) -> tuple[Candidate, ...]:
    """Search all regions at once: the `most` likeliest brands, and at least those worth verifying, best first."""
    candidates = []
    for match in catalogue.best_per_brand(regions.vectors, max(most, CANDIDATES), photos=regions.photos):
        image_index, region = regions.places[match.region_row]
        candidates.append(Candidate(image_index=image_index, region=region.box, match=match))
    return tuple(candidates)


def likelihood(candidate: Candidate, calibration: MatchCalibration) -> float:
    """Say how likely a candidate is by its embedding alone, 0..1."""
    return calibration.probability(SHOWN[candidate.match.kind], Signs(score=candidate.match.score))


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
