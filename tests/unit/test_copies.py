"""A photo made from one on record is told from its details, and a photo of something else in the same place is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.test_keypoints import a_picture
from vision.copies import COPIED, KEPT_KEYPOINTS, CopyMatcher
from vision.keypoints import LocalFeatures, in_grey, part_features
from vision.regions import WHOLE_IMAGE
from vision.verify import Variant, Verification

Pixels = NDArray[np.uint8]
PHOTO = a_picture(3)  # 240 x 320


def seen(photo: Pixels) -> LocalFeatures:
    """Find what photos are compared by."""
    return part_features(in_grey(photo), WHOLE_IMAGE)


def known(photo: Pixels = PHOTO) -> LocalFeatures:
    """Keep of a photo what the store keeps."""
    return seen(photo).strongest(KEPT_KEYPOINTS)


def compared(photo: Pixels) -> Verification:
    """Compare a photo with the one on record."""
    return CopyMatcher(seen(photo)).compare(known())


def corners(x1: float, y1: float, x2: float, y2: float) -> list[tuple[float, float]]:
    """Name the corners of a rectangle, clockwise from (x1, y1)."""
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda photo: photo[48:192, 64:256], corners(-64 / 192, -48 / 144, 256 / 192, 192 / 144)),
        (lambda photo: np.pad(photo, ((30, 30), (30, 30), (0, 0))), corners(30 / 380, 0.1, 350 / 380, 0.9)),
        (lambda photo: cv2.rectangle(photo.copy(), (20, 90), (300, 150), (255, 255, 0), -1), corners(0, 0, 1, 1)),
        (lambda photo: cv2.resize(photo, (200, 140)), corners(0, 0, 1, 1)),
    ],
    ids=["crop", "border", "overlay", "resize"],
)  # fmt: skip
def test_altered_photo_is_found_with_its_place(
    change: Callable[[Pixels], Pixels], where: list[tuple[float, float]]
) -> None:
    """The outline says where the photo on record lies in the altered one, beyond its edges where it was cut off."""
    found = compared(change(PHOTO))

    assert found.inliers >= COPIED
    assert found.variant is Variant.UPRIGHT
    assert found.outline is not None
    np.testing.assert_allclose(found.outline, where, atol=0.02)


def test_flipped_crop_is_found_as_the_mirror_image() -> None:
    """A crop that was flipped as well is a mirrored copy: the record's upper left corner lies to the right."""
    found = compared(PHOTO[48:192, 64:256][:, ::-1])

    assert found.inliers >= COPIED
    assert found.variant is Variant.MIRRORED
    assert found.outline is not None
    np.testing.assert_allclose(found.outline, corners(256 / 192, -48 / 144, -64 / 192, 192 / 144), atol=0.02)


def test_other_thing_in_front_of_the_same_wall_is_no_copy() -> None:
    """Where only a strip of background agrees, square on and to the pixel, two photos are not one and the same."""
    other = a_picture(4)
    other[:20] = PHOTO[:20]

    assert compared(other).inliers == 0


@pytest.mark.parametrize(
    "photo",
    [
        a_picture(4),
        cv2.warpAffine(PHOTO, cv2.getRotationMatrix2D((160, 120), 30, 1.0), (320, 240)),
        cv2.resize(PHOTO, (640, 240)),
        np.full((240, 320, 3), 200, np.uint8),
    ],
    ids=["different", "turned", "stretched", "plain"],
)
def test_what_is_not_square_on_is_no_copy(photo: Pixels) -> None:
    """A different picture, one seen from another side and one without details are not taken for copies."""
    found = compared(photo)

    assert (found.inliers, found.outline) == (0, None)


def test_small_inset_is_no_copy() -> None:
    """A page that shows the photo among other things, at a twentieth of its area, is not the photo."""
    page = a_picture(5, height=960, width=1280)
    page[:240, :320] = PHOTO

    assert compared(page).inliers == 0


def test_the_same_print_seen_from_a_step_aside_is_no_copy() -> None:
    """A carton photographed twice shows its details some pixels off, more here than there."""
    height, width = PHOTO.shape[:2]
    straight = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    aside = straight + np.array([(0, 0), (-9, 10), (-9, -10), (0, 0)], np.float32)
    again = cv2.warpPerspective(PHOTO, cv2.getPerspectiveTransform(straight, aside), (width, height))

    assert compared(np.asarray(again, np.uint8)).inliers == 0
