"""How do recall, precision and confidence look? Small charts as inline SVG, drawn here: no plotting library needed.

A chart holds numbers and our own words only, never text from data, so that it may go into a page as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 340, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 20, 12, 42  # margins in pixels; axis labels stand on the left and at the bottom
_MOST_POINTS = 400  # a curve of thousands of points draws no finer


def curve(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    x_label: str,
    y_label: str,
    x_max: float = 1.0,
    mark: tuple[float, float] | None = None,
) -> Markup:
    """Draw y (0..1) over x (0..`x_max`) as a line, with a dot at `mark`; points beyond `x_max` are cut off."""
    inside = np.flatnonzero(x <= x_max)
    picked = inside[np.unique(np.linspace(0, len(inside) - 1, min(len(inside), _MOST_POINTS)).astype(int))]
    points = " ".join(f"{_across(a / x_max):.1f},{_down(b):.1f}" for a, b in zip(x[picked], y[picked], strict=True))
    parts = [_axes(x_label, y_label, x_max=x_max, y_max=1.0, shares=True)]
    if len(picked):
        parts.append(f'<polyline class="line" points="{points}"/>')
    if mark is not None:
        parts.append(f'<circle class="mark" cx="{_across(mark[0] / x_max):.1f}" cy="{_down(mark[1]):.1f}" r="5"/>')
    return _svg(parts)


def histogram(groups: Mapping[str, Sequence[float]], *, x_label: str, bins: int = 20) -> Markup:
    """Draw how many scores (0..1) of each group fall where, stacked; a group's name is its CSS class."""
    counts = {name: np.histogram(np.clip(values, 0, 1), bins, (0, 1))[0] for name, values in groups.items()}
    highest = max(1, *np.sum(list(counts.values()), axis=0).tolist())
    parts = [_axes(x_label, "queries", x_max=1.0, y_max=float(highest), shares=False)]
    for place in range(bins):
        base = 0
        for name, heights in counts.items():
            if height := int(heights[place]):
                top = _down((base + height) / highest)
                tall = _down(base / highest) - top
                left, wide = _across(place / bins) + 1, _across(1 / bins) - _across(0) - 2
                title = f"<title>{place / bins:.2f}-{(place + 1) / bins:.2f}: {height} {name}</title>"
                parts.append(
                    f'<rect class="column {name}" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" '
                    f'height="{tall:.1f}">{title}</rect>'
                )
                base += height
    return _svg(parts)


def _axes(x_label: str, y_label: str, *, x_max: float, y_max: float, shares: bool) -> str:
    parts = []
    for step in range(5):
        at = step / 4
        across, down = _across(at), _down(at)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{down:.1f}" x2="{_WIDTH - _RIGHT}" y2="{down:.1f}"/>')
        parts.append(f'<line class="grid" x1="{across:.1f}" y1="{_TOP}" x2="{across:.1f}" y2="{_HEIGHT - _BOTTOM}"/>')
        x_text = f"{100 * at * x_max:.3g}%" if shares else f"{at * x_max:.2g}"
        y_text = f"{100 * at:.0f}%" if shares else f"{at * y_max:.0f}"
        parts.append(f'<text x="{across:.1f}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{x_text}</text>')
        parts.append(f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{y_text}</text>')
    centre, middle = (_LEFT + _WIDTH - _RIGHT) / 2, (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text class="label" x="{centre}" y="{_HEIGHT - 8}" text-anchor="middle">{x_label}</text>')
    parts.append(
        f'<text class="label" transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">{y_label}</text>'
    )
    return "".join(parts)


def _across(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _down(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _svg(parts: Sequence[str]) -> Markup:
    return Markup(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>')  # noqa: S704 - ours
