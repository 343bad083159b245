"""Which words of a moderator's does a brand owner not read? Names and ids of the people concerned, however written.

A statement of reasons is written to the seller, whom it may name. Spelling is compared without case, accents and
widths, so that "LI WEI", "Muller" and "ｌｉ ｗｅｉ" go as well as "Li Wei" and "Müller".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from index.identity import IdentityRecord
from index.reports import Report
from index.rulings import Appeal, Statement

WITHHELD = "[withheld]"
_ACCENTS = re.compile("[\u0300-\u036f]")
# So few letters are found within other words as well; from here on whatever holds the word is taken for it.
_LONG = 4


def people_in(
    seller_ids: Iterable[str],
    reports: Iterable[Report],
    appeals: Iterable[Appeal],
    record: IdentityRecord | None,
) -> frozenset[str]:
    """Return the names, ids and other personal data of a case's people: sellers, who reported, and who appealed."""
    known = {*seller_ids, *(one.appellant_id for one in appeals)}
    for report in reports:
        known |= {report.reporter_id, report.filed_by}
        if report.notice is not None:
            known |= {report.notice.notifier_name, report.notice.notifier_email}
    if record is not None:
        known |= set(record.identity.personal())
    return frozenset(known)


def scrubbed(reasons: Statement, people: Iterable[str], country: str = "") -> Statement:
    """Take people's names and ids, and their country's code, out of what a moderator wrote."""
    scrub = partial(scrub_text, people=tuple(people), country=country)
    return replace(
        reasons,
        facts=scrub(reasons.facts),
        explanation=scrub(reasons.explanation),
        ground_reference=scrub(reasons.ground_reference),
    )


def scrub_text(text: str, people: Iterable[str], country: str = "") -> str:
    """Replace what names people; a country's code only where it is written as one, for "it" is a word."""
    folded, places = _fold(text)
    words = sorted({_fold(word.strip())[0] for word in people}, key=len, reverse=True)
    found = [match.span() for word in words if len(word) > 1 for match in _pattern(word).finditer(folded)]
    spans = [(places[start], places[end - 1] + 1) for start, end in found]
    if country:
        spans += [match.span() for match in re.finditer(rf"\b{re.escape(country)}\b", text)]
    return _without(text, spans)


def _fold(text: str) -> tuple[str, list[int]]:
    """Write a text in the form that is compared, with the place in the text that each of its characters comes from."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", character)).casefold()
        characters += plain
        places += [place] * len(plain)
    return "".join(characters), places


def _pattern(word: str) -> re.Pattern[str]:
    """Find a word whatever the gaps in it are; a short one only where no other letter of its script is around it."""
    spelled = r"\s+".join(map(re.escape, word.split()))
    if len(word) < _LONG:
        spelled = rf"(?<![a-z0-9])(?:{spelled})(?![a-z0-9])" if word.isascii() else spelled
    return re.compile(spelled)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    pieces, end = [], 0
    for start, stop in sorted(spans):
        if stop <= end:
            continue
        if start >= end:
            pieces += [text[end:start], WITHHELD]
        end = stop
    return "".join([*pieces, text[end:]])
