"""Does a text lead buyers off the platform? Messengers, links, and phrases that ask to get in touch elsewhere.

Part of `serving.words.wording`. What is sold there is seen by nobody, and an album of replicas often lies behind it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serving.errors import SettingsError
from serving.words.lexicon import BrandLexicon
from serving.words.phrases import PhraseBook
from serving.words.tokens import Gap, Text, Token
from serving.words.wording_file import phrases

DEFAULT_CONTACTS = Path(__file__).parent / "data" / "contacts.yaml"
FORMAT_VERSION = 1

_REACH = 3  # words between a cue and the name of a messenger
_MOST_PLACES = 20  # of a text that is nothing but contacts
# A telephone number has seven to fifteen digits (ITU-T E.164), with the usual signs between them.
_NUMBER = re.compile(r"\s*(?:(?:id|no|nr|number|[:：=\-])\s*)?(?:\+?\d(?:[\s().\-]?\d){6,14})(?!\d)", re.IGNORECASE)
# A name in small letters alone is one where "id" or an @ says so: "WhatsApp: supported" is no contact.
_HANDLE = re.compile(r"\s*(?:[:：=]?\s*@|id\s*[:：=]?\s*|[:：=]\s*(?=\S*[0-9_]))(?:[A-Za-z0-9_.\-]{3,})", re.IGNORECASE)
# Bare, only what is no word: "soft cotton.Top quality" lacks a blank.
_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"']+|(?<![\w@.\-])(?:[a-z0-9\-]+\.)+(?P<ending>[a-z]{2,6})(?:/[^\s<>\"']*)?(?!\w|\.\w)",
    re.IGNORECASE,
)
_MAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@(?:[a-z0-9\-]{1,63}\.)+[a-z]{2,6}(?!\w|\.\w)", re.IGNORECASE)
_ENDINGS = frozenset({"com", "net", "org", "ru", "cn", "xyz"})


@dataclass(frozen=True)
class Contacts:
    """The phrases of a contacts file, ready to be looked for. Immutable."""

    certain: PhraseBook[None]
    apps: PhraseBook[bool]  # whether a cue makes it a contact; else only an address does
    cues: PhraseBook[None]
    hosts: frozenset[str]

    def find(self, text: Text, lexicon: BrandLexicon) -> list[tuple[int, int]]:
        """Find the characters of up to 20 contacts, in order and apart; a link to a registry brand's site is none."""
        tokens = text.tokens
        cues = {end for _, end, _ in self.cues.find(tokens)}
        found = [text.characters(start, end) for start, end, _ in self.certain.find(tokens)]
        for start, end, distinct in self.apps.find(tokens):
            if (follows := _address_after(text, end)) is not None:
                found.append((tokens[start].start, follows))
            elif distinct and _is_asked_for(tokens, start, cues):
                found.append(text.characters(start, end))
        found += [link.span() for link in _LINK.finditer(text.original) if self._leads_off(link, lexicon)]
        found += [mail.span() for mail in _MAIL.finditer(text.original)]
        apart: list[tuple[int, int]] = []
        for start, end in sorted(found, key=lambda place: (place[0], -place[1])):
            if not apart or start >= apart[-1][1]:
                apart.append((start, end))
        return apart[:_MOST_PLACES]

    def _leads_off(self, link: re.Match[str], lexicon: BrandLexicon) -> bool:
        host = re.sub(r"^(?:https?://)?(?:www\.)?", "", link.group().lower())
        host = re.split(r"[/?#:]", host)[0].rstrip(".,;!)")
        if any(host == known or host.endswith(f".{known}") for known in self.hosts):
            return True
        ending, labels = link.group("ending"), host.split(".")
        if len(labels) < 2 or (ending is not None and ending.lower() not in _ENDINGS):
            return False
        return lexicon.resolve(labels[-2]) is None


def _is_asked_for(tokens: Sequence[Token], start: int, cues: Collection[int]) -> bool:
    """Tell whether a cue ends within a few words before token `start`, no punctuation between."""
    for place in range(start, max(start - _REACH, 0), -1):
        if tokens[place].gap is not Gap.NONE:
            return False
        if place in cues:
            return True
    return False


def _address_after(text: Text, end: int) -> int | None:
    """Find where the number, name or @handle ends that follows token `end`; None where none does."""
    begin = text.tokens[end - 1].end
    for pattern in (_NUMBER, _HANDLE):
        if match := pattern.match(text.original, begin):
            return match.end()
    return None


@functools.cache
def shipped_contacts() -> Contacts:
    """Return the shipped contacts, read once."""
    return load_contacts()


def load_contacts(path: Path = DEFAULT_CONTACTS) -> Contacts:
    """Read a contacts file; the shipped one without `path`.

    Raises:
        SettingsError: it cannot be read, or an entry is not what its place asks for.

    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if document["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version is {document['format_version']}; this reads {FORMAT_VERSION}")
        return Contacts(
            certain=_book(document["certain"]),
            apps=_apps(document["apps"], document["ambiguous"]),
            cues=_book(document["cues"]),
            hosts=frozenset(str(host).lower() for host in document["hosts"]),
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"{path}: is not a contacts file as its head describes: {error!r}") from error


def _apps(distinct: Any, ambiguous: Any) -> PhraseBook[bool]:
    book: PhraseBook[bool] = PhraseBook()
    for texts, is_distinct in ((distinct, True), (ambiguous, False)):
        for words in phrases(texts):
            book.add(words, is_distinct)
    return book


def _book(texts: Any) -> PhraseBook[None]:
    book: PhraseBook[None] = PhraseBook()
    for words in phrases(texts):
        book.add(words, None)
    return book
