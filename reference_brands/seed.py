"""Which brands and marks does a new installation start with? Curated brands and their marks, drawn, ready to embed.

The marks come from simplepycons (the Simple Icons collection, CC0), and those that brands had before from earlier
releases of the collection (`earlier_marks`; README.md beside this file). Whoever fills the registry walks `seed_marks`,
stores brand and mark, and embeds each rendering as one variant of the mark's reference.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference_brands.brands_file import SeedBrand, read_brands_file
from reference_brands.errors import SeedError
from reference_brands.render import Colour, paint, render, tight_mask, turned_square

__all__ = [
    "BRANDS_FILE",
    "LICENCE",
    "NOTICE",
    "SeedBrand",
    "SeedMark",
    "mark_svg",
    "one_coloured",
    "palette",
    "seed_brands",
    "seed_marks",
    "seed_source",
    "turned",
]

BRANDS_FILE = Path(__file__).with_name("brands.yaml")
_EARLIER = Path(__file__).with_name("earlier_marks")
LICENCE = "CC0-1.0"
NOTICE = "Trademark of its owner; held here as a reference to recognise it by, with no claim to it."

RENDER_EDGE = 224
"""Pixels: the input size of the embedded model."""

RENDER_MARGIN = 0.06
"""Border around the mark as a share of the edge; a window that frames a mark in a photo is rarely tighter."""

TURNS = (15.0, -15.0)
"""Degrees by which a mark is turned for further renderings: goods seldom lie straight, and the embedding notices.

Of 126 scenes as `eval marks` draws them (held-out brands, another seed), 0.85 are named by upright renderings, 0.91
with these, and no more with white on black or 30 degrees as well.
"""

_SURROUNDED = 1 / 12
"""Margin of a turned rendering: what the box of a found mark keeps of its surroundings (`serving.visual`)."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (17, 17, 17)

_MIN_CONTRAST = 1.6
"""WCAG contrast ratio, 1..21: below it ink and paper run into each other (McDonald's yellow on white has 1.5)."""

_SAME_COLOUR = 40.0
"""Euclidean RGB distance, 0..442: brand colours nearer to black or white than this repeat the plain variants."""


@dataclass(frozen=True, kw_only=True)
class SeedMark:
    """One mark of a brand, drawn.

    `renderings` are uint8 [224, 224, 3] RGB, at least four: black on white and white on black, then the brand's
    `colour` on white and white on the colour, where they would look different from the first two, then black on white
    turned by each of `TURNS`. `source` says where the drawing is from, for a reference's provenance.
    """

    brand: SeedBrand
    mark_id: str
    name: str
    kind: Literal["logo", "wordmark"]
    svg: str
    source: str
    colour: Colour
    renderings: tuple[NDArray[np.uint8], ...]


def seed_source() -> str:
    """Return where the marks of today come from, with the version installed."""
    return f"simplepycons {metadata.version('simplepycons')}"


def seed_brands(path: Path | None = None, *, everything: bool = False) -> tuple[SeedBrand, ...]:
    """Return the curated brands of `path`, or of the shipped file, in the file's order.

    With `everything`, each mark that none of them claims follows as a brand of its own.

    Raises:
        SeedError: the file breaks a rule; the message names file, entry and what is allowed.

    """
    earlier = frozenset(file.stem for file in _EARLIER.glob("*.svg"))
    brands = read_brands_file(path or BRANDS_FILE, known_marks=frozenset(_icons().names()), earlier_marks=earlier)
    return brands + _unclaimed(brands) if everything else brands


def seed_marks(
    only: Collection[str] | None = None, *, everything: bool = False, earlier: bool = True, path: Path | None = None
) -> Iterator[SeedMark]:
    """Draw the marks of the seed catalogue one after the other (about 10 ms each).

    Args:
        only: brands by id, name or alias in any case; all of them when None.
        everything: also load each mark that no curated brand claims, as a brand of its own; curated ids stay.
        earlier: also draw the marks that brands had before, each brand's behind those of today.
        path: another brands file than the shipped one.

    Raises:
        SeedError: the file breaks a rule, or `only` names a brand that is not there; raised at once, not on the walk.
        RenderError: a mark cannot be drawn.

    """
    brands = seed_brands(path, everything=everything)
    if only is not None:
        brands = _select(brands, only)
    return (_draw(brand, mark) for brand in brands for mark in brand.marks + (brand.earlier_marks if earlier else ()))


