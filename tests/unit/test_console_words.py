"""Do the catalogues hold what the pages say? The same ids in both languages, none missing, none left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest

from serving.access.permissions import ROLES
from serving.case_rules import load_case_rules
from serving.console.application import nav
from serving.console.drawing import TEMPLATES
from serving.console.view import THEMES
from serving.console.words import LANGUAGES, Words, load_words, placeholders, preferred
from serving.features import FEATURES
from serving.html_pages import page_environment
from serving.policy_file import DEFAULT_POLICY, load_policy
from touchstone.moderation.v1 import case_pb2, decision_pb2

WORDS = load_words()
PACKAGE = Path(TEMPLATES).parent
# An id as it stands in templates (`t("queue.nav")`) and modules (`view.tell("queue.saved")`).
_LITERAL = re.compile(r"""["']((?:[a-z_]+)(?:\.[A-Za-z_0-9-]+)+)["']""")
_BUILT = re.compile(r"""["']((?:[a-z_]+\.)+)["'] *~""")
# Attributes whose values people see or hear.
_TOLD = {"alt", "aria-label", "title", "placeholder", "data-key-name", "data-label"}
_EXPRESSION = "\0"


def literal_text(template: str) -> Iterator[str]:
    """Yield the words that stand in a template itself, in its text or in an attribute that people are told."""
    environment = page_environment(TEMPLATES)
    source = environment.loader.get_source(environment, template)[0] if environment.loader else ""
    inside, parts = 0, []
    for _, token, value in environment.lex(source):
        if token == "data":
            parts.append(value)
        inside += token in ("variable_begin", "block_begin")
        if token == "variable_begin":
            parts.append(_EXPRESSION)
    collector = Collector()
    collector.feed("".join(parts))
    yield from collector.found


class Collector(HTMLParser):
    """Collects text and told attributes that hold letters."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at attributes."""
        self.found += [value for name, value in attrs if name in _TOLD and value and _letters(value)]

    def handle_data(self, data: str) -> None:
        """Look at text."""
        if _letters(data):
            self.found.append(data.strip())


def _letters(text: str) -> bool:
    return any(word.isalpha() for word in re.findall(r"\w+", text))


def used_ids() -> tuple[set[str], set[str]]:
    """Give the ids that templates and modules name, and the beginnings of those that they put together."""
    sources = [path.read_text(encoding="utf-8") for kind in ("*.html", "*.py") for path in PACKAGE.rglob(kind)]
    literal = {found for source in sources for found in _LITERAL.findall(source)}
    return literal, {found for source in sources for found in _BUILT.findall(source)}


def terms(kind: str) -> set[str]:
    """Name the terms of one table."""
    return {one.removeprefix(f"terms.{kind}.") for one in WORDS["en"].messages if one.startswith(f"terms.{kind}.")}


def values(kind: Any) -> set[str]:
    """Name the values of an enum, without its prefix and the unspecified one."""
    prefix = kind.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix) for value in kind.DESCRIPTOR.values[1:]}


def test_both_languages_say_the_same() -> None:
    """Each catalogue has the same ids, and each message the same placeholders; numbers have all their forms."""
    first, *others = (WORDS[language].messages for language in LANGUAGES)

    for messages in others:
        assert set(messages) == set(first)
        assert {key: placeholders(messages[key]) for key in first} == {key: placeholders(first[key]) for key in first}
    for message in first.values():
        assert isinstance(message, str) or set(message) == {"one", "other"}
    assert all(name.isidentifier() for message in first.values() for name in placeholders(message))


def test_every_id_is_there_and_every_message_is_used() -> None:
    """What templates and modules name stands in the catalogues, and nothing else does."""
    literal, built = used_ids()
    groups = {message.partition(".")[0] for message in WORDS["en"].messages}
    named = {one for one in literal if one.partition(".")[0] in groups and not one.endswith((".html", ".js", ".css"))}
    by_nav = {f"{entry.group}.{word}" for entry in nav() for word in ("nav", "about")}
    known = set(WORDS["en"].messages)

    assert named | by_nav <= known
    assert {one for one in known - named - by_nav if not one.startswith(("terms.", *built))} == set()


def test_words_in_a_template_are_found() -> None:
    """The check below sees text and what people are told by attributes, around expressions too."""
    collector = Collector()
    collector.feed(f'<p title="Say {_EXPRESSION}" class="x">{_EXPRESSION} there<br>7 {_EXPRESSION}</p>')

    assert collector.found == [f"Say {_EXPRESSION}", f"{_EXPRESSION} there"]
    assert "Touchstone" in set(literal_text("base/page.html"))


@pytest.mark.parametrize("template", [path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html")])
def test_templates_hold_no_words(template: str) -> None:
    """All that people read comes from a catalogue; names and keys stand for themselves."""
    assert set(literal_text(template)) <= {*"ACJKLNRSTUV", "Esc", "Touchstone", "· Touchstone"}


def test_terms_name_what_the_service_says() -> None:
    """Verdicts, states, origins, roles, colours and the shipped reasons all have their words."""
    policy = {rule.code for rule in load_policy(DEFAULT_POLICY).rules}
    reasons = policy | {feature.code for feature in FEATURES} | set(load_case_rules(None).reason_codes)

    assert terms("verdict") == values(decision_pb2.Verdict)
    assert terms("state") == values(case_pb2.CaseState)
    assert terms("origin") == values(case_pb2.CaseOrigin)
    assert terms("role") == set(ROLES)
    assert reasons <= terms("reason")
    assert all(f"base.theme.{theme}" in WORDS["en"].messages for theme in THEMES)


def test_messages_are_filled_in() -> None:
    """Placeholders take values as they are, numbers choose their form, and an unknown term is shown as its code."""
    words = Words("en", {"a.b": "Hello, {name}", "a.c": {"one": "{count} case", "other": "{count} cases"}})

    assert words("a.b", name="{x} {name.__class__}") == "Hello, {x} {name.__class__}"
    assert [words("a.c", count=number) for number in (0, 1, 2, 12345)] == [
        "0 cases",
        "1 case",
        "2 cases",
        "12,345 cases",
    ]
    assert words.term("reason", "NEW_CODE") == "NEW_CODE"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de, en;q=0.3, zh;q=0.7", "zh"),
        ("de", "en"),
        ("zh;q=0, en", "en"),
        ("zh;q=x,,;=;", "en"),
    ],
)
def test_the_browsers_language_is_followed(header: str, language: str) -> None:
    """The language of ours that weighs most is chosen; what cannot be read is passed over."""
    assert preferred(header) == language


def test_undefined_names_are_errors() -> None:
    """A template that is not given what it takes fails, and shows no gap."""
    with pytest.raises(jinja2.UndefinedError):
        page_environment(TEMPLATES).from_string("{{ missing }}").render()
