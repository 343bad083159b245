"""What does a text say once its disguises are off? Words written with signs or in pieces. Part of `words.wording`.

"n1ke", "$upreme", "g u c c i", "ni*ke" and "gu🔥cci" are read by people and not by filters. Look-alike letters of
other scripts and invisible characters need nothing here: `serving.words.tokens` sees through them, and
`in_foreign_letters` says that they are there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from serving.findings import LookAlikeMethod
from serving.words.tokens import Gap, Text, Token, fold
from vision.vocabulary import everyday_words

# What signs stand for; 1, ! and | stand for i or l.
_SIGNS = dict(zip("034578@$€£+", "oeastbaselt", strict=True))
_UPRIGHT = "1!|"
_SHORTEST = 4
_CHUNK = re.compile(r"\S+")
_AROUND = ".,;:?!()[]{}\"'“”„«»*#-_|+/"
# Between the pieces of a word these are ordinary, whatever the pieces are.
_ORDINARY = frozenset("-‐‑–—/\\&+,:;'’|()[]\"")


@dataclass(frozen=True)
class Unmasked:
    """A text with other words in the places `changed`, of its tokens, which were written by `method`."""

    text: Text
    changed: frozenset[int]
    method: LookAlikeMethod

    def covers(self, start: int, end: int) -> bool:
        """Tell whether one of tokens `start`..`end` was disguised."""
        return not self.changed.isdisjoint(range(start, end))


def unmasked(text: Text) -> Iterator[Unmasked]:
    """Yield the readings of a text in which something is disguised; none where nothing is."""
    by_i = dict(_words_with_signs(text.original, "i"))
    two_ways = any(sign in text.original for sign in _UPRIGHT)
    by_l = dict(_words_with_signs(text.original, "l")) if two_ways else by_i
    for words in (by_i, {place: word for place, word in by_l.items() if by_i.get(place) != word}):
        if words:
            yield _rewritten(text, words, LookAlikeMethod.SIGNS)
    words = dict([*_spaced_letters(text), *_words_in_pieces(text.original)])
    if words:
        yield _rewritten(text, words, LookAlikeMethod.SPACING)


def in_foreign_letters(text: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield those of `places`, first and behind the last character, that imitate Latin letters or hide characters.

    A Cyrillic or Greek letter imitates where Latin ones stand beside it, or make up the rest of the text.
    """
    if text.isascii():
        return
    latin, foreign = sum(map(_is_latin, text)), sum(map(_is_foreign, text))
    for start, end in places:
        word = text[start:end]
        own_latin, own_foreign = sum(map(_is_latin, word)), sum(map(_is_foreign, word))
        hidden = any(unicodedata.category(sign) == "Cf" and sign != "\u00ad" for sign in word)
        imitates = own_foreign > 0 and (own_latin > 0 or latin > foreign - own_foreign)
        if hidden or imitates:
            yield start, end


def _is_latin(sign: str) -> bool:
    return sign.isascii() and sign.isalpha()


def _is_foreign(sign: str) -> bool:
    return "Ͱ" <= sign <= "ӿ" and sign.isalpha()  # Greek and Cyrillic


def _words_with_signs(original: str, upright: str) -> Iterator[tuple[tuple[int, int], str]]:
    table: Mapping[str, str] = _SIGNS | dict.fromkeys(_UPRIGHT, upright)
    for chunk in _CHUNK.finditer(original):
        if chunk.group().isalpha():  # most are: a word without signs
            continue
        start, end = _trimmed(chunk)
        word = original[start:end]
        signs = sum(sign in table for sign in word)
        if not signs or len(word) < _SHORTEST or 2 * signs > len(word):
            continue
        plain = fold("".join(table.get(sign, sign) for sign in word))
        if len(plain) == 1 and len(plain[0]) == len(word):
            yield (start, end), plain[0]


def _trimmed(chunk: re.Match[str]) -> tuple[int, int]:
    word = chunk.group()
    return chunk.end() - len(word.lstrip(_AROUND)), chunk.start() + len(word.rstrip(_AROUND))


def _spaced_letters(text: Text) -> Iterator[tuple[tuple[int, int], str]]:
    """Join letters that stand one by one, whatever is between them; "g u c c i bags" has five."""
    run: list[Token] = []
    for token in (*text.tokens, None):
        if token is not None and len(token.text) == 1 and token.text.isascii() and token.text.isalnum():
            run.append(token)
            continue
        if len(run) >= _SHORTEST:
            yield (run[0].start, run[-1].end), "".join(one.text for one in run)
        run = []


def _words_in_pieces(original: str) -> Iterator[tuple[tuple[int, int], str]]:
    """Join the pieces of a word that odd signs part, a dot only where one of the pieces is no word."""
    for chunk in _CHUNK.finditer(original):
        if chunk.group().isalpha():  # most are: a word without signs
            continue
        start, end = _trimmed(chunk)
        word = original[start:end]
        between = {sign for sign in word if not sign.isalnum() and unicodedata.category(sign) not in {"Cf", "Mn"}}
        if not between or between & _ORDINARY:
            continue
        pieces = fold(word)
        joined = "".join(pieces)
        words = all(piece in everyday_words() for piece in pieces)
        if len(pieces) > 1 and len(joined) >= _SHORTEST and joined.isalnum() and not (words and between <= {"."}):
            yield (start, end), joined


def _rewritten(text: Text, words: Mapping[tuple[int, int], str], method: LookAlikeMethod) -> Unmasked:
    """Put each word in the place of the tokens that lie within its characters; words are apart."""
    waiting = [Token(word, word, start, end, Gap.NONE) for (start, end), word in sorted(words.items(), reverse=True)]
    tokens: list[Token] = []
    changed: list[int] = []
    for token in (*text.tokens, None):
        while waiting and (token is None or waiting[-1].start <= token.start):
            new = waiting.pop()
            changed.append(len(tokens))
            tokens.append(replace(new, gap=token.gap) if token is not None else new)
        inside = changed and changed[-1] == len(tokens) - 1 and token is not None and token.start < tokens[-1].end
        if token is not None and not inside:
            tokens.append(token)
    return Unmasked(Text(text.original, tuple(tokens)), frozenset(changed), method)
