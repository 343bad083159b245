"""A reference is held back when it matches too much: strangers' photos, shapes of nobody, other brands' references."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.catalogue import ReferenceCatalogue
from index.fake_source import FakeSource
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from serving.assessing import MOST_COLLISIONS, CatalogueAssessor, ScopeLimits
from serving.settings import Settings
from vision.background import Background
from vision.calibration import MatchCalibration

DIM = 64
FINGERPRINT = "model@1"
LIMITS = ScopeLimits(false_matches_per_million=30.0, collision_similarity=0.95)
RNG = np.random.default_rng(7)


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale rows to length 1."""
    made: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
    return made


def near(vector: NDArray[np.float32], similarity: float) -> NDArray[np.float32]:
    """Make a vector of this cosine with another one."""
    aside = RNG.standard_normal(vector.shape)
    aside -= (aside @ vector) * vector
    return unit(similarity * vector + np.sqrt(1 - similarity**2) * unit(aside))


ANCHOR = unit(np.random.default_rng(1).standard_normal(DIM))
SHAPE = unit(np.random.default_rng(2).standard_normal(DIM))


def a_catalogue(*references: tuple[str, str, ReferenceKind, NDArray[np.float32]]) -> ReferenceCatalogue:
    """Build a catalogue of references: id, brand, kind and vector."""
    source = FakeSource()
    for reference_id, brand, kind, vector in references:
        source.put_brand(Brand(brand_id=brand.lower(), name=brand))
        reference = Reference(reference_id=reference_id, brand_id=brand.lower(), kind=kind, image_sha256="0" * 64)
        embedding = ReferenceEmbedding(reference_id=reference_id, variant=0, fingerprint=FINGERPRINT, vector=vector)
        source.put_reference(reference, [embedding])
    return ReferenceCatalogue.build(source, FINGERPRINT, "exact")


def an_assessor(
    *references: tuple[str, str, ReferenceKind, NDArray[np.float32]], background: Background | None = None
) -> CatalogueAssessor:
    """Judge against a catalogue of these references."""
    catalogue = a_catalogue(*references)
    return CatalogueAssessor(
        catalogue=lambda: catalogue,
        background=background,
        calibration=MatchCalibration.uncalibrated(FINGERPRINT),
        marks=LIMITS,
        products=LIMITS,
        shape_similarity=0.9,
    )


def a_background(*, around: NDArray[np.float32], similarity: float) -> Background:
    """Make 400 photos, all about as similar to a vector, and one shape."""
    rows = np.stack([near(around, similarity * low) for low in np.linspace(0.97, 1.0, 400)])
    return Background(
        fingerprint=FINGERPRINT,
        photos=rows,
        regions=rows,
        owners=np.arange(len(rows)),
        shapes=SHAPE[None],
        names=("a circle",),
        source="drawn",
    )


LOGO, PRODUCT = ReferenceKind.LOGO, ReferenceKind.PRODUCT


def test_reference_like_no_other_is_active() -> None:
    """Without a background it is judged by collisions alone, and the reason says that breadth is not known."""
    found = an_assessor(("r1", "Aurora", LOGO, near(ANCHOR, 0.5))).assess("borealis", ANCHOR[None], marks=True)

    assert found.state is ReferenceState.ACTIVE
    assert (found.scope.background_images, found.scope.collisions, found.collisions) == (0, 0, ())
    assert "not known for this model" in found.reason


def test_other_brands_collide_the_most_similar_first() -> None:
    """Each colliding reference once, by the view that is most similar; the reason names the brands."""
    other = near(ANCHOR, 0.3)
    assessor = an_assessor(
        ("r1", "Aurora", LOGO, near(ANCHOR, 0.96)),
        ("r2", "Corona", LOGO, near(ANCHOR, 0.99)),
        ("r3", "Delta", LOGO, near(ANCHOR, 0.94)),
    )

    found = assessor.assess("borealis", np.stack([other, ANCHOR, near(ANCHOR, 0.999)]), marks=True)

    assert found.state is ReferenceState.QUARANTINED
    assert [(each.reference_id, each.brand_id) for each in found.collisions] == [("r2", "corona"), ("r1", "aurora")]
    assert found.collisions[0].similarity == pytest.approx(0.99, abs=0.01)
    assert "Corona, Aurora" in found.reason
    assert found.scope.collisions == 2


