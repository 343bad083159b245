"""Does a text say of its own goods that they are copies? Part of `serving.words.wording`.

A phrase is taken back by a negation close by ("no replica") or by an innocent word ("replica of a sword"); weaker
phrases need a brand beside them ("inspired by").
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from serving.words.lexicon import BrandPlace
from serving.words.phrases import PhraseBook
from serving.words.tokens import Gap, Text, Token, stands_alone
from serving.words.wording_file import Certainty, ReplicaPhrase, Wording, load_wording

# Words between a phrase and what takes it back or completes it. A Chinese character is a word here; of the other
# scripts that stand in characters, it takes four to say as much.
_SYLLABLES_A_WORD = 4
_NEGATION_REACH = 3
_INNOCENT_REACH = 5
_BRAND_REACH = 3
# Of a text that repeats itself thousands of times, more places than this would only swell the decision on record.
_MOST_PLACES = 50


@dataclass(frozen=True)
class ReplicaPlace:
    """A phrase found at tokens `start`..`end` of a text."""

    phrase: ReplicaPhrase
    start: int
    end: int


class ReplicaWording:
    """The replica phrases of a wording file, ready to be looked for. Immutable."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._book: PhraseBook[ReplicaPhrase] = PhraseBook()
        # "copy" is weak in one language and certain in none: the stricter demand goes first and stays.
        for phrase in sorted(wording.replica, key=lambda known: known.certainty is not Certainty.CERTAIN):
            self._book.add(phrase.words, phrase)
            if phrase.words[-1].isalpha() and phrase.words[-1].isascii():
                self._book.add((*phrase.words[:-1], phrase.words[-1] + "s"), phrase)

    def find(self, text: Text, *, brands: Sequence[BrandPlace], brand_named: bool) -> list[ReplicaPlace]:
        """Find what speaks of copies in `text`, up to 50 places.

        `brands` are the brands named in this text; `brand_named` says that the listing names or claims one anywhere.
        """
        tokens = text.tokens
        found: list[ReplicaPlace] = []
        begins, ends = {brand.start for brand in brands}, {brand.end for brand in brands}
        taken_back: int | None = None
        for start, end, phrase in self._book.find(tokens):
            listed = (
                taken_back is not None
                and start - taken_back <= _NEGATION_REACH
                and _one_sentence(tokens[taken_back : start + 1])
            )
            if listed or self._negated(tokens, start, end):
                taken_back = end  # "no fakes, copies or replicas" takes back all three
            elif not _innocent(tokens, start, end, phrase) and _complete(
                phrase,
                before_brand=any(end + gap in begins for gap in range(_BRAND_REACH + 1)),
                after_brand=any(start - gap in ends for gap in range(_BRAND_REACH + 1)),
                brand_named=brand_named,
            ):
                found.append(ReplicaPlace(phrase, start, end))
                if len(found) == _MOST_PLACES:
                    break
        return found

    def _negated(self, tokens: Sequence[Token], start: int, end: int) -> bool:
        before = _sentence_before(tokens, start, _NEGATION_REACH)
        after = _sentence_after(tokens, end, _NEGATION_REACH)
        return any(_contains(before, words) for words in self._wording.negations_before) or any(
            _contains(after, words) for words in self._wording.negations_after
        )


@functools.cache
def shipped_replica_wording() -> ReplicaWording:
    """Return the shipped phrases, read once."""
    return ReplicaWording(load_wording())


def _innocent(tokens: Sequence[Token], start: int, end: int, phrase: ReplicaPhrase) -> bool:
    near = (*_sentence_before(tokens, start, _INNOCENT_REACH), *_sentence_after(tokens, end, _INNOCENT_REACH))
    return any(_contains(near, words) for words in phrase.innocent)


def _complete(phrase: ReplicaPhrase, *, before_brand: bool, after_brand: bool, brand_named: bool) -> bool:
    match phrase.certainty:
        case Certainty.CERTAIN:
            return True
        case Certainty.WITH_BRAND:
            return brand_named
        case Certainty.NEAR_BRAND:
            return before_brand or after_brand
        case Certainty.BEFORE_BRAND:
            return before_brand


def _one_sentence(tokens: Sequence[Token]) -> bool:
    return all(token.gap is not Gap.STOP for token in tokens)


def _sentence_before(tokens: Sequence[Token], start: int, reach: int) -> tuple[str, ...]:
    """Return up to `reach` words before token `start`, not across punctuation."""
    first, room = start, float(reach)
    while first > 0 and room > 0 and not tokens[first].gap:
        first -= 1
        room -= _length(tokens[first])
    return tuple(token.text for token in tokens[first:start])


def _sentence_after(tokens: Sequence[Token], end: int, reach: int) -> tuple[str, ...]:
    """Return up to `reach` words from token `end` on, not across punctuation."""
    last, room = end, float(reach)
    while last < len(tokens) and room > 0 and not tokens[last].gap:
        room -= _length(tokens[last])
        last += 1
    return tuple(token.text for token in tokens[end:last])


def _length(token: Token) -> float:
    """Say how much of a word a token is."""
    syllable = stands_alone(token.text) and not "㐀" <= token.text <= "鿿"
    return 1 / _SYLLABLES_A_WORD if syllable else 1.0


def _contains(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return phrase[0] in words and any(
        words[place : place + len(phrase)] == phrase for place in range(len(words) - len(phrase) + 1)
    )
