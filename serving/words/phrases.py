"""Which of many thousand phrases stand in this text? One pass over the tokens, the longest phrase wins each place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from serving.words.tokens import Token

T = TypeVar("T")


class PhraseBook(Generic[T]):
    """Phrases, each with a value. Looking up costs the length of the text, not the number of phrases."""

    def __init__(self) -> None:
        self._by_first: dict[str, dict[tuple[str, ...], T]] = {}
        self._longest: dict[str, int] = {}

    def add(self, phrase: tuple[str, ...], value: T) -> None:
        """Add a phrase of folded words; the first value of a phrase stays."""
        if phrase:
            first = phrase[0]
            self._by_first.setdefault(first, {}).setdefault(phrase, value)
            self._longest[first] = max(self._longest.get(first, 0), len(phrase))

    def find(self, tokens: Sequence[Token]) -> Iterator[tuple[int, int, T]]:
        """Yield (first token, token after the last, value) of every phrase in `tokens`; places do not overlap."""
        free, firsts = 0, self._by_first
        for place, token in enumerate(tokens):
            if place < free or (token.text not in firsts and token.owner not in firsts):
                continue
            found = self._at(tokens, place)
            if found is not None:
                yield place, found[0], found[1]
                free = found[0]

    def _at(self, tokens: Sequence[Token], place: int) -> tuple[int, T] | None:
        for first in dict.fromkeys((tokens[place].text, tokens[place].owner)):
            phrases = self._by_first.get(first)
            if phrases is None:
                continue
            for length in range(min(self._longest[first], len(tokens) - place), 0, -1):
                end = place + length
                head = (first, *(token.text for token in tokens[place + 1 : end]))
                owned = (*head[:-1], tokens[end - 1].owner) if length > 1 else head
                for phrase in (head, owned):
                    if phrase in phrases:
                        return end, phrases[phrase]
        return None