def test_brand_does_not_collide_with_itself_however_many_it_has() -> None:
    """Hundreds of the brand's own references hide no other brand's that is less similar than all of them."""
    own = [(f"own{number:03}", "Borealis", LOGO, near(ANCHOR, 0.99)) for number in range(300)]
    assessor = an_assessor(*own, ("theirs", "Aurora", LOGO, near(ANCHOR, 0.955)))

    found = assessor.assess("borealis", ANCHOR[None], marks=True)

    assert [each.reference_id for each in found.collisions] == ["theirs"]


def test_marks_and_products_do_not_collide() -> None:
    """Their vectors do not compare."""
    assessor = an_assessor(("r1", "Aurora", PRODUCT, ANCHOR))

    assert assessor.assess("borealis", ANCHOR[None], marks=True).collisions == ()
    assert len(assessor.assess("borealis", ANCHOR[None], marks=False).collisions) == 1


def test_many_collisions_are_counted_up_to_a_limit_and_three_brands_named() -> None:
    """A reference that collides with everybody is told in one sentence."""
    others = [(f"r{number:03}", f"Brand{number}", LOGO, near(ANCHOR, 0.97)) for number in range(150)]

    found = an_assessor(*others).assess("borealis", ANCHOR[None], marks=True)

    assert len(found.collisions) == found.scope.collisions == MOST_COLLISIONS
    assert "and 97 other brands" in found.reason


@pytest.mark.parametrize("marks", [True, False])
def test_reference_that_strangers_photos_resemble_is_too_broad(*, marks: bool) -> None:
    """The rate is told, with what is allowed; the same reference among photos unlike it is active."""
    close = an_assessor(background=a_background(around=ANCHOR, similarity=0.96))
    far = an_assessor(background=a_background(around=ANCHOR, similarity=0.3))

    broad, narrow = (assessor.assess("borealis", ANCHOR[None], marks=marks) for assessor in (close, far))

    assert broad.state is ReferenceState.QUARANTINED
    assert broad.scope.false_matches_per_million > 1_000
    assert "of a million photos that do not show the brand; up to 30 are allowed" in broad.reason
    assert narrow.state is ReferenceState.ACTIVE
    assert (narrow.scope.background_images, narrow.collisions) == (400, ())
    assert "about none of a million" in narrow.reason


def test_mark_that_is_a_shape_of_nobody_is_held_back() -> None:
    """A mark that looks like a drawn shape is quarantined by its name; a product is not compared with shapes."""
    assessor = an_assessor(background=a_background(around=ANCHOR, similarity=0.1))
    view = near(SHAPE, 0.92)[None]

    mark, product = (assessor.assess("borealis", view, marks=marks) for marks in (True, False))

    assert mark.state is ReferenceState.QUARANTINED
    assert "looks like a circle, which goods of any brand may show" in mark.reason
    assert product.state is ReferenceState.ACTIVE


def test_background_of_a_handful_measures_nothing() -> None:
    """Fewer photos than a tail can be fitted on count as none."""
    whole = a_background(around=ANCHOR, similarity=0.99)
    few = replace(whole, photos=whole.photos[:50], regions=whole.regions[:50], owners=whole.owners[:50])

    found = an_assessor(background=few).assess("borealis", ANCHOR[None], marks=True)

    assert found.scope.background_images == 0
    assert found.state is ReferenceState.ACTIVE


def test_every_reason_is_given() -> None:
    """What is too broad and collides is told both."""
    assessor = an_assessor(("r1", "Aurora", LOGO, ANCHOR), background=a_background(around=ANCHOR, similarity=0.96))

    found = assessor.assess("borealis", ANCHOR[None], marks=True)

    assert "of a million photos" in found.reason
    assert "a picture of Aurora" in found.reason


def test_limits_come_from_the_settings(tmp_path: Path) -> None:
    """What an operator sets for marks and for products is what they are judged by."""
    settings = Settings(
        data_dir=tmp_path, mark_collision_similarity=0.5, product_collision_similarity=0.99, max_matches=1
    )
    catalogue = a_catalogue(("r1", "Aurora", LOGO, near(ANCHOR, 0.6)), ("r2", "Aurora", PRODUCT, near(ANCHOR, 0.98)))
    assessor = CatalogueAssessor.of(settings, lambda: catalogue, MatchCalibration.uncalibrated(FINGERPRINT))

    mark, product = (assessor.assess("borealis", ANCHOR[None], marks=marks) for marks in (True, False))

    assert (mark.state, product.state) == (ReferenceState.QUARANTINED, ReferenceState.ACTIVE)
