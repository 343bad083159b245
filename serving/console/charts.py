"""How do figures look? SVG of our own drawing: lines, columns, intervals, bars with a limit, and reliability.

Colours and strokes come from `static/insight.css` by class, for the policy of `serving.console.guard` allows no
element a style of its own. Whatever stands in a chart as text is escaped. Sizes are in units of the drawing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from serving.console.axis_labels import Labels, of_columns

_WIDTH, _HEIGHT = 640, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 18, 30, 44
_NAMES = 150  # what the names of rows take
_ROW = 30
_FLOOR = _HEIGHT - _BOTTOM
KINDS = 6  # of lines that can be told apart


@dataclass(frozen=True)
class Line:
    """Values at the steps of the axis, 0 or more."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Ranged:
    """An estimate with its interval, in the axis' units; `value` NaN draws the interval alone."""

    name: str
    value: float
    low: float
    high: float
    good: bool = True


@dataclass(frozen=True)
class Bar:
    """A value, and the limit that it is held against; without one, NaN."""

    name: str
    value: float
    limit: float = math.nan
    bad: bool = False


def lines(series: Sequence[Line], steps: Sequence[str], *, across: str, up: str, says: str) -> Markup:
    """Draw how values change from step to step."""
    high = nice(max((value for line in series for value in line.values), default=0))
    apart = (_WIDTH - _LEFT - _RIGHT) / max(1, len(steps) - 1)
    places = [_LEFT + number * apart for number in range(len(steps))]
    labels = Labels(places, [[step] for step in steps], edge=_WIDTH)
    parts = [*_upright(high, up), *_legend([line.name for line in series]), *_below(across), *labels.drawn(_FLOOR + 17)]
    for number, line in enumerate(series):
        points = [(x, _down(value, high)) for x, value in zip(places, line.values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line kind-{number % KINDS}" points="{path}"/>')
        if len(points) <= 62:  # more dots than that hide the line
            parts += [
                f'<circle class="dot kind-{number % KINDS}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points
            ]
    return _svg(parts, _HEIGHT, says)


def columns(series: Sequence[Line], steps: Sequence[str], *, across: str, up: str, says: str) -> Markup:
    """Draw values side by side, step by step."""
    high = nice(max((value for line in series for value in line.values), default=0))
    apart = (_WIDTH - _LEFT - _RIGHT) / max(1, len(steps))
    labels = of_columns([_LEFT + (at + 0.5) * apart for at in range(len(steps))], steps, edge=_WIDTH)
    parts = [*_upright(high, up), *_below(across, lower=labels.lower), *labels.drawn(_FLOOR + 17)]
    if len(series) > 1:
        parts += _legend([line.name for line in series], solid=True)
    wide = 0.8 * apart / len(series)
    for at in range(len(steps)):
        for number, line in enumerate(series):
            left, top = _LEFT + at * apart + 0.1 * apart + number * wide, _down(line.values[at], high)
            parts.append(
                f'<rect class="column kind-{number if len(series) > 1 else 1}" x="{left:.1f}" y="{top:.1f}" '
                f'width="{max(1.0, wide - 1):.1f}" height="{_FLOOR - top:.1f}"/>'
            )
    return _svg(parts, _HEIGHT + labels.lower, says)


def intervals(rows: Sequence[Ranged], *, across: str, says: str) -> Markup:
    """Draw shares of 0..1 with their intervals, one below the other; small ones on an axis that ends earlier."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    end = min(1.0, nice(max((row.high for row in rows), default=1.0)))
    parts = [*_lying(end, height, across, as_share=True)]
    for number, row in enumerate(rows):
        y = _TOP + (number + 0.5) * _ROW
        low, high = _right(row.low, end), _right(row.high, end)
        kind = "good" if row.good else "bad"
        parts.append(_name(row.name, y))
        parts.append(
            f'<path class="range {kind}" '
            f'd="M{low:.1f} {y - 5:.1f}v10M{low:.1f} {y:.1f}H{high:.1f}M{high:.1f} {y - 5:.1f}v10"/>'
        )
        if not math.isnan(row.value):
            parts.append(f'<circle class="point {kind}" cx="{_right(row.value, end):.1f}" cy="{y:.1f}" r="5"/>')
    return _svg(parts, height, says)


def bars(rows: Sequence[Bar], *, across: str, says: str) -> Markup:
    """Draw values of 0 or more as bars; a stroke across each is its limit."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    high = nice(max((max(row.value, 0.0 if math.isnan(row.limit) else row.limit) for row in rows), default=0))
    parts = [*_lying(high, height, across)]
    for number, row in enumerate(rows):
        y = _TOP + (number + 0.5) * _ROW
        end = _right(row.value, high)
        kind = "bad" if row.bad else "good"
        parts.append(_name(row.name, y))
        parts.append(f'<rect class="bar {kind}" x="{_NAMES}" y="{y - 8:.1f}" width="{end - _NAMES:.1f}" height="16"/>')
        if not math.isnan(row.limit):
            parts.append(f'<path class="limit" d="M{_right(row.limit, high):.1f} {y - 12:.1f}v24"/>')
    return _svg(parts, height, says)


def reliability(rows: Sequence[Ranged], said: Sequence[float], *, across: str, up: str, says: str) -> Markup:
    """Draw what was found (with its interval) against what was said; on the diagonal both agree."""
    parts = [*_upright(1.0, up, as_share=True), *_below(across)]
    wide = _WIDTH - _LEFT - _RIGHT
    places = [_LEFT + wide * step / 5 for step in range(6)]
    parts += Labels(places, [[f"{step * 20} %"] for step in range(6)], edge=_WIDTH).drawn(_FLOOR + 17)
    parts.append(f'<path class="diagonal" d="M{_LEFT} {_FLOOR}L{_WIDTH - _RIGHT} {_TOP}"/>')
    for row, probability in zip(rows, said, strict=True):
        x, low, high = _LEFT + wide * probability, _down(row.low, 1.0), _down(row.high, 1.0)
        parts.append(
            f'<path class="range good" '
            f'd="M{x - 5:.1f} {low:.1f}h10M{x:.1f} {low:.1f}V{high:.1f}M{x - 5:.1f} {high:.1f}h10"/>'
        )
        parts.append(f'<circle class="point good" cx="{x:.1f}" cy="{_down(row.value, 1.0):.1f}" r="5"/>')
    return _svg(parts, _HEIGHT, says)


def nice(value: float) -> float:
    """Return the end of an axis: the least of 1, 2, 4, 5, 10 times a power of ten that is not below the value."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 10) if step * power >= value * (1 - 1e-9))


def _upright(high: float, up: str, *, as_share: bool = False) -> Iterator[str]:
    for step in range(5):
        value = high * step / 4
        y = _down(value, high)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{_written(value, as_share=as_share)}</text>'
    turned = f"translate(12 {(_TOP + _FLOOR) / 2:.0f}) rotate(-90)"
    yield f'<text class="axis" transform="{turned}" text-anchor="middle">{escape(up)}</text>'


def _lying(high: float, height: int, across: str, *, as_share: bool = False) -> Iterator[str]:
    floor = height - _BOTTOM
    for step in range(5):
        x = _right(high * step / 4, high)
        yield f'<path class="grid" d="M{x:.1f} {_TOP}V{floor}"/>'
        label = _written(high * step / 4, as_share=as_share)
        yield f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{label}</text>'
    yield _axis(across, (_NAMES + _WIDTH - _RIGHT) / 2, height - 8)


def _below(across: str, *, lower: int = 0) -> Iterator[str]:
    yield _axis(across, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT + lower - 6)


def _legend(names: Sequence[str], *, solid: bool = False) -> Iterator[str]:
    apart = (_WIDTH - _LEFT - _RIGHT) / max(1, len(names))
    for number, name in enumerate(names):
        x = _LEFT + number * apart
        shown = _shortened(name, int(apart / 7) - 4)
        if solid:
            yield f'<rect class="column kind-{number}" x="{x + 6:.1f}" y="6" width="12" height="12"/>'
        else:
            yield f'<path class="line kind-{number % KINDS}" d="M{x:.1f} 12h18"/>'
        yield f'<text class="name" x="{x + 23:.1f}" y="16">{escape(shown)}<title>{escape(name)}</title></text>'


def _name(name: str, y: float) -> str:
    shown = _shortened(name, 20)
    place = f'x="{_NAMES - 10}" y="{y + 4:.1f}" text-anchor="end"'
    return f'<text class="name" {place}>{escape(shown)}<title>{escape(name)}</title></text>'


def _axis(words: str, x: float, y: float) -> str:
    return f'<text class="axis" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{escape(words)}</text>'


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _written(value: float, *, as_share: bool) -> str:
    return f"{value * 100:.3g} %" if as_share else f"{value:g}"


def _down(value: float, high: float) -> float:
    return _FLOOR - value / high * (_FLOOR - _TOP)


def _right(value: float, high: float) -> float:
    return _NAMES + value / high * (_WIDTH - _RIGHT - _NAMES)


def _svg(parts: Sequence[str], height: int, says: str) -> Markup:
    said = f'role="img" aria-label="{escape(says)}"'
    return Markup(  # noqa: S704 - every part is ours or escaped
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height}" {said}>{"".join(parts)}</svg>'
    )
