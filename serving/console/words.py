"""What do the pages say, and in which language? Catalogues of words: message ids to text with named placeholders.

`words/GROUP.LANGUAGE.toml` holds the messages of one group of pages; the id of `title` in `queue.en.toml` is
`queue.title`, of `REVIEW` in its table `[verdict]` `queue.verdict.REVIEW`. A message that depends on a number is a
table of plural forms by their CLDR names (`one`, `other`), chosen by the placeholder `count`. Read once, at start.
Values that are put into a message are never read as messages, and templates escape the whole.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.console.formats import locale_of

FOLDER = Path(__file__).parent / "words"
# The first one is that of people whose languages we lack.
LANGUAGES = ("en", "zh")
# By which locale numbers, dates and plurals of a language are written.
LOCALES = {"en": "en_GB", "zh": "zh_Hans_CN"}
# What each language calls itself.
NAMES = {"en": "English", "zh": "中文"}
_FORMS = frozenset({"zero", "one", "two", "few", "many", "other"})
_FORMATTER = string.Formatter()

Message = str | Mapping[str, str]


@dataclass(frozen=True)
class Words:
    """The messages of one language."""

    language: str
    messages: Mapping[str, Message]

    @property
    def locale(self) -> str:
        """The locale by which numbers and dates are written."""
        return LOCALES[self.language]

    def __call__(self, message_id: str, **values: object) -> str:
        """Return a message with its placeholders filled in; a number under `count` chooses the plural form.

        Raises KeyError for an id or a placeholder that is not there: a defect, which the tests of the catalogues find.
        """
        message = self.messages[message_id]
        if isinstance(message, str):
            return message.format(**values)
        return message[self._form(values["count"])].format(**(values | {"count": self._number(values["count"])}))

    def term(self, kind: str, name: str) -> str:
        """Return what people call `name` of a list that the service may lengthen; its code where we have no word."""
        message = self.messages.get(f"terms.{kind}.{name}", name)
        return message if isinstance(message, str) else name

    def _form(self, count: object) -> str:
        return locale_of(self.locale).plural_form(count)  # type: ignore[arg-type]

    def _number(self, count: object) -> str:
        from babel.numbers import format_decimal

        return format_decimal(count, locale=locale_of(self.locale))  # type: ignore[arg-type]


def load_words(folder: Path = FOLDER) -> Mapping[str, Words]:
    """Read all catalogues, by language."""
    return {language: Words(language, dict(_messages(folder, language))) for language in LANGUAGES}


def placeholders(message: Message) -> frozenset[str]:
    """Name the placeholders of a message."""
    texts = [message] if isinstance(message, str) else message.values()
    return frozenset(name for text in texts for _, name, _, _ in _FORMATTER.parse(text) if name is not None)


def preferred(accept_language: str) -> str:
    """Choose the language by an `Accept-Language` header: the one of ours with the greatest weight."""
    ranked = sorted(_weights(accept_language), key=lambda entry: -entry[1])
    return next((language for language, weight in ranked if language in LANGUAGES and weight > 0), LANGUAGES[0])


def _weights(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        tag, _, parameter = part.strip().partition(";")
        _, _, weight = parameter.partition("=")
        try:
            yield tag.partition("-")[0].strip().lower(), float(weight or 1)
        except ValueError:
            continue


def _messages(folder: Path, language: str) -> Iterator[tuple[str, Message]]:
    for path in sorted(folder.glob(f"*.{language}.toml")):
        group = path.name.partition(".")[0]
        yield from _flat((group,), tomllib.loads(path.read_text(encoding="utf-8")))


def _flat(path: Sequence[str], table: Mapping[str, Any]) -> Iterator[tuple[str, Message]]:
    for key, value in table.items():
        place = (*path, key)
        if isinstance(value, str) or ("other" in value and _FORMS.issuperset(value)):
            yield ".".join(place), value
        else:
            yield from _flat(place, value)
