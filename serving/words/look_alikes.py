"""Which words of a text imitate a brand's name without being it? "Adibas", "Guccy", "n1ke". Part of `words.wording`.

A word is suspected only where it is no other word: everyday ones, those of other brands' names, and their plurals are
left alone, and so are names that are ordinary words themselves. `serving.words.spelling` says how near is near.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from index.records import Brand
from serving.findings import LookAlikeMethod
from serving.words.spelling import SHORTEST_WORD, Misspelling, SpellingTable
from serving.words.tokens import Text, Token
from serving.words.wording_file import Phrase, Wording
from vision.vocabulary import everyday_words

_INITIALS = (2, 3)  # letters of a name that is written with dots: "L.V", "Y.S.L."
_MOST_WORDS = 3  # of a name that is compared word by word
_ENDINGS = ("s", "es", "d", "ed", "ing", "er", "ers", "ly", "y", "n")
# Letters of the shortest name that an everyday word imitates where it is claimed as a brand.
_LONG = 6


@dataclass(frozen=True)
class LookAlikePlace:
    """Tokens `start`..`end` of a text imitate a brand's name."""

    brand: Brand
    start: int
    end: int
    method: LookAlikeMethod
    distance: int


@dataclass(frozen=True)
class _Name:
    brand: Brand
    words: Phrase


class LookAlikes:
    """The registry's names, ready to be compared with words that are none. Immutable."""

    def __init__(self, spellings: Iterable[tuple[str, Phrase, Brand]], wording: Wording) -> None:
        """Take names and aliases as they are written and as folded words, those that go first in front."""
        self._names: dict[str, _Name] = {}
        self._initials: dict[str, Brand] = {}
        self._goods = frozenset(word for common in wording.common.values() for word in common.context)
        ordinary = {"".join(words) for words in wording.common}
        words_of_names: set[str] = set()
        for written, words, brand in spellings:
            words_of_names.update(words)
            joined = "".join(words)
            if len(words) == 1 and len(joined) in _INITIALS and written.isascii() and written.isupper():
                self._initials.setdefault(joined, brand)
            if joined not in ordinary:
                self._names.setdefault(joined, _Name(brand, words))
        self._known = frozenset(words_of_names).union(_words_of(wording))
        self._whole = SpellingTable(self._names)
        by_initials: dict[Phrase, list[str]] = defaultdict(list)
        for joined, name in self._names.items():
            if 1 < len(name.words) <= _MOST_WORDS:
                by_initials[_initials(name.words)].append(joined)
        self._by_initials = {initials: SpellingTable(names) for initials, names in by_initials.items()}

    def places(self, text: Text, *, taken: Collection[int]) -> Iterator[LookAlikePlace]:
        """Yield the places of `text` that imitate a name, outside the tokens `taken`, longest first."""
        tokens, used = text.tokens, set(taken)
        strange = [place for place, token in enumerate(tokens) if self._is_strange(token)]
        for length in range(_MOST_WORDS, 0, -1):
            for start in sorted({first for place in strange for first in range(place - length + 1, place + 1)}):
                place = range(start, start + length)
                if start < 0 or place.stop > len(tokens) or not used.isdisjoint(place):
                    continue
                found = self._imitated(tokens[start : place.stop])
                if found is not None:
                    used.update(place)
                    yield LookAlikePlace(self._names[found.name].brand, start, place.stop, found.method, found.distance)

    def reversed_places(self, text: Text, *, taken: Collection[int]) -> Iterator[LookAlikePlace]:
        """Yield the places at which a name of two words stands the wrong way round: "Vuitton Louis"."""
        for start, (first, second) in enumerate(zip(text.words, text.words[1:], strict=False)):
            name = self._names.get(second + first)
            if name is None or name.words != (second, first) or start in taken or start + 1 in taken:
                continue
            if not {first, second} <= everyday_words():
                yield LookAlikePlace(name.brand, start, start + 2, LookAlikeMethod.ORDER, 0)

    def dotted_places(self, text: Text) -> Iterator[LookAlikePlace]:
        """Yield the places at which initials that are a brand's stand with dots beside a word for goods: "L.V bag"."""
        if "." not in text.original:
            return
        for start in range(len(text.tokens)):
            for length in _INITIALS:
                end = start + length
                brand = self._initials.get("".join(text.words[start:end])) if end <= len(text.tokens) else None
                beside = {*text.words[max(start - 1, 0) : start], *text.words[end : end + 1]}
                if brand is not None and not beside.isdisjoint(self._goods):
                    first, last = text.characters(start, end)
                    if text.original[first:last] == ".".join(text.original[first:last:2]).upper():
                        yield LookAlikePlace(brand, start, end, LookAlikeMethod.SPACING, 0)

    def of_claim(self, claimed: Text) -> Iterator[LookAlikePlace]:
        """Find the brand whose name an everyday word imitates where it stands as a brand: "Channel" for Chanel.

        It may only double a letter, and of shorter names than Chanel it may be a name of its own.
        """
        word = "".join(claimed.words)
        found = self._whole.find(word) if word in everyday_words() else None
        if found is not None and len(found.name) >= _LONG and len(word) > len(found.name):
            yield LookAlikePlace(self._names[found.name].brand, 0, len(claimed.tokens), found.method, found.distance)

    def _imitated(self, tokens: Sequence[Token]) -> Misspelling | None:
        words = tuple(token.owner for token in tokens)
        if len(words) == 1:
            return self._whole.find(words[0])
        table = self._by_initials.get(_initials(words))  # names of as many words

        def accept(name: str) -> bool:
            """Let only strange words be misspelt, each by an edit: not "new balanced", nor "Michael Korda"."""
            pairs = zip(tokens, self._names[name].words, strict=True)
            return all(
                token.owner == word or (self._is_strange(token, shortest=1) and OSA.distance(token.owner, word) <= 1)
                for token, word in pairs
            )

        return table.find("".join(words), accept=accept) if table else None

    def _is_strange(self, token: Token, *, shortest: int = 3) -> bool:
        """Tell whether a word is one that nothing on record explains."""
        word = token.owner
        return (
            len(word) >= shortest
            and word.isascii()
            and word.isalpha()
            and word not in self._known
            and word not in self._names
            and not self._is_everyday(word)
        )

    def _is_everyday(self, word: str) -> bool:
        everyday = everyday_words()
        if word in everyday:
            return True
        stems = [word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending)]
        if any(len(stem) >= SHORTEST_WORD - 1 and stem in everyday for stem in stems):
            return True
        name = word.removesuffix("s")  # "guccis", but not "adidass"
        return name != word and name in self._names and not name.endswith("s")


def _initials(words: Sequence[str]) -> Phrase:
    return tuple(word[:1].replace("k", "c") for word in words)


def _words_of(wording: Wording) -> Iterator[str]:
    """Yield the words that the wording file knows, in all its languages."""
    for phrases in (wording.common, wording.fits, wording.negations_before, wording.negations_after):
        for words in phrases:
            yield from words
    for replica in wording.replica:
        for words in (replica.words, *replica.innocent):
            yield from words
    for common in wording.common.values():
        yield from common.context
