"""A picture's keypoints survive storage, and say what inverting or mirroring the picture would have said."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision.keypoints import (
    PHOTO_EDGE,
    PHOTO_KEYPOINTS,
    REFERENCE_KEYPOINTS,
    LocalFeatures,
    in_grey,
    part_features,
    photo_features,
    reference_features,
)
from vision.regions import WHOLE_IMAGE, Box


def a_picture(seed: int = 0, *, height: int = 240, width: int = 320) -> NDArray[np.uint8]:
    """Draw blobs of many sizes: corners and edges everywhere, and no two alike."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128, np.uint8)
    for _ in range(120):
        x, y, radius = random.integers(width), random.integers(height), random.integers(4, 28)
        colour = [int(value) for value in random.integers(0, 256, 3)]
        cv2.rectangle(picture, (int(x), int(y)), (int(x + radius), int(y + radius * 0.7)), colour, -1)
    return picture


def share_found_again(expected: LocalFeatures, found: LocalFeatures) -> float:
    """Say how many of the expected points have their nearest descriptor at the same place, in the same direction."""
    nearest = (expected.vectors @ found.vectors.T).argmax(axis=1)
    apart = np.hypot(*(expected.points[:, :2] - found.points[nearest, :2]).T)
    turned = np.abs((expected.points[:, 3] - found.points[nearest, 3] + 180) % 360 - 180)
    return float(((apart < 1.5) & (turned < 5)).mean())


def test_inverted_features_are_those_of_the_inverted_picture() -> None:
    """A mark printed white on black is recognised by the features of the one printed black on white."""
    picture = a_picture()

    features = reference_features(picture)

    assert share_found_again(features.inverted(), reference_features(255 - picture)) > 0.95
    assert share_found_again(features, reference_features(255 - picture)) < 0.1


def test_mirrored_features_are_those_of_the_mirrored_picture() -> None:
    """A photo flipped left to right is recognised by the features of the photo as it was."""
    picture = a_picture()

    features, flipped = reference_features(picture), reference_features(np.ascontiguousarray(picture[:, ::-1]))

    assert share_found_again(features.mirrored(), flipped) > 0.75  # the weakest points change places with others
    assert share_found_again(features, flipped) < 0.1


def test_features_survive_storage() -> None:
    """What is stored reads back equal, to the last bit, in a known number of bytes."""
    features = reference_features(a_picture())

    data = features.to_bytes()
    found = LocalFeatures.from_bytes(data)

    assert len(data) == 7 + 144 * len(features) <= 40_000
    np.testing.assert_array_equal(found.points, features.points)
    np.testing.assert_array_equal(found.descriptors, features.descriptors)
    assert (found.width, found.height) == (features.width, features.height)


def test_a_drawing_survives_storage() -> None:
    """What was drawn is kept beside the points, in 2,304 bytes more; nothing else changes."""
    plain, drawn = reference_features(a_picture()), reference_features(a_picture(), drawn=True)

    data = drawn.to_bytes()
    found = LocalFeatures.from_bytes(data)

    assert len(data) == len(plain.to_bytes()) + 2304
    assert data[1:].startswith(plain.to_bytes()[1:])
    assert plain.drawing is LocalFeatures.from_bytes(plain.to_bytes()).drawing is None
    assert found.drawing is not None
    assert drawn.drawing is not None
    np.testing.assert_array_equal(found.drawing.grey, drawn.drawing.grey)
    assert found.drawing.aspect == pytest.approx(drawn.drawing.aspect, abs=0.01)
    np.testing.assert_array_equal(found.descriptors, drawn.descriptors)
    assert drawn.inverted().drawing is drawn.mirrored().drawing is None
    flat = data[:3] + b"\x00\x00" + data[5:]
    for damaged in (data[:-1], data[:1] + b"\x00\x00" + data[3:], flat):
        with pytest.raises(ValueError, match="are no keypoints"):
            LocalFeatures.from_bytes(damaged)
    blank = np.full((64, 64, 3), 255, np.uint8)
    assert reference_features(blank, drawn=True).drawing is None


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: b"\x09" + data[1:]])
def test_damaged_features_are_refused(damage: object) -> None:
    """Too few bytes, or a format of a later release, is an error and not a wrong answer."""
    assert callable(damage)

    with pytest.raises(ValueError, match="are no keypoints that are known here"):
        LocalFeatures.from_bytes(damage(reference_features(a_picture()).to_bytes()))


def test_points_are_bounded_and_strongest_first() -> None:
    """A busy picture gives no more points than are stored, and fewer of them are the first ones."""
    coarse = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    noise = np.kron(coarse, np.ones((15, 15, 1), np.uint8))

    photo, reference = photo_features(in_grey(noise)), reference_features(noise)

    assert (len(photo), len(reference)) == (PHOTO_KEYPOINTS, REFERENCE_KEYPOINTS)
    assert (photo.width, photo.height) == (PHOTO_EDGE, PHOTO_EDGE * 3 // 4)
    np.testing.assert_array_equal(photo.strongest(10).points, photo.points[:10])
    np.testing.assert_array_equal(photo_features(in_grey(noise)).points, photo.points)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (3, 2), (400, 400)])
def test_pictures_without_details_have_no_points(shape: tuple[int, int]) -> None:
    """A plain or tiny picture has no keypoints, and is no error."""
    plain = np.full((*shape, 3), 200, np.uint8)

    assert len(photo_features(in_grey(plain))) == len(reference_features(plain)) == 0
    assert all(len(part_features(in_grey(plain), part)) == 0 for part in (WHOLE_IMAGE, Box(0.5, 0.5, 0.500001, 1.0)))
    assert LocalFeatures.from_bytes(photo_features(in_grey(plain)).to_bytes()).vectors.shape == (0, 128)


@pytest.mark.parametrize("edge", [240, 960])
def test_points_of_a_part_lie_where_they_lie_in_the_whole(edge: int) -> None:
    """A part of a photo, large or small, gives the points that the whole has there, in the pixels of the whole."""
    photo = np.asarray(cv2.resize(a_picture(3), (edge * 4 // 3, edge), interpolation=cv2.INTER_CUBIC), np.uint8)
    part = Box(0.25, 0.25, 0.75, 0.75)

    whole, inside = photo_features(in_grey(photo)), part_features(in_grey(photo), part)

    assert (inside.width, inside.height) == (whole.width, whole.height)
    corner, opposite = (np.array([at * inside.width, at * inside.height]) for at in (0.25, 0.75))
    places, sizes = inside.points[:, :2], inside.points[:, 2]
    assert ((places > corner - 9) & (places < opposite + 9)).all()
    deep = (sizes < 8) & ((places > corner + 20) & (places < opposite - 20)).all(axis=1)
    assert deep.sum() > 10
    gaps = np.linalg.norm(places[deep, None] - whole.points[None, :, :2], axis=2).min(axis=1)
    assert np.mean(gaps < 1) > 0.9


def test_a_large_part_is_looked_at_in_fewer_pixels() -> None:
    """What fills a large photo is found with the pixels that it needs, and has its place in a photo of that size."""
    photo = np.asarray(cv2.resize(a_picture(4), (1280, 960), interpolation=cv2.INTER_CUBIC), np.uint8)

    inside = part_features(in_grey(photo), Box(0.5, 0.0, 1.0, 1.0))

    assert 250 <= inside.height <= 256
    assert inside.width == pytest.approx(inside.height * 4 / 3, abs=1)
    assert inside.width / 2 - 9 <= inside.points[:, 0].min() < inside.width / 2 + 9
