"""How does a run look at a glance? One SVG: photos a second by part, and each ratio against its bar.

Drawn by hand as `serving.comparison_chart` is; for a PNG it is rendered with a font that comes with Pillow.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup, escape

from serving.bench.figures import Figures, Ratio
from serving.drawings import svg_to_png

_WIDTH = 1_000
_LEFT, _BARS, _STEP, _BAR = 300, 560, 34, 20  # pixels: where bars begin, how long they are, from one to the next
_INK, _FAINT, _PAPER = "#1f2430", "#6b7280", "#ffffff"
_RATE, _GOOD, _SHORT = "#475569", "#1d7a46", "#b42318"


def draw(figures: Figures) -> Markup:
    """Draw the run as SVG; what comes from outside (device, model) is escaped."""
    rates, ratios = list(_rates(figures)), [each for each in figures.ratios() if each.value is not None]
    below = 130 + len(rates) * _STEP
    height = below + 60 + len(ratios) * _STEP
    body = "".join(
        [
            _text(24, 34, "touchstone bench", size=20),
            _text(24, 58, f"{figures.device} · {figures.model} · medians of {figures.repeats}", colour=_FAINT),
            _text(24, 96, "photos a second", colour=_FAINT),
            *_rate_bars(rates, 112),
            _text(24, below, "ratios; the line is the bar", colour=_FAINT),
            *_ratio_bars(ratios, below + 16),
        ]
    )
    return Markup(  # noqa: S704 - every part is ours or escaped
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="Aileron, system-ui, sans-serif" font-size="14" fill="{_INK}">'
        f'<rect width="{_WIDTH}" height="{height}" fill="{_PAPER}"/>{body}</svg>'
    )


def write_picture(path: Path, figures: Figures) -> None:
    """Write the drawing: as PNG where the file's name ends so, otherwise as SVG."""
    drawing = str(draw(figures))
    if path.suffix.lower() == ".png":
        path.write_bytes(svg_to_png(drawing, width=2 * _WIDTH))
    else:
        path.write_text(drawing, encoding="utf-8")


def _rates(figures: Figures) -> Iterator[tuple[str, float]]:
    of = figures.document()
    named = {
        "forward alone": of["forward_img_s"],
        "plain eager forward": of["eager_img_s"],
        "service, saturated": of["service_img_s"],
        "scan": of["scan_listings_s"],
        "naive pipeline": of["naive_img_s"],
    }
    return ((name, rate) for name, rate in named.items() if rate)


def _rate_bars(rates: list[tuple[str, float]], top: int) -> Iterator[str]:
    highest = max((rate for _, rate in rates), default=1.0)
    for place, (name, rate) in enumerate(rates):
        here = top + place * _STEP
        yield _text(_LEFT - 12, here + 15, name, anchor="end")
        yield _bar(here, rate / highest, _RATE)
        yield _text(_LEFT + _BARS * rate / highest + 8, here + 15, f"{rate:.1f}")


def _ratio_bars(ratios: list[Ratio], top: int) -> Iterator[str]:
    for place, each in enumerate(ratios):
        assert each.value is not None  # the others are left out
        here = top + place * _STEP
        longest = max(each.value, each.aim, each.bar) * 1.05
        yield _text(_LEFT - 12, here + 15, each.words, anchor="end", size=12)
        yield _bar(here, each.value / longest, _GOOD if each.reached else _SHORT)
        line = _LEFT + _BARS * each.bar / longest
        yield f'<path d="M{line:.1f} {here - 4}v{_BAR + 8}" stroke="{_INK}" stroke-width="2"/>'
        sign = "≤" if each.at_most else "≥"
        yield _text(_LEFT + _BARS + 12, here + 15, f"{each.value:.2f} ({sign} {each.bar:g})")


def _bar(top: int, share: float, colour: str) -> str:
    return f'<rect x="{_LEFT}" y="{top}" width="{_BARS * share:.1f}" height="{_BAR}" rx="3" fill="{colour}"/>'


def _text(x: float, y: float, words: str, *, colour: str = _INK, anchor: str = "start", size: int = 14) -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="{size}">{escape(words)}</text>'
