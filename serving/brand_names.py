"""Would these names be read as another brand's? What keeps one owner from being matched in another one's place.

Two names are the same here when a listing's words are read alike: whatever case, accents, blanks and signs, and letters
of other alphabets that look like Latin ones (`serving.words.tokens`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from index.records import Brand
from serving.words.tokens import fold
from serving.words.wording_file import load_wording
from vision.vocabulary import everyday_words

# A single letter names no brand in a text; up to three do unless they are a word: "UGG" and "HP", but not "Red".
_FEWEST_LETTERS = 2
_NOT_JUST_A_WORD = 4


def taken_names(
    words: Iterable[str], others: Iterable[Brand], *, strictly: bool, keywords: Iterable[str] = ()
) -> frozenset[str]:
    """Return those of the words that are read as a name or an alias of one of the other brands, or are its keywords.

    `strictly` also refuses words that only hold such a name, unless it is an ordinary word: of what is found in a text,
    the longest counts, so that "Nike shoes" would hide Nike. There are honest names of that kind ("Polo Ralph Lauren"),
    which people may register who are trusted with all brands. `keywords` are the others' product lines: a line that
    several brands name says nothing of any (`serving.words.lexicon`), and as a name it would be somebody else's.
    """
    names = {name: "".join(fold(name)) for brand in others for name in (brand.name, *brand.aliases)}
    whole = {*names.values(), *("".join(fold(keyword)) for keyword in keywords)}
    held = {joined for name, joined in names.items() if strictly and not _is_just_a_word(name, joined)}
    longest = max(map(len, held), default=0)
    return frozenset(
        word
        for word, folded in ((word, fold(word)) for word in words)
        if "".join(folded) in whole or any(part in held for part in _parts(folded, longest))
    )


def _is_just_a_word(name: str, joined: str) -> bool:
    """Tell whether a name is so short a word that it says nothing inside a longer one; capitals mark initials."""
    return len(joined) < _NOT_JUST_A_WORD and joined in everyday_words() and not name.isupper()


def _parts(words: tuple[str, ...], longest: int) -> Iterator[str]:
    """Yield each run of words within a name that could be a name by itself, of so many letters at most."""
    common = load_wording().common
    for start in range(len(words)):
        run = ""
        for end in range(start + 1, len(words) + 1):
            run += words[end - 1]
            if len(run) > longest:
                break
            if len(run) >= _FEWEST_LETTERS and words[start:end] not in common:
                yield run
