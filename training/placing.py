"""Where does a mark lie, and how does its object bend? From pixels of the picture back to points of the mark's sheet.

The middle part of rendering (see `training.world`). The order of random draws is part of the format.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.pixels import Float, PixelBox, Real
from training.printing import MARGIN


def place(
    sheet: tuple[int, ...], picture: tuple[int, ...], random: np.random.Generator, *, longest: float
) -> tuple[Real, PixelBox]:
    """Lay a sheet into a picture, both of a size [H, W] in pixels, the mark's longer edge about `longest` pixels.

    Returns the homography from picture to sheet, [3, 3], and the window of the picture that the sheet covers.
    """
    (tall, wide), (height, width) = sheet, picture
    edge = max(tall, wide)
    scale = longest / (edge - 2 * MARGIN)
    corners = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
    turned = np.column_stack([corners - (wide / 2, tall / 2), np.zeros(4)]) @ (_turn(random) * scale).T
    distance = random.uniform(1.6, 6) * max(longest, 1.0)
    seen = turned[:, :2] * (distance / (distance + turned[:, 2:]))
    seen = seen * (longest * edge / (edge - 2 * MARGIN) / max(float(np.ptp(seen, axis=0).max()), 1e-3))
    extent = np.abs(seen).max(axis=0) * 0.75
    room = np.maximum(np.array([width, height]) / 2 - extent, 0.02 * max(width, height))
    there = (seen + np.array([width, height]) / 2 + random.uniform(-1, 1, 2) * room).astype(np.float32)
    slack = 0.1 * longest + 4  # bent edges and blurred shadows reach a little further
    low = np.clip(np.floor(there.min(axis=0) - slack), 0, (width - 2, height - 2)).astype(int)
    high = np.clip(np.ceil(there.max(axis=0) + slack), low + 2, (width, height)).astype(int)
    window = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    return np.asarray(cv2.getPerspectiveTransform(there, corners), np.float64), window


def look_up(back: Real, window: PixelBox) -> tuple[Float, Float]:
    """Find for every pixel of `window` the point of the sheet it shows: columns and rows, float32 [h, w].

    `back` is the homography from picture to sheet, [3, 3].
    """
    left, top, right, bottom = window
    h = back.astype(np.float32)
    across, down = np.arange(left, right, dtype=np.float32)[None], np.arange(top, bottom, dtype=np.float32)[:, None]
    depth = h[2, 0] * across + h[2, 1] * down + h[2, 2]
    depth = np.where(np.abs(depth) < 1e-4, np.float32(1e-4), depth)
    return (h[0, 0] * across + h[0, 1] * down + h[0, 2]) / depth, (h[1, 0] * across + h[1, 1] * down + h[1, 2]) / depth


def bend(columns: Float, rows: Float, sheet: tuple[int, ...], random: np.random.Generator) -> tuple[Float, Float]:
    """Roll the object round a can (1 in 5), let it lie in folds (1 in 7), or leave it flat: columns and rows, moved.

    `columns` and `rows` are points of the sheet, float32 [h, w]; `sheet` is its size [H, W].
    """
    roll = random.random()
    if roll < 0.2:
        return _round_a_can(columns, rows, sheet, random)
    if roll < 0.35:
        return _in_folds(columns, rows, sheet, random)
    return columns, rows


def _turn(random: np.random.Generator) -> Real:
    """Draw a rotation, [3, 3]: mostly upright and nearly frontal, sometimes far from it."""
    wild = random.random() < 0.15
    roll = random.uniform(-np.pi, np.pi) * 0.5 if wild else random.normal(0, 0.16)
    spread = random.choice([0.12, 0.5])
    yaw, pitch = (float(np.clip(random.normal(0, spread), -1.1, 1.1)) for _ in range(2))
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return np.asarray(about_y @ about_x @ about_z)


def _round_a_can(
    columns: Float, rows: Float, sheet: tuple[int, ...], random: np.random.Generator
) -> tuple[Float, Float]:
    tall, wide = sheet
    radius = random.uniform(0.55, 1.2) * wide
    x = np.clip((columns - wide / 2) / radius, -0.999, 0.999)
    sagged = rows + random.uniform(-0.15, 0.15) * float(max(tall, wide)) * x * x
    return (wide / 2 + np.arcsin(x) * radius).astype(np.float32), sagged.astype(np.float32)


def _in_folds(columns: Real, rows: Real, sheet: tuple[int, ...], random: np.random.Generator) -> tuple[Float, Float]:
    size = float(max(sheet))
    for _ in range(int(random.integers(1, 3))):
        period, phase = random.uniform(0.5, 1.5) * size, random.uniform(0, 2 * np.pi, 2)
        depth = random.uniform(0.005, 0.03) * size
        shift = depth * np.sin(rows * (2 * np.pi / period) + phase[0])
        rows = rows + depth * np.sin(columns * (2 * np.pi / period) + phase[1])
        columns = columns + shift
    return columns.astype(np.float32), rows.astype(np.float32)
