"""How do a scan's prices and rings look? SVG of our own drawing, coloured by the page's style sheet.

No element carries a style of its own, for the page's content security policy allows none; text from listings is
escaped and made harmless by `plain`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterator
from zlib import crc32

from markupsafe import Markup, escape

from serving.scan.report_prices import PricePoint, Prices
from serving.scan.report_rings import ScanRing

_WIDTH, _HEIGHT = 1000, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 12, 14, 74  # margins, pixels
# Share of a brand's column over which its points are strewn.
_STREWN = 0.62

_RING_WIDTH, _RING_HEIGHT, _RING_RADIUS = 400, 250, 92
_PAIR_HEIGHT, _CROWD_HEIGHT = 60, 330  # two stand side by side; the names of many run outwards
_CROWD = 8


def plain(text: object, most: int = 120) -> str:
    """Make text from a listing harmless to look at: no control or direction characters, no more than `most`."""
    shown = "".join(
        "\ufffd" if unicodedata.category(letter) in _INVISIBLE else letter for letter in str(text)[: most + 1]
    )
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def breakable(text: object, most: int = 120) -> Markup:
    """Make text harmless as `plain` does, and let lines of codes and paths break where their words end."""
    return Markup("<wbr>").join(part for part in re.split(r"(?<=[_>/])", plain(text, most)))


def shortened(name: str, most: int = 6) -> str:
    """Shorten an identifier in its middle: those of one maker differ in their ends. Keeps twice `most` letters."""
    shown = plain(name, 80)
    return shown if len(shown) <= 2 * most + 1 else f"{shown[:most]}…{shown[-most:]}"


# Control, format (direction overrides among them), surrogate, private use; line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def bar(allowed: int, reviewed: int, taken_down: int, *, highest: int) -> Markup:
    """Draw listings by verdict as one bar of at most 100 x 10; the gravest first."""
    parts, left = [], 0.0
    for count, name in ((taken_down, "takedown"), (reviewed, "review"), (allowed, "allow")):
        width = 100 * count / max(1, highest)
        parts.append(f'<rect class="{name}" x="{left:.2f}" y="0" width="{width:.2f}" height="10"/>' if count else "")
        left += width
    return _svg(parts, 100, 10, "bar", "", stretched=True)


def scatter(prices: Prices) -> Markup:
    """Draw price (logarithmic) against brand; squares and triangles are flagged, a line is a brand's median."""
    amounts = [point.amount for brand in prices.brands for point in brand.points]
    low, high = math.floor(math.log10(min(amounts)) * 3) / 3, math.ceil(math.log10(max(amounts)) * 3) / 3
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    column = (_WIDTH - _LEFT - _RIGHT) / len(prices.brands)
    parts = [*_price_axis(low, high, prices.currency)]
    for number, brand in enumerate(prices.brands):
        middle = _LEFT + (number + 0.5) * column
        name = plain(brand.brand, 60)
        parts.append(f'<g class="column" data-brand="{escape(brand.brand)}">')
        down = _down(math.log10(brand.quartiles[1]), low, high)
        parts.append(f'<path class="median" d="M{middle - column * 0.4:.1f} {down:.1f}h{column * 0.8:.1f}"/>')
        # Flagged points last, so that they lie on top.
        for point in brand.points:
            across = middle + column * _STREWN * (crc32(point.listing_id.encode("utf-8", "replace")) / 2**32 - 0.5)
            parts.append(_mark(point, across, _down(math.log10(point.amount), low, high)))
        parts.append(
            f'<text class="name" transform="translate({middle:.1f} {_HEIGHT - _BOTTOM + 16}) rotate(22)">'
            f"{escape(plain(name, 18))}<title>{escape(name)}</title></text></g>"
        )
    return _svg(parts, _WIDTH, _HEIGHT, "scatter", f"Prices in {prices.currency} of {len(prices.brands)} brands")


