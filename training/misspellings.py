"""How do sellers disguise a brand's name? Made misspellings, the same on every run, to measure look-alikes with.

Five kinds, each one step from the name as it is imitated: a slip on the keyboard, a letter doubled or halved, another
spelling of the same sound, a letter of another script, and digits for letters.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SOUNDS = (
    ("ph", "f"), ("ck", "k"), ("c", "k"), ("k", "c"), ("s", "z"), ("z", "s"), ("i", "y"), ("y", "i"), ("ee", "ea"),
    ("ou", "u"), ("ai", "ay"), ("v", "w"), ("tt", "t"), ("x", "ks"), ("qu", "kw"), ("ch", "sh"), ("e", "i"), ("a", "e"),
)  # fmt: skip
DIGITS = {"o": "0", "i": "1", "l": "1", "e": "3", "a": "4", "s": "5", "t": "7", "b": "8"}
SCRIPTS = dict(zip("aceopxyiks", "асеорхуікѕ", strict=True))


class Kind(enum.StrEnum):
    """How a name is disguised."""

    TYPING = "typing"
    DOUBLING = "doubling"
    SOUND = "sound"
    SCRIPT = "script"
    DIGIT = "digit"


def misspell(name: str, kind: Kind, rng: random.Random) -> str | None:
    """Disguise a name of letters once; None where the kind has nothing to change in it. The first letter stays."""
    choices = sorted({other for other in _OTHERS[kind](name) if other != name})
    return rng.choice(choices) if choices else None


def misspellings(names: Sequence[str], *, seed: int) -> Iterator[tuple[str, str, Kind]]:
    """Yield each name disguised in every kind that it allows: (disguise, name, kind)."""
    rng = random.Random(seed)  # noqa: S311 - the same names on every run
    for name in names:
        for kind in Kind:
            disguise = misspell(name, kind, rng)
            if disguise is not None:
                yield disguise, name, kind


def _typing(name: str) -> Iterator[str]:
    for place in range(1, len(name)):
        yield name[:place] + name[place + 1 :]
        yield name[: place - 1] + name[place] + name[place - 1] + name[place + 1 :] if place > 1 else name
        for near in _neighbours(name[place]):
            yield name[:place] + near + name[place + 1 :]
            yield name[:place] + near + name[place:]


def _neighbours(letter: str) -> Iterator[str]:
    for row in KEYBOARD:
        place = row.find(letter.lower())
        if place >= 0:
            yield from row[max(place - 1, 0) : place] + row[place + 1 : place + 2]


def _doubling(name: str) -> Iterator[str]:
    for place in range(1, len(name)):
        twice = name[place].lower() == name[place - 1].lower()
        yield name[:place] + name[place + 1 :] if twice else name[:place] + name[place] + name[place:]


def _sound(name: str) -> Iterator[str]:
    for written, other in SOUNDS:
        place = name.find(written, 1)
        if place > 0:
            yield name[:place] + other + name[place + len(written) :]


def _exchanged(table: dict[str, str], name: str) -> Iterator[str]:
    for place in range(1, len(name)):
        if name[place] in table:
            yield name[:place] + table[name[place]] + name[place + 1 :]


_OTHERS: dict[Kind, Callable[[str], Iterator[str]]] = {
    Kind.TYPING: _typing,
    Kind.DOUBLING: _doubling,
    Kind.SOUND: _sound,
    Kind.SCRIPT: partial(_exchanged, SCRIPTS),
    Kind.DIGIT: partial(_exchanged, DIGITS),
}
