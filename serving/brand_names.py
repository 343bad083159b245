"""Would these names be read as another brand's? What keeps one owner from being matched in another one's place.

Two names are the same here when a listing's words are read alike: whatever case, accents, blanks and signs, and letters
of other alphabets that look like Latin ones (`serving.tokens`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from index.records import Brand
from serving.tokens import fold
from serving.wording_file import load_wording

# Fewer letters inside a longer name say nothing: "LG" in "LG Signature".
_FEWEST_LETTERS = 4


def taken_names(words: Iterable[str], others: Iterable[Brand], *, strictly: bool) -> frozenset[str]:
    """Return those of the words that are read as a name or an alias of one of the other brands.

    `strictly` also refuses words that only hold such a name, unless it is an ordinary word: of what is found in a text,
    the longest counts, so that "Nike shoes" would hide Nike. There are honest names of that kind ("Polo Ralph Lauren"),
    which people may register who are trusted with all brands.
    """
    wanted: dict[str, set[str]] = {}
    for word in words:
        folded = fold(word)
        wanted.setdefault("".join(folded), set()).add(word)
        if strictly:
            for part in _parts(folded):
                wanted.setdefault(part, set()).add(word)
    if not wanted:
        return frozenset()
    names = (name for brand in others for name in (brand.name, *brand.aliases))
    return frozenset(word for name in names for word in wanted.get("".join(fold(name)), ()))


def _parts(words: tuple[str, ...]) -> Iterator[str]:
    """Yield each run of words within a name that could be a name by itself."""
    common = load_wording().common
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            run = words[start:end]
            if len("".join(run)) >= _FEWEST_LETTERS and run not in common:
                yield "".join(run)
