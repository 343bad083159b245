"""How does a statement of reasons read? Its sections in one language, as plain text and as an HTML page.

The page loads nothing and runs nothing; whatever a person wrote is escaped. All times are told in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serving.html_pages import page_environment
from serving.legal.statements import SellerStatement
from serving.legal.words import Words, words_in

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """A heading, and the paragraphs under it."""

    heading: str
    paragraphs: tuple[str, ...]


def sections_of(statement: SellerStatement, *, answer_days: int) -> tuple[Section, ...]:
    """Put a statement into words; `answer_days` are those that a notifier has under the law of China."""
    words = words_in(statement.language)
    end = f"{statement.complaint_end_time:%Y-%m-%d}"
    redress = words.redress["cn" if statement.by_chinese_law else "eu"]
    parts = {
        "restriction": tuple(_restriction(words, statement)),
        "facts": (statement.reasons.facts,),
        "source": (_source(words, statement),),
        "automation": tuple(_automation(words, statement)),
        "ground": tuple(_ground(words, statement)),
        "redress": tuple(one.format(end=end, days=answer_days) for one in redress),
    }
    return tuple(Section(words.headings[name], paragraphs) for name, paragraphs in parts.items())


def as_text(statement: SellerStatement, *, answer_days: int) -> str:
    """Write a statement as plain text."""
    words = words_in(statement.language)
    blocks = [words.title, _opening(words, statement)]
    for section in sections_of(statement, answer_days=answer_days):
        blocks.append("\n".join((section.heading, *section.paragraphs)))
    return "\n\n".join(blocks) + "\n"


def as_html(statement: SellerStatement, *, answer_days: int) -> str:
    """Write a statement as an HTML document."""
    words = words_in(statement.language)
    template = page_environment(_TEMPLATES).get_template("statement.html")
    return template.render(
        language={"zh": "zh-Hans"}.get(statement.language, statement.language),
        title=words.title,
        opening=_opening(words, statement),
        sections=sections_of(statement, answer_days=answer_days),
    )


def _opening(words: Words, statement: SellerStatement) -> str:
    return words.listing.format(listing_id=statement.listing_id, decision_id=statement.decision_id)


def _restriction(words: Words, statement: SellerStatement) -> Iterator[str]:
    told, reasons = words.restriction, statement.reasons
    yield (
        told["territories"].format(territories=", ".join(reasons.territories))
        if reasons.territories
        else told["everywhere"]
    )
    yield told["since"].format(time=_time(statement.effective_time))
    yield told["endless"] if reasons.end_time is None else told["until"].format(time=_time(reasons.end_time))


def _source(words: Words, statement: SellerStatement) -> str:
    of_china = words.source_cn.get(statement.source) if statement.jurisdiction == "CN" else None
    return of_china or words.source[statement.source]


def _automation(words: Words, statement: SellerStatement) -> Iterator[str]:
    told, reasons = words.automation, statement.reasons
    yield told["detected" if reasons.automated_detection else "not_detected"]
    if reasons.automated_decision:
        yield told["decided"]
    else:
        yield told["confirmed" if statement.confirmed else "person"]


def _ground(words: Words, statement: SellerStatement) -> Iterator[str]:
    reasons = statement.reasons
    yield words.ground[reasons.ground].format(reference=reasons.ground_reference)
    yield reasons.explanation
    if reasons.right_id:
        yield words.ground["right"].format(right_id=reasons.right_id)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