def ring(drawn: ScanRing, flagged: Collection[str]) -> Markup:
    """Draw a ring: members on a circle in order, a line for each bond, thicker for more photos; dashed below three."""
    count = len(drawn.sellers)
    height, turn = (_PAIR_HEIGHT, 0.25) if count == 2 else (_CROWD_HEIGHT if count > _CROWD else _RING_HEIGHT, 0.0)
    angles = [2 * math.pi * (number / count + turn) for number in range(count)]
    places = [
        (_RING_WIDTH / 2 + _RING_RADIUS * math.sin(angle), height / 2 - _RING_RADIUS * math.cos(angle))
        for angle in angles
    ]
    parts = []
    for bond in sorted(drawn.bonds, key=lambda bond: bond.photos):
        (x1, y1), (x2, y2) = places[bond.left], places[bond.right]
        names = " and ".join(plain(drawn.sellers[place], 40) for place in (bond.left, bond.right))
        width = min(6.0, 1.0 + math.log2(bond.photos))
        parts.append(
            f'<line class="bond{" strong" if bond.strong else ""}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
            f'y2="{y2:.1f}" stroke-width="{width:.1f}"><title>{escape(names)}: {bond.photos:,} photos</title></line>'
        )
    for seller, angle, (x, y) in zip(drawn.sellers, angles, places, strict=True):
        parts.extend(_member(seller, x, y, angle=angle, crowded=count > _CROWD, bad=seller in flagged))
    return _svg(parts, _RING_WIDTH, height, "ring", f"Ring of {count} sellers with {drawn.photos} photos in common")


def _member(seller: str, x: float, y: float, *, angle: float, crowded: bool, bad: bool) -> Iterator[str]:
    """Draw a seller with their name, which runs outwards where there are many and else lies flat."""
    kind, radius = "member flagged" if bad else "member", 4 if crowded else 7
    title = f"<title>{escape(plain(seller, 80))}</title>"
    yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'
    across, left = math.sin(angle), math.sin(angle) < 0
    anchor, dx, dy, turned = "end" if left else "start", -12 if left else 12, 4.0, 0.0
    if crowded:
        turned = math.degrees(angle) + (90 if left else -90)
    elif abs(across) < 0.3:
        anchor, dx, dy = "middle", 0, 22.0 if math.cos(angle) < 0 else -13.0
    yield (
        f'<text class="{"tiny" if crowded else ""}" transform="translate({x:.1f} {y:.1f}) rotate({turned:.1f})" '
        f'x="{dx}" y="{dy}" text-anchor="{anchor}">{escape(shortened(seller, 5 if crowded else 8))}</text>'
    )


def _price_axis(low: float, high: float, currency: str) -> Iterator[str]:
    steps = (1, 2, 5) if high - low < 2.5 else (1, 3)
    for power in range(math.floor(low), math.ceil(high) + 1):
        for step in steps:
            at = power + math.log10(step)
            if low <= at <= high:
                down = _down(at, low, high)
                label = f"{step * 10.0**power:,.10g}"
                yield f'<path class="grid" d="M{_LEFT} {down:.1f}H{_WIDTH - _RIGHT}"/>'
                yield f'<text x="{_LEFT - 8}" y="{down + 4:.1f}" text-anchor="end">{label}</text>'
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    says = f"price in {escape(currency)}"
    yield f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{says}</text>'


def _mark(point: PricePoint, x: float, y: float) -> str:
    title = f"<title>{escape(plain(f'{point.listing_id}: {point.said}, {point.verdict}'))}</title>"
    match point.verdict:
        case "ALLOW":
            return f'<circle class="allow" cx="{x:.1f}" cy="{y:.1f}" r="2.6">{title}</circle>'
        case "TAKEDOWN":
            return f'<path class="takedown" d="M{x:.1f} {y - 5.5:.1f}l5.2 9h-10.4z">{title}</path>'
        case _:
            return f'<path class="review" d="M{x - 3.6:.1f} {y - 3.6:.1f}h7.2v7.2h-7.2z">{title}</path>'


def _down(at: float, low: float, high: float) -> float:
    return _HEIGHT - _BOTTOM - (at - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)


def _svg(parts: list[str], width: int, height: int, name: str, says: str, *, stretched: bool = False) -> Markup:
    said = f'role="img" aria-label="{escape(says)}"' if says else 'aria-hidden="true"'
    fit = ' preserveAspectRatio="none"' if stretched else ""
    return Markup(  # noqa: S704 - every part is ours or escaped
        f'<svg class="{name}" viewBox="0 0 {width} {height}"{fit} {said}>{"".join(parts)}</svg>'
    )