def mark_svg(mark: str) -> str:
    """Return the SVG of one simplepycons mark by its name.

    Raises:
        SeedError: there is no such mark.

    """
    if mark not in _icons().names():
        raise SeedError(f"simplepycons has no mark {mark!r}; simplepycons.all_icons.names() lists them")
    return str(_icons()[mark].raw_svg)


def _icons() -> Any:
    return importlib.import_module("simplepycons").all_icons


def _unclaimed(curated: tuple[SeedBrand, ...]) -> tuple[SeedBrand, ...]:
    """Make a brand of every mark that no curated brand claims; a taken id or name falls back to the mark's."""
    claimed = {mark for brand in curated for mark in brand.marks}
    ids = {brand.brand_id for brand in curated}
    names = {name.casefold() for brand in curated for name in brand.names}
    brands = []
    for mark in sorted(set(_icons().names()) - claimed):
        slug, title = mark.replace("_", "-"), _icons()[mark].title
        brand_id = f"mark-{slug}" if slug in ids else slug
        name = f"{title} ({mark})" if title.casefold() in names else title
        ids.add(brand_id)
        names.add(name.casefold())
        brands.append(SeedBrand(brand_id=brand_id, name=name, logos=(mark,)))
    return tuple(brands)


def _select(brands: tuple[SeedBrand, ...], only: Collection[str]) -> tuple[SeedBrand, ...]:
    by_word = {word.casefold(): brand.brand_id for brand in brands for word in (*brand.names, brand.brand_id)}
    wanted = set()
    for word in only:
        if word.casefold() not in by_word:
            near = difflib.get_close_matches(word.casefold(), by_word, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "'touchstone brands list' prints what is there"
            raise SeedError(f"the seed catalogue has no brand {word!r}; {hint}")
        wanted.add(by_word[word.casefold()])
    return tuple(brand for brand in brands if brand.brand_id in wanted)


def _draw(brand: SeedBrand, mark: str) -> SeedMark:
    if mark in brand.earlier_marks:
        svg, name = (_EARLIER / f"{mark}.svg").read_text(encoding="utf-8"), f"{brand.name}, earlier"
        source, of_today = f"Simple Icons {mark.rpartition('-')[2]}", brand.marks[0]
    else:
        svg, name = str(_icons()[mark].raw_svg), _icons()[mark].title
        source, of_today = seed_source(), mark
    drawing = render(svg, longest_edge=RENDER_EDGE - 2 * round(RENDER_EDGE * RENDER_MARGIN))
    colour = _parse_colour(_icons()[of_today].primary_color)
    return SeedMark(
        brand=brand,
        mark_id=mark,
        name=name,
        kind="wordmark" if mark in brand.wordmarks + brand.earlier_wordmarks else "logo",
        svg=svg,
        source=source,
        colour=colour,
        renderings=one_coloured(drawing, colour),
    )


def turned(drawing: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Turn a drawing, uint8 [H, W, 4] RGBA, by each of `TURNS`: uint8 [224, 224, 4]. Raises as `turned_square`."""
    return (turned_square(drawing, degrees=turn, edge=RENDER_EDGE, margin=_SURROUNDED) for turn in TURNS)


def one_coloured(drawing: NDArray[np.uint8], colour: Colour) -> tuple[NDArray[np.uint8], ...]:
    """Paint a mark of one colour, uint8 [H, W, 4] RGBA, no larger than a rendering within its margin.

    Returns:
        uint8 [224, 224, 3] RGB, upright in its `palette`, then turned, black on white.

    Raises:
        RenderError: nothing is visible.

    """
    upright = tight_mask(drawing, edge=RENDER_EDGE, margin=RENDER_MARGIN)
    views = [paint(upright, ink=ink, paper=paper) for ink, paper in palette(colour)]
    views += [paint(each[..., 3], ink=BLACK, paper=WHITE) for each in turned(drawing)]
    return tuple(views)


def palette(colour: Colour) -> tuple[tuple[Colour, Colour], ...]:
    """Return the (ink, paper) pairs in which a mark of this colour is painted, the plain ones first."""
    plain = ((BLACK, WHITE), (WHITE, BLACK))
    repeats = min(_distance(colour, WHITE), _distance(colour, BLACK)) < _SAME_COLOUR
    if repeats:
        return plain
    if _contrast(colour, WHITE) < _MIN_CONTRAST:
        return (*plain, (colour, BLACK), (BLACK, colour))
    return (*plain, (colour, WHITE), (WHITE, colour))


def _parse_colour(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _distance(one: Colour, other: Colour) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


def _contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio after WCAG 2.2, 1..21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    shares = np.asarray(colour) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
