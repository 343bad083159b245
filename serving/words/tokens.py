"""Where are the words of a text, whatever way they are written? Tokens with the place each has in the original.

First step of `serving.words.wording`. Full-width and Cyrillic or Greek look-alike letters become plain Latin ones,
accents, case and invisible characters go; every token still knows its characters in the original, so that evidence
can be marked in the seller's own text. Chinese, Japanese and Thai have no blanks, so each of their characters is a
token.
"""

from __future__ import annotations

import enum
import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Letters that look like Latin capitals (after Unicode UTS #39, confusables: the ones that fake brand names with). Both
# cases map alike, so that a Russian phrase still equals itself in capitals.
_LOOK_ALIKES = dict(
    zip(
        "АВЕКМНОРСТУХІЅЈԌԚԜавекмнорстухіѕјԍԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεζηικμνορτυχıłøđƒ",
        "ABEKMHOPCTYXISJGQWabekmhopctyxisjgqwABEZHIKMNOPTYXabezhikmnoptyxilodf",
        strict=True,
    )
)
_THAI, _KANA, _HAN, _HANGUL = ("ก", "๛"), ("ぁ", "ヿ"), ("㐀", "鿿"), ("가", "힣")
# What Korean adds to a noun without a blank: particles, "is", and "grade" or "goods".
_ENDINGS = (
    "입니다",
    "이에요",
    "예요",
    "제품",
    "상품",
    "으로",
    "이며",
    "이고",
    "급",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "도",
    "로",
    "만",
    "와",
    "과",
)
_APOSTROPHES = frozenset("'’‘`´ʼ＇")
_RATIO = frozenset("：∶")
_SIGNS = frozenset("&+:")
_COMMAS = frozenset(",，、،/()[]（）")
_STOPS = frozenset(".!?;。！？；।؟\n\r")
# Words with their apostrophes, and each sign that means something, of a text in small letters.
_ASCII_PARTS = re.compile(r"[a-z0-9'`]+|[&+:,/()\[\].!?;\n\r]")


class Gap(enum.IntEnum):
    """What parts a token from the one before it; a text begins after a stop."""

    NONE = 0
    COMMA = 1
    STOP = 2


@dataclass(frozen=True, slots=True)
class Token:
    """One folded word, at characters `start`..`end` of the original.

    `owner` is "nike" in "Nike's" and a Korean noun without its ending, else the word.
    """

    text: str
    owner: str
    start: int
    end: int
    gap: Gap


@dataclass(frozen=True)
class Text:
    """A field of a listing as the seller wrote it, with its tokens in order. Made by `read`."""

    original: str
    tokens: tuple[Token, ...]

    @functools.cached_property
    def words(self) -> tuple[str, ...]:
        """The folded words alone."""
        return tuple(token.text for token in self.tokens)

    @functools.cached_property
    def all_small(self) -> bool:
        """Whether the original has letters and no capital."""
        return self.original.islower()

    def characters(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original tokens `start`..`end` stand."""
        return self.tokens[start].start, self.tokens[end - 1].end


def read(text: str) -> Text:
    """Split `text` into tokens."""
    return _read_ascii(text) if text.isascii() else _read_any(text)


def _read_ascii(text: str) -> Text:
    """Split a text without any letter to be folded: what `_read_any` does, in a third of the time."""
    tokens: list[Token] = []
    gap = Gap.STOP
    for found in _ASCII_PARTS.finditer(text.lower()):
        part, start = found.group(), found.start()
        if part[0] in _SIGNS:
            tokens.append(Token(part, part, start, start + 1, gap))
        elif part[0] in _COMMAS or part[0] in _STOPS:
            gap = max(gap, Gap.COMMA if part[0] in _COMMAS else Gap.STOP)
            continue
        elif part.isalnum():
            tokens.append(Token(part, part, start, found.end(), gap))
        else:
            word = _Word()
            for place, char in enumerate(part, start):
                if char in _APOSTROPHES:
                    word.apostrophe = len(word.letters)
                else:
                    word.add(char, place)
            if not word.letters:
                continue
            tokens.append(word.token(gap))
        gap = Gap.NONE
    return Text(text, tuple(tokens))


def _read_any(text: str) -> Text:
    tokens: list[Token] = []
    word = _Word()
    gap = Gap.STOP
    for place, char in _folded(text):
        if char.isascii() and char.isalnum():
            word.add(char, place)
            continue
        alone = stands_alone(char) or char in _SIGNS
        letter = char.isalnum() or unicodedata.category(char) == "Mc"  # vowels of Hindi stand beside their letter
        if word.letters and (alone or not (letter or char in _APOSTROPHES)):
            tokens.append(word.token(gap))
            word, gap = _Word(), Gap.NONE
        if alone:
            tokens.append(Token(char, char, place, place + 1, gap))
            gap = Gap.NONE
        elif letter:
            word.add(char, place)
        elif char in _APOSTROPHES:
            word.apostrophe = len(word.letters)
        elif char in _COMMAS or char in _STOPS:
            gap = max(gap, Gap.COMMA if char in _COMMAS else Gap.STOP)
    if word.letters:
        tokens.append(word.token(gap))
    return Text(text, tuple(tokens))


def stands_alone(char: str) -> bool:
    """Tell whether a letter is of a script that does not part its words reliably: Han, kana or Thai."""
    return char >= _THAI[0] and _within(char, _THAI, _KANA, _HAN)


def _within(char: str, *ranges: tuple[str, str]) -> bool:
    return any(first <= char <= last for first, last in ranges)


def fold(text: str) -> tuple[str, ...]:
    """Return only the folded words of `text`: the form in which phrases are compared."""
    return read(text).words


class _Word:
    """A word while its letters arrive."""

    def __init__(self) -> None:
        self.letters: list[str] = []
        self.start = self.end = 0
        self.apostrophe = 0  # letters before the last apostrophe

    def add(self, char: str, place: int) -> None:
        self.start = self.start if self.letters else place
        self.letters.append(char)
        self.end = place + 1

    def token(self, gap: Gap) -> Token:
        text = "".join(self.letters)
        owned = self.apostrophe and text[self.apostrophe :] == "s"
        owner = text[: self.apostrophe] if owned else _without_ending(text)
        return Token(text, owner, self.start, self.end, gap)


def _without_ending(word: str) -> str:
    if not _within(word[-1], _HANGUL):
        return word
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) >= len(one) + 2), "")
    return word.removesuffix(ending)


def _folded(text: str) -> Iterator[tuple[int, str]]:
    """Yield every folded character with the place of the original that it came from."""
    for place, original in enumerate(text):
        if original.isascii():
            yield place, original.lower()
            continue
        if original in _RATIO:
            yield place, ":"
            continue
        if _within(original, _KANA, _HANGUL):  # taken apart, a letter would lose its mark
            yield place, original
            continue
        for compatible in unicodedata.normalize("NFKD", original):
            plain = _LOOK_ALIKES.get(compatible, compatible)
            if unicodedata.category(plain) not in {"Mn", "Cf"}:
                for char in plain.casefold():
                    yield place, char
