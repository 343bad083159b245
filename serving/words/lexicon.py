"""Which of the registry's brands does a text name? Part of `words.wording`.

A brand that is also an ordinary word ("Gap", "Apple") needs something that vouches for it, and a brand that goods are
merely made to fit ("case for iPhone by ...") is not named as their maker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from index.names import normalise_name
from index.records import Brand
from serving.words.look_alikes import LookAlikes
from serving.words.phrases import PhraseBook
from serving.words.tokens import Gap, Text, Token, fold, read
from serving.words.wording_file import Phrase, Wording, load_wording
from vision.vocabulary import everyday_words

# Two letters ("HP", "LG") count only as the brand writes them, a single one never.
_SHORT = 2
# Run together, a name is looked for from this length on: "louisvuitton", but not "hm".
_RUN_TOGETHER = 6
# Capitals mean something where less than this share of the longer words has one.
_CAPITALS_SPEAK_BELOW = 0.5
_LONGER_WORD = 4


@dataclass(frozen=True)
class BrandPlace:
    """A brand named at tokens `start`..`end` of a text; `fits` when the goods are only made to fit it.

    `is_keyword` when a product line names it, not its own name.
    """

    brand: Brand
    start: int
    end: int
    fits: bool
    is_keyword: bool = False


@dataclass(frozen=True)
class _Spelling:
    brand: Brand
    written: str


class BrandLexicon:
    """The registry's brands by every spelling, and what imitates them. Immutable; 20,000 take seconds to build.

    `keywords`, by the brand's id, are names of product lines: a text with one names the brand, but a claim does not.
    """

    def __init__(
        self, brands: Iterable[Brand], wording: Wording, keywords: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> None:
        known = list(brands)
        self._wording = wording
        self._by_name: dict[str, Brand] = {}
        self._book: PhraseBook[_Spelling] = PhraseBook()
        names = [_Spelling(brand, brand.name) for brand in known]
        aliases = [_Spelling(brand, alias) for brand in known for alias in brand.aliases]
        spelt: list[tuple[str, Phrase, Brand]] = []
        for spelling in (*names, *aliases):
            self._by_name.setdefault(normalise_name(spelling.written), spelling.brand)
            for words in sorted(_variants(fold(spelling.written)), key=len, reverse=True):
                self._book.add(words, spelling)
                spelt.append((spelling.written, words, spelling.brand))
        self.look_alikes = LookAlikes(spelt, wording)
        self._keywords = self._keyword_book(known, keywords)

    @classmethod
    def build(
        cls, brands: Iterable[Brand], keywords: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> BrandLexicon:
        """Build it with the shipped wording rules; where two brands share a spelling, a name goes before an alias."""
        return cls(brands, load_wording(), keywords)

    def resolve(self, name: str) -> Brand | None:
        """Find the brand that is written so, whatever the case, accents and hyphens; None when there is none."""
        return self._by_name.get(normalise_name(name))

    def imitates_another(self, brand_id: str, written: str) -> bool:
        """Tell whether a word, by which this brand is to be known, would be taken for another one's name misspelt."""
        text = read(written)
        places = (*self.look_alikes.places(text, taken=()), *self.look_alikes.of_claim(text))
        return any(place.brand.brand_id != brand_id for place in places)

    def places(self, text: Text, *, claimed: Brand | None, context: frozenset[str]) -> list[BrandPlace]:
        """Find every place of `text` that names a brand.

        `claimed` is the brand that the seller claims: its name needs nobody to vouch for it. `context` holds the folded
        words of the whole listing.
        """
        capitals_speak = _capitals_speak(text)
        found = []
        for start, end, spelling in self._book.find(text.tokens):
            meant = capitals_speak and text.tokens[start].gap is not Gap.STOP
            if spelling.brand == claimed or self._vouched(text, start, end, spelling, context, meant=meant):
                found.append(self._place(text, start, end, spelling.brand))
        taken = {place for brand in found for place in range(brand.start, brand.end)}
        for start, end, brand in self._keywords.find(text.tokens):
            if taken.isdisjoint(range(start, end)) and (
                brand == claimed
                or self._is_distinct(text.words[start:end])
                or (capitals_speak and _name(text, start, end))
            ):
                found.append(replace(self._place(text, start, end, brand), is_keyword=True))
        return sorted(found, key=lambda place: place.start)

    def _place(self, text: Text, start: int, end: int, brand: Brand) -> BrandPlace:
        fits = any(_stands_before(text.tokens, start, phrase) for phrase in self._wording.fits)
        return BrandPlace(brand, start, end, fits)

    def _keyword_book(self, brands: Sequence[Brand], keywords: Mapping[str, Sequence[str]]) -> PhraseBook[Brand]:
        """Collect keywords, but for those of several brands and those that imitate another brand's name."""
        owners: dict[Phrase, set[str]] = {}
        for brand in brands:
            for written in keywords.get(brand.brand_id, ()):
                if not self.imitates_another(brand.brand_id, written):
                    for words in _variants(fold(written)):
                        owners.setdefault(words, set()).add(brand.brand_id)
        known = {brand.brand_id: brand for brand in brands}
        book: PhraseBook[Brand] = PhraseBook()
        for words, ids in owners.items():
            if len(ids) == 1:
                book.add(words, known[next(iter(ids))])
        return book

    def _is_distinct(self, words: Phrase) -> bool:
        """Tell whether words are not all in everyday use."""
        return words not in self._wording.common and not everyday_words().issuperset(words)

    def _vouched(
        self, text: Text, start: int, end: int, spelling: _Spelling, context: frozenset[str], *, meant: bool
    ) -> bool:
        """Tell whether these words mean the brand. `meant` says that a capital letter here would mean something."""
        words = text.words[start:end]
        if len(words) == 1 and len(words[0]) <= _SHORT and words[0].isascii():
            first, last = text.characters(start, end)
            return len(words[0]) == _SHORT and text.original[first:last] == spelling.written and not words[0].isdigit()
        common = self._wording.common.get(words)
        if common is None:
            return True
        if common.only_claimed:
            return False
        if all(text.original[token.start].islower() for token in text.tokens[start:end]):
            # Small letters say nothing where the rest has capitals; where all is small, the goods must follow the name.
            return text.all_small and not common.context.isdisjoint(text.words[end : end + 1])
        return meant or any(word in context for word in common.context.difference(words))


def _variants(words: Phrase) -> set[Phrase]:
    """Other ways to write a name: "and" for "&", without it, and run together."""
    found = {words}
    if "&" in words:
        found.add(tuple("and" if word == "&" else word for word in words))
        bare = tuple(word for word in words if word != "&")
        if all(len(word) > 1 for word in bare):
            found.add(bare)
    for spelled in tuple(found):
        joined = "".join(spelled)
        if len(spelled) > 1 and len(joined) >= _RUN_TOGETHER and joined.isalnum():
            found.add((joined,))
    return found


def _capitals_speak(text: Text) -> bool:
    longer = [token for token in text.tokens if len(token.text) >= _LONGER_WORD]
    capitals = sum(text.original[token.start].isupper() for token in longer)
    return bool(longer) and capitals < _CAPITALS_SPEAK_BELOW * len(longer)


def _name(text: Text, start: int, end: int) -> bool:
    """Tell whether everyday words are written as a name, as "Air Max" is, at the beginning of a sentence too."""
    return end - start > 1 and all(text.original[token.start].isupper() for token in text.tokens[start:end])


def _stands_before(tokens: Sequence[Token], start: int, phrase: Phrase) -> bool:
    return tuple(token.text for token in tokens[max(start - len(phrase), 0) : start]) == phrase
