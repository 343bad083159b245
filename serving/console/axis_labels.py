"""Which labels have room below an axis? Measured by their letters, shown whole, and never one over the other.

Sizes are in units of the drawing, whose text is 12 of them high.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

from markupsafe import escape

# How wide a letter is: of DejaVu Sans, the widest of the usual faces, on average; Chinese ones fill a square.
_LETTER, _SQUARE = 7.4, 12.0
_LINE = 14  # from one line to the next
_BETWEEN = 8  # at least, from one label to the next


@dataclass(frozen=True)
class Labels:
    """What stands below an axis that ends at `edge`: `texts`, each of one line or several, around `places`."""

    places: Sequence[float]
    texts: Sequence[Sequence[str]]
    _: KW_ONLY
    edge: float

    @property
    def lower(self) -> int:
        """How much more they take than one line."""
        return _LINE * (max((len(lines) for lines in self.texts), default=1) - 1)

    @property
    def every(self) -> int:
        """Which part of them has room: each, each second one, ..."""
        spans = [self._span(number) for number in range(len(self.places))]
        for every in range(1, len(spans)):
            shown = spans[::every]
            if all(end + _BETWEEN <= begin for (_, end), (begin, _) in itertools.pairwise(shown)):
                return every
        return max(1, len(spans))

    def drawn(self, y: float) -> Iterator[str]:
        """Draw those that have room, their first lines at `y`."""
        for number in range(0, len(self.places), self.every):
            x = self.places[number]
            anchor = "end" if self._at_end(number) else "middle"
            lines = "".join(
                f'<tspan x="{x:.1f}" y="{y + _LINE * row}">{escape(line)}</tspan>'
                for row, line in enumerate(self.texts[number])
            )
            yield f'<text text-anchor="{anchor}">{lines}</text>'

    def _span(self, number: int) -> tuple[float, float]:
        """Return from where to where one reaches."""
        x, wide = self.places[number], max(_wide(line) for line in self.texts[number])
        return (x - wide, x) if self._at_end(number) else (x - wide / 2, x + wide / 2)

    def _at_end(self, number: int) -> bool:
        """Tell whether one would reach over the edge, and stands to the left of its place instead."""
        return self.places[number] + max(_wide(line) for line in self.texts[number]) / 2 > self.edge


def of_columns(places: Sequence[float], steps: Sequence[str], *, edge: float) -> Labels:
    """Name columns: on one line where all have room, else in words one below the other, else as many as have room."""
    flat = Labels(places, [[step] for step in steps], edge=edge)
    broken = Labels(places, [_broken(step) for step in steps], edge=edge)
    return broken if flat.every > 1 and broken.every == 1 else flat


def _broken(label: str) -> list[str]:
    """Break a label at the blank that leaves its longer line shortest."""
    blanks = [at for at, sign in enumerate(label) if sign.isspace()]
    if not blanks:
        return [label]
    at = min(blanks, key=lambda one: max(_wide(label[:one]), _wide(label[one + 1 :])))
    return [label[:at], label[at + 1 :]]


def _wide(text: str) -> float:
    return sum(_SQUARE if unicodedata.east_asian_width(sign) in "WF" else _LETTER for sign in text)
