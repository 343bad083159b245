"""In which colours is a mark printed? Its own, or any ink that shows on what is behind it."""

from __future__ import annotations

import cv2
import numpy as np

from training.artworks import Artwork
from training.pixels import Float, Real


def own_colours(artwork: Artwork, random: np.random.Generator) -> Float | None:
    """Take the artwork's colours, a little faded or shifted, float32 [H, W, 3] 0..255; None where any ink will do."""
    if artwork.one_colour and random.random() < 0.75:
        return None
    if random.random() < 0.15:
        return None
    colour = artwork.colour.astype(np.float32)
    if random.random() < 0.3:
        colour = colour * random.uniform(0.7, 1.1) + random.uniform(-20, 30, 3).astype(np.float32)
    if random.random() < 0.06:
        colour = 255 - colour
    return np.clip(colour, 0, 255).astype(np.float32)


def any_ink(backing: Real, random: np.random.Generator, *, own: Artwork | None = None) -> Float:
    """Pick an ink that shows on `backing`, both RGB 0..255: often white or black, as the world's marks are.

    With `own`, that artwork's mean colour is among the choices.
    """
    for _ in range(8):  # then the last one has to do
        roll = random.random()
        if roll < 0.3:
            ink: Real = np.full(3, random.uniform(225, 255))
        elif roll < 0.55:
            ink = np.full(3, random.uniform(5, 45))
        elif roll < 0.65 and own is not None:
            ink = own.colour.reshape(-1, 3).mean(axis=0)
        else:
            ink = _vivid(random)
        if np.abs(ink - backing).mean() > random.uniform(40, 110):
            break
    return np.asarray(ink, np.float32)


def any_backing(random: np.random.Generator) -> Real:
    """Pick the colour of something behind a mark, or in front of it: light, dark or vivid; RGB 0..255."""
    roll = random.random()
    if roll < 0.35:
        return np.full(3, random.uniform(215, 255))
    if roll < 0.55:
        return np.full(3, random.uniform(5, 60))
    return _vivid(random)


def neighbour(ink: Float, random: np.random.Generator) -> Float:
    """Pick a colour not far from `ink`, for a gradient between the two; RGB 0..255."""
    return np.clip(ink + random.uniform(-90, 90, 3), 0, 255).astype(np.float32)


def _vivid(random: np.random.Generator) -> Float:
    """Pick a saturated colour: brands' reds, blues, greens and yellows."""
    hue, saturation, value = random.uniform(0, 180), random.uniform(110, 255), random.uniform(90, 255)
    pixel = np.array([[[hue, saturation, value]]], np.float32).astype(np.uint8)
    return np.asarray(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0], np.float32)
