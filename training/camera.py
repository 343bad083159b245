"""What does a camera make of a scene? Uneven light, glare, white balance, blur, a small sensor, noise, JPEG.

The last part of rendering: `training.world` lays marks into a picture, `expose` photographs it. Every choice comes from
the generator passed in, in a fixed order, so that a seed stands for a picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.pixels import Float, Pixels


def expose(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Photograph `picture`, uint8 [H, W, 3] RGB: the same shape, a little worse."""
    for step in (_light, _glare, _grey, _blur, _small_sensor, _noise, _compress):
        picture = step(picture, random)
    return picture


def _light(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Light the picture from one side, and balance its white, contrast and brightness."""
    ramp = np.ones((1, 1), np.float32)
    if random.random() < 0.5:
        ramp = _ramp(picture.shape, random, depth=random.uniform(0.1, 0.6))
    gain = random.uniform(0.8, 1.2, 3).astype(np.float32) if random.random() < 0.6 else np.ones(3, np.float32)
    contrast, offset = (random.uniform(0.6, 1.25), random.uniform(-30, 30)) if random.random() < 0.6 else (1.0, 0.0)
    if ramp.size == 1 and contrast == 1.0 and np.all(gain == 1):
        return picture
    scaled = picture * (ramp[..., None] * (gain * np.float32(contrast)))
    balanced = scaled + np.float32(offset + 128 * (1 - contrast))
    return np.asarray(np.clip(balanced, 0, 255).astype(np.uint8))


def _ramp(size: tuple[int, ...], random: np.random.Generator, *, depth: float) -> Float:
    """Brighten towards one side and darken towards the other: float32 [H, W], about 1."""
    height, width = size[:2]
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.linspace(-1, 1, width)[None] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)
    return np.asarray(1 + depth * ramp / 2, np.float32)


def _glare(picture: Pixels, random: np.random.Generator) -> Pixels:
    if random.random() >= 0.12:
        return picture
    spot = _spot(picture.shape, random, radius=random.uniform(0.08, 0.4)) * np.float32(random.uniform(60, 220))
    return np.asarray(cv2.add(picture, np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)), np.uint8)


def _spot(size: tuple[int, ...], random: np.random.Generator, *, radius: float) -> Float:
    """Shape a soft spot anywhere, `radius` a share of the longer edge: float32 [H, W], 0..1."""
    height, width = size[:2]
    x, y, spread = random.uniform(0, width), random.uniform(0, height), radius * max(height, width)
    across, down = np.arange(width) - x, np.arange(height) - y
    distance = across[None] ** 2 + (down[:, None] * random.uniform(0.5, 2)) ** 2
    return np.asarray(np.exp(-distance / (2 * spread**2)), np.float32)


def _grey(picture: Pixels, random: np.random.Generator) -> Pixels:
    if random.random() >= 0.05:
        return picture
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def _blur(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Blur by focus, or by a hand that moved."""
    roll = random.random()
    if roll < 0.25:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 1.2)), np.uint8)
    if roll < 0.3:
        return np.asarray(cv2.filter2D(picture, -1, _movement(random)), np.uint8)
    return picture


def _movement(random: np.random.Generator) -> NDArray[np.floating]:
    """Draw a short straight movement as a blur kernel that sums to 1."""
    length = int(random.integers(3, 7))
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    centre = (length - 1) / 2
    for step in np.linspace(-centre, centre, 2 * length):
        kernel[round(centre + step * np.sin(angle)), round(centre + step * np.cos(angle))] = 1
    return np.asarray(kernel / kernel.sum())


def _small_sensor(picture: Pixels, random: np.random.Generator) -> Pixels:
    if random.random() >= 0.25:
        return picture
    shrink = random.uniform(0.5, 0.9)
    small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _noise(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Add a sensor's noise, by the generator of OpenCV, seeded from ours: drawing so many values takes NumPy longer."""
    if random.random() >= 0.4:
        return picture
    noise = np.empty(picture.shape, np.int16)
    cv2.setRNGSeed(int(random.integers(2**31)))
    cv2.randn(noise, np.zeros(3), np.full(3, random.uniform(1, 9)))
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _compress(picture: Pixels, random: np.random.Generator) -> Pixels:
    if random.random() >= 0.7:
        return picture
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 96))]
    coded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1]
    read = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)
