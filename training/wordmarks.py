"""Which marks has nobody ever seen? Word marks of invented names, in the fonts that are installed.

Most marks of the world are words, and the collections of logos hold few. The fonts come with the pinned `font-*`
packages (OFL or Apache-2.0). The order of random draws is part of the format: it makes a seed's pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.artworks import EDGE, Artwork

# fmt: off
_SYLLABLES = (
    "ba", "be", "bi", "bo", "bra", "bri", "ca", "ce", "co", "cro", "da", "de", "di", "do", "dra", "el", "en", "er",
    "fa", "fe", "fi", "fla", "fo", "ga", "ge", "gi", "go", "gra", "ha", "he", "hi", "ho", "ja", "jo", "ka", "ke",
    "ki", "ko", "la", "le", "li", "lo", "lu", "ma", "me", "mi", "mo", "na", "ne", "ni", "no", "nu", "on", "or", "pa",
    "pe", "pi", "po", "pra", "qua", "ra", "re", "ri", "ro", "ru", "sa", "se", "si", "so", "sta", "su", "ta", "te",
    "ti", "to", "tra", "tu", "ul", "un", "va", "ve", "vi", "vo", "wa", "we", "wi", "xa", "xe", "xi", "ya", "yo", "za",
    "ze", "zi", "zo", "zu",
)
# fmt: on
_ENDINGS = ("", "", "", "x", "n", "s", "r", "l", "ck", "rd", "st", "tt", "'s", " & co", "tec", "soft", "cola", "bank")


@dataclass(frozen=True, kw_only=True)
class _Style:
    """How a name is set: `tracking` between letters in heights of the font, `slant` in pixels a pixel of height."""

    font: Path
    case: Callable[[str], str]
    tracking: float
    slant: float


def installed_fonts() -> list[Path]:
    """List the font files of the installed `font-*` packages, in a fixed order.

    Raises:
        RuntimeError: none is installed.

    """
    names = sorted(
        {each.metadata["Name"] for each in metadata.distributions() if each.metadata["Name"].startswith("font-")}
    )
    fonts = [
        Path(str(file.locate()))
        for name in names
        for file in metadata.files(name) or ()
        if file.suffix in {".ttf", ".otf"} and "Variable" not in file.name and "Thin" not in file.name
    ]
    if not fonts:
        raise RuntimeError(
            "no font-* package is installed: pip install -e '.[training]' brings the fonts to train with"
        )
    return sorted(fonts)


class Wordmarks:
    """Invents word marks: names that no brand has, in families of names a letter apart.

    The marks themselves are numbered at random, so that no two share a number, in whichever process they are made.
    """

    def __init__(self, fonts: Sequence[Path]) -> None:
        self._fonts = list(fonts)

    def family(self, random: np.random.Generator, size: int) -> list[Artwork]:
        """Invent `size` look-alikes: the same style, names that differ in a letter or two."""
        word = _invent(random)
        words = {word}
        while len(words) < size:
            words.add(_altered(word, random))
        style = self._style(random)
        return [self._print(each, style, random) for each in sorted(words)]

    def _style(self, random: np.random.Generator) -> _Style:
        return _Style(
            font=self._fonts[random.integers(len(self._fonts))],
            case=(str.upper, str.title, str.lower)[random.choice(3, p=[0.4, 0.4, 0.2])],
            tracking=random.uniform(-0.04, 0.25) * (random.random() < 0.4),
            slant=float(random.choice([0, 0, 0.2, 0.3])),
        )

    def _print(self, word: str, style: _Style, random: np.random.Generator) -> Artwork:
        font = ImageFont.truetype(str(style.font), 64)
        letters = style.case(word)
        canvas = Image.new("L", (64 * len(letters) + 64, 112), 0)
        pen, at = ImageDraw.Draw(canvas), 24.0
        for letter in letters:
            pen.text((at, 8), letter, 255, font=font)
            at += font.getlength(letter) + style.tracking * 64
        if style.slant:
            sheared = (1, style.slant, -style.slant * 56, 0, 1, 0)
            canvas = canvas.transform(canvas.size, Image.Transform.AFFINE, sheared)
        colour = random.integers(0, 256, 3, dtype=np.uint8)
        name = f"word/{random.integers(1 << 62)}"
        return inked(canvas, colour, name=name, brand=name)


def inked(canvas: Image.Image, colour: NDArray[np.uint8], *, name: str, brand: str) -> Artwork:
    """Make artwork of one `colour`, uint8 [3], of what is white on a canvas in mode "L"; some of it must be."""
    canvas = canvas.crop(canvas.getbbox())
    canvas.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    coverage = np.asarray(canvas)
    everywhere = np.broadcast_to(colour, (*coverage.shape, 3))
    return Artwork(name=name, brand=brand, colour=everywhere, coverage=coverage, one_colour=True)


def _invent(random: np.random.Generator) -> str:
    """Make up a name of one to three syllables, at least three letters long."""
    parts = random.choice(_SYLLABLES, random.integers(1, 4))
    word = "".join(parts) + str(random.choice(_ENDINGS))
    return word if len(word) > 2 else word + "".join(random.choice(_SYLLABLES, 2))


def _altered(word: str, random: np.random.Generator) -> str:
    """Drop, add, swap or replace one letter of a word."""
    place = int(random.integers(len(word)))
    letter = str(random.choice(list("abcdefghiklmnoprstuvxyz")))
    kind = random.integers(4)
    if kind == 0 and len(word) > 3:
        return word[:place] + word[place + 1 :]
    if kind == 1:
        return word[:place] + letter + word[place:]
    if kind == 2 and place + 1 < len(word) and word[place] != word[place + 1]:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + letter + word[place + 1 :]
