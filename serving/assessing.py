"""Would a reference match too much? Judged before it is active, by three comparisons of its views.

With a background of photos that do not show the brand (`index.breadth`: how many of a million listings it would match
by mistake), with shapes that nobody owns, and with the active references of other brands. What fails one is
quarantined: a person looks, and the owner is told why. docs/preview.md has the measurements behind the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.breadth import LEAST, false_matches_per_million
from index.catalogue import ReferenceCatalogue
from index.matches import ReferenceHit
from index.records import ReferenceScope, ReferenceState
from serving.evidence import SEEN
from serving.scoping import Assessment, Collision
from serving.settings import Settings
from vision.background import Background
from vision.calibration import MatchCalibration, Shown

# Collisions that are counted. Beyond that a person has seen enough.
MOST_COLLISIONS = 100
# Brands that a reason names.
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class ScopeLimits:
    """From when on a reference is a person's business: wrong matches in a million listings, and a cosine."""

    false_matches_per_million: float
    collision_similarity: float


@dataclass(frozen=True, kw_only=True)
class CatalogueAssessor:
    """The `Assessor` of a running service. Thread-safe; takes some milliseconds (docs/preview.md)."""

    catalogue: Callable[[], ReferenceCatalogue]
    background: Background | None
    calibration: MatchCalibration
    marks: ScopeLimits
    products: ScopeLimits
    shape_similarity: float

    @classmethod
    def of(
        cls, settings: Settings, catalogue: Callable[[], ReferenceCatalogue], calibration: MatchCalibration
    ) -> CatalogueAssessor:
        """Put one together: the background is the installation's own, or the one that ships with the model.

        Raises:
            CheckpointError, ModelError: the background cannot be read.

        """
        return cls(
            catalogue=catalogue,
            background=Background.for_model(calibration.fingerprint, settings.data_dir),
            calibration=calibration,
            marks=ScopeLimits(
                false_matches_per_million=settings.mark_false_matches_per_million,
                collision_similarity=settings.mark_collision_similarity,
            ),
            products=ScopeLimits(
                false_matches_per_million=settings.product_false_matches_per_million,
                collision_similarity=settings.product_collision_similarity,
            ),
            shape_similarity=settings.shape_similarity,
        )

    def assess(self, brand_id: str, vectors: NDArray[np.float32], *, marks: bool) -> Assessment:
        """Judge a reference of a brand by its views, float32 [n, dim] unit rows; `marks`: it shows a mark."""
        limits = self.marks if marks else self.products
        collisions = self._collisions(brand_id, vectors, limits, marks=marks)
        rate, images = self._breadth(vectors, marks=marks)
        shape = self._shape(vectors) if marks else ""
        faults = [*_too_broad(rate, limits), *_like_a_shape(shape), *_colliding(collisions)]
        return Assessment(
            scope=ReferenceScope(false_matches_per_million=rate, background_images=images, collisions=len(collisions)),
            collisions=collisions,
            state=ReferenceState.QUARANTINED if faults else ReferenceState.ACTIVE,
            reason=" ".join(faults) or _well(rate, images),
        )

    def match_similarity(self, *, marks: bool) -> float:
        """From which cosine on the service says that it sees the brand, were there no other sign of it."""
        return self.calibration.curves[Shown.MARK if marks else Shown.PRODUCT].score_at(SEEN)

    def _breadth(self, vectors: NDArray[np.float32], *, marks: bool) -> tuple[float, int]:
        """Expect so many wrong matches in a million listings of one photo, by so many photos; (0, 0) without any."""
        if self.background is None or len(self.background) < LEAST:
            return 0.0, 0
        similarities = self.background.similarities(vectors, marks=marks)
        return false_matches_per_million(similarities, self.match_similarity(marks=marks)), len(self.background)

    def _shape(self, vectors: NDArray[np.float32]) -> str:
        if self.background is None:
            return ""
        name, similarity = self.background.likest_shape(vectors)
        return name if similarity >= self.shape_similarity else ""

    def _collisions(
        self, brand_id: str, vectors: NDArray[np.float32], limits: ScopeLimits, *, marks: bool
    ) -> tuple[Collision, ...]:
        """Find other brands' references of at least the limit's similarity, the most similar first."""
        found: dict[str, ReferenceHit] = {}
        for hit in self._similar(vectors, limits.collision_similarity, marks=marks):
            if hit.brand_id != brand_id and (
                hit.reference_id not in found or hit.score > found[hit.reference_id].score
            ):
                found[hit.reference_id] = hit
        best = sorted(found.values(), key=lambda hit: (-hit.score, hit.reference_id))[:MOST_COLLISIONS]
        return tuple(
            Collision(reference_id=hit.reference_id, brand_id=hit.brand_id, brand=hit.brand, similarity=hit.score)
            for hit in best
        )

    def _similar(self, vectors: NDArray[np.float32], at_least: float, *, marks: bool) -> Iterator[ReferenceHit]:
        """Give all references similar to a view, looking deeper while a list is full of them: the brand's own may be.

        A reference may come once for each view.
        """
        catalogue, depth = self.catalogue(), 16
        photos = 0 if marks else len(vectors)
        while True:
            hits = catalogue.search(vectors, depth, photos=photos)
            full = any(len(listed) == depth and listed[-1].score >= at_least for listed in hits)
            if not full or depth >= len(catalogue):
                return (hit for listed in hits for hit in listed if hit.score >= at_least)
            depth *= 8


def _too_broad(rate: float, limits: ScopeLimits) -> Iterator[str]:
    if rate > limits.false_matches_per_million:
        yield (
            f"It would match about {_many(rate)} of a million photos that do not show the brand; up to "
            f"{_many(limits.false_matches_per_million)} are allowed. Send a picture that shows only the mark or the "
            "product, and more of what sets it apart."
        )


def _like_a_shape(shape: str) -> Iterator[str]:
    if shape:
        yield f"It looks like {shape}, which goods of any brand may show."


def _colliding(collisions: tuple[Collision, ...]) -> Iterator[str]:
    if not collisions:
        return
    brands = list(dict.fromkeys(collision.brand for collision in collisions))
    others = f" and {len(brands) - _NAMED} other brands" if len(brands) > _NAMED else ""
    yield (
        f"It looks the same as a picture of {', '.join(brands[:_NAMED])}{others} "
        f"(similarity {collisions[0].similarity:.2f} of 1)."
    )


def _well(rate: float, images: int) -> str:
    apart = "no other brand's picture looks the same"
    if not images:
        return f"How much it would match by mistake is not known for this model; {apart}."
    return f"It would match about {_many(rate)} of a million photos that do not show the brand; {apart}."


def _many(rate: float) -> str:
    """Write an expected count as people read it."""
    if rate < 0.1:
        return "none" if rate < 0.01 else "less than 0.1"
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
