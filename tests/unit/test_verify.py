"""A reference that is in the photo is proven and located; one that is not proves nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.test_keypoints import a_picture
from vision.keypoints import in_grey, photo_features, reference_features
from vision.verify import CHANCE, LAID, LOCATED, PhotoMatcher, Variant, Verification

REFERENCE = a_picture(1, height=120, width=160)
# Where the reference's corners lie in the photo, in its pixels: seen from the side and turned.
CORNERS = np.array([(150, 90), (270, 120), (250, 230), (140, 190)], np.float32)
SIZE = (400, 300)


def a_photo(reference: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Show a reference at `CORNERS` of a photo of other things."""
    ground = a_picture(2, width=SIZE[0], height=SIZE[1])
    height, width = reference.shape[:2]
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    transform = cv2.getPerspectiveTransform(source, CORNERS)
    seen = cv2.warpPerspective(reference, transform, SIZE)
    covered = cv2.warpPerspective(np.full_like(reference, 255), transform, SIZE) > 127
    return np.where(covered, seen, ground).astype(np.uint8)


def verify(photo: NDArray[np.uint8], *variants: Variant) -> Verification:
    """Compare the reference with a photo."""
    return PhotoMatcher(photo_features(in_grey(photo))).verify(
        reference_features(REFERENCE), variants or (Variant.UPRIGHT,)
    )


def test_reference_in_the_photo_is_found_where_it_is() -> None:
    """Many points agree, and the outline is that of the reference as the photo shows it."""
    found = verify(a_photo(REFERENCE))

    assert found.inliers >= 2 * LOCATED
    assert found.tentative >= found.inliers
    assert found.strength > 2
    np.testing.assert_allclose(np.array(found.outline), CORNERS / np.array(SIZE), atol=0.02)
    assert found.box is not None
    assert found.box.x1 == pytest.approx(140 / 400, abs=0.02)
    assert found.box.y2 == pytest.approx(230 / 300, abs=0.02)


def test_reference_that_is_not_there_proves_nothing() -> None:
    """Other pictures of the same kind agree by chance at most."""
    strengths = [verify(a_picture(seed, width=400, height=300)).strength for seed in range(10, 20)]

    assert max(strengths) <= np.log1p(2)
    assert np.median(strengths) == 0


@pytest.mark.parametrize(
    ("variant", "shown"), [(Variant.INVERTED, 255 - REFERENCE), (Variant.MIRRORED, REFERENCE[:, ::-1])]
)
def test_variants_are_found_when_asked_for(variant: Variant, shown: NDArray[np.uint8]) -> None:
    """An inverted or mirrored reference is found as such, and not taken for the reference as it is."""
    photo = a_photo(np.ascontiguousarray(shown))

    found, plain = verify(photo, Variant.UPRIGHT, variant), verify(photo)

    assert found.variant is variant
    assert found.inliers >= 2 * LOCATED > plain.inliers
    expected = CORNERS if variant is Variant.INVERTED else CORNERS[[1, 0, 3, 2]]
    np.testing.assert_allclose(np.array(found.outline), expected / np.array(SIZE), atol=0.02)


def test_references_are_verified_together_as_each_by_itself() -> None:
    """Neither neighbours nor references without points change what is found of one."""
    photo = PhotoMatcher(photo_features(in_grey(a_photo(REFERENCE))))
    plain = reference_features(np.full((200, 200, 3), 90, np.uint8))
    references = [plain, reference_features(a_picture(7)), reference_features(REFERENCE), plain]
    variants = (Variant.UPRIGHT, Variant.INVERTED)

    together = photo.verify_each(references, variants)

    assert together == [photo.verify(one, variants) for one in references]
    assert [one.strength > 2 for one in together] == [False, False, True, False]
    assert photo.verify_each([], variants) == []


def test_pictures_without_points_prove_nothing() -> None:
    """A plain photo and a plain reference are compared with anything, and nothing is found."""
    plain = np.full((200, 200, 3), 90, np.uint8)

    in_plain = verify(plain)
    of_plain = PhotoMatcher(photo_features(in_grey(a_picture()))).verify(reference_features(plain))

    for found in (in_plain, of_plain):
        assert (found.inliers, found.outline, found.strength, found.box) == (0, None, 0.0, None)


def test_strength_begins_beyond_chance_and_grows() -> None:
    """As many inliers as chance gives count for nothing; each further one for something."""
    strengths = [Verification(inliers=count, tentative=count).strength for count in (0, CHANCE, CHANCE + 1, 20, 200)]

    assert strengths[:2] == [0.0, 0.0]
    assert strengths == sorted(strengths)
    assert strengths[2] > 0


def test_box_stays_within_the_photo_and_needs_enough_points() -> None:
    """The outline of a mark that the photo cuts off is clipped for its box; a weak one gives none."""
    outline = ((-0.5, 0.2), (0.5, 0.2), (0.5, 0.6), (-0.5, 0.6))

    strong = Verification(inliers=LOCATED, tentative=LOCATED, outline=outline)
    weak = Verification(inliers=LOCATED - 1, tentative=LOCATED, outline=outline)
    outside = Verification(
        inliers=LOCATED, tentative=LOCATED, outline=((-0.5, 0.2), (-0.1, 0.2), (-0.1, 0.6), (-0.5, 0.6))
    )

    assert strong.box is not None
    assert (strong.box.x1, strong.box.x2) == (0.0, 0.5)
    assert weak.box is None
    assert outside.box is None


def test_a_drawing_that_fits_well_has_a_box() -> None:
    """The outline of a drawing that was laid over the photo is a place from so much of it on."""
    outline = ((0.1, 0.2), (0.5, 0.2), (0.5, 0.6), (0.1, 0.6))

    fits, hardly = (
        Verification(inliers=0, tentative=0, outline=outline, overlaid=share) for share in (LAID, LAID - 0.01)
    )

    assert fits.box is not None
    assert (fits.box.x1, fits.box.y2) == (0.1, 0.6)
    assert hardly.box is None
