"""A photo's part, brought back into the frame of the reference that was found in it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision.aligning import aligned, extent
from vision.regions import Point

Outline = tuple[Point, Point, Point, Point]
UPRIGHT: Outline = ((0.2, 0.3), (0.7, 0.25), (0.75, 0.8), (0.15, 0.7))
MIRRORED: Outline = ((0.7, 0.25), (0.2, 0.3), (0.15, 0.7), (0.75, 0.8))
TURNED: Outline = ((0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2))


def a_reference(width: int = 240, height: int = 180) -> NDArray[np.uint8]:
    """Draw soft blobs of colour, which survive being scaled twice: uint8 [height, width, 3]."""
    noise = np.random.default_rng(7).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def photographed(
    reference: NDArray[np.uint8], outline: Outline, *, size: tuple[int, int] = (900, 700)
) -> NDArray[np.uint8]:
    """Show a reference in a grey photo of `size` so that its corners come to lie on the outline."""
    height, width = reference.shape[:2]
    frame = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    corners = (np.array(outline) * size).astype(np.float32) - np.float32(0.5)
    transform = cv2.getPerspectiveTransform(frame, corners)
    return cv2.warpPerspective(reference, transform, size, borderValue=(128, 128, 128)).astype(np.uint8)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in decibels, without a rim of four pixels: the grey shines through."""
    difference = one.astype(np.float64)[4:-4, 4:-4] - other.astype(np.float64)[4:-4, 4:-4]
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


@pytest.mark.parametrize("outline", [UPRIGHT, MIRRORED, TURNED], ids=["upright", "mirrored", "turned"])
def test_what_was_photographed_comes_back(outline: Outline) -> None:
    """Seen askew, mirrored or turned, the reference is itself again in its own frame, and nowhere else."""
    reference = a_reference()

    found = aligned(photographed(reference, outline), outline, (240, 180))

    assert found.shape == reference.shape
    assert psnr(found, reference) > 38
    assert psnr(found[:, ::-1], reference) < 20


def test_a_corner_half_a_percent_off_is_seen() -> None:
    """The bound means something: an outline that is off by half a percent of the photo is clearly worse."""
    reference = a_reference()
    photo = photographed(reference, UPRIGHT)
    off = tuple((x + 0.005, y) for x, y in UPRIGHT)

    assert psnr(aligned(photo, off, (240, 180)), reference) < psnr(aligned(photo, UPRIGHT, (240, 180)), reference) - 6


def test_beyond_the_photo_there_is_paper() -> None:
    """Where the outline leaves the photo the frame is white."""
    photo = np.zeros((100, 100, 3), np.uint8)
    outline = ((0.5, 0.0), (1.5, 0.0), (1.5, 1.0), (0.5, 1.0))

    found = aligned(photo, outline, (60, 60))

    assert (found[:, :28].max(), found[:, 32:].min()) == (0, 255)
    assert extent(outline) == pytest.approx(1.0)
