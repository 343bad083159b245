"""How did a training go? Its losses step by step: written as it runs, read and drawn afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Point:
    """The losses at one step of the curve."""

    step: int
    losses: Mapping[str, float]


def append_point(path: Path, step: int, losses: Mapping[str, float]) -> None:
    """Write one step's losses, to four decimals, at the end of a curve."""
    with path.open("a") as lines:
        lines.write(json.dumps({"step": step} | {name: round(loss, 4) for name, loss in losses.items()}) + "\n")


def read_curve(path: Path) -> list[Point]:
    """Read a curve, each step once: a run that was cut off and resumed wrote some steps twice, and the last counts."""
    points = {}
    for line in path.read_text().splitlines():
        losses = json.loads(line)
        step = losses.pop("step")
        points[step] = Point(step, losses)
    return [points[step] for step in sorted(points)]


def draw_curve(curve: Path, picture: Path) -> None:
    """Draw each loss of a curve over the steps, on a logarithmic scale, faint as it was and smoothed on top, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    points = read_curve(curve)
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss (weighted)", yscale="log")
    width = max(len(points) // 25, 1)
    for name in points[0].losses:
        values = np.array([point.losses[name] for point in points])
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        (line,) = axes.plot([point.step for point in points], values, alpha=0.25)
        axes.plot([point.step for point in points][width - 1 :], smooth, color=line.get_color(), label=name)
    axes.legend()
    axes.grid(alpha=0.3)
    with mpl.rc_context({"svg.hashsalt": "touchstone"}):  # the same curve gives the same file
        figure.savefig(picture, metadata={"Date": None})
