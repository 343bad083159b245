"""What is told to the public register of a takedown? A statement of reasons without a word that a user typed.

No personal data may be submitted, so nothing of a seller's, reporter's or moderator's own words is: facts are the
sentences of what was found, without what is about the seller; explanations are ours; and a law that a moderator named
is passed on only if it has the form of a citation of Union law, in which no name has room.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from index.rulings import Ground
from index.territories import regions
from serving.legal.grounds import ground_of
from serving.legal.register_rules import RegisterStatement
from serving.legal.statements import SellerStatement, Source
from serving.legal.words import words_in

_CITATION = re.compile(
    r"(?:Regulation|Directive) \((?:EU|EC|EEC)\) (?:No )?\d{1,4}/\d{1,4}(?:/(?:EU|EC|EEC))?"
    r"(?:, Articles? \d{1,3}(?:\(\d{1,2}\))?(?:\([a-z]\))?)?"
    r"|(?:Directive|Decision) \d{2,4}/\d{1,4}/(?:EU|EC|EEC)(?:, Articles? \d{1,3}(?:\(\d{1,2}\))?)?"
)
_TERMS = "The marketplace's terms on counterfeit and infringing goods"
_SOURCES = {
    Source.OWN_INITIATIVE: "SOURCE_VOLUNTARY",
    Source.NOTICE: "SOURCE_ARTICLE_16",
    Source.TRUSTED_FLAGGER: "SOURCE_TRUSTED_FLAGGER",
    Source.REPORT: "SOURCE_TYPE_OTHER_NOTIFICATION",
}


def territory_of(statement: SellerStatement) -> tuple[str, ...]:
    """Return the countries of the EEA in which a restriction holds; () when the register has nothing to do with it."""
    members = regions()["EEA"]
    if statement.reasons.territories:
        return tuple(sorted(set(members).intersection(statement.reasons.territories)))
    return members if not statement.market or statement.market in members else ()


def to_register(statement: SellerStatement, *, offered: datetime) -> RegisterStatement:
    """Write a statement for the register; `offered` is when the listing was, `territory_of` must not be empty."""
    ground, reasons = ground_of(statement.reason_code), statement.reasons
    illegal = reasons.ground is Ground.ILLEGAL_CONTENT
    explanation = words_in("en").explanations[ground.code]
    end = reasons.end_time
    return RegisterStatement.model_validate(
        {
            "puid": _puid(statement),
            "content_type": ("CONTENT_TYPE_PRODUCT",),
            "content_date": offered.date(),
            "application_date": statement.effective_time.date(),
            "territorial_scope": territory_of(statement),
            "decision_visibility": (f"DECISION_VISIBILITY_CONTENT_{'DISABLED' if reasons.territories else 'REMOVED'}",),
            "end_date_visibility_restriction": None if end is None else end.date(),
            "decision_ground": f"DECISION_GROUND_{'ILLEGAL' if illegal else 'INCOMPATIBLE'}_CONTENT",
            "illegal_content_legal_ground": _law(statement) if illegal else None,
            "illegal_content_explanation": explanation if illegal else None,
            "incompatible_content_ground": None if illegal else _TERMS,
            "incompatible_content_explanation": None if illegal else explanation,
            "incompatible_content_illegal": None if illegal else "No",
            "category": ground.category,
            "category_specification": ground.keywords,
            "decision_facts": _facts(statement),
            "source_type": _SOURCES[statement.source],
            "automated_detection": "Yes" if reasons.automated_detection else "No",
            "automated_decision": f"AUTOMATED_DECISION_{_automation(statement)}",
        }
    )


def _puid(statement: SellerStatement) -> str:
    """Name the statement for good: by what restricted the listing, which is never restricted by the same again."""
    restricted_by = statement.resolution_id or statement.decision_id
    return hashlib.sha256(f"statement:{restricted_by}".encode()).hexdigest()


def _law(statement: SellerStatement) -> str:
    """Name the law: the moderator's citation, or that of the reason where the words are none."""
    reference = statement.reasons.ground_reference.strip()
    return reference if _CITATION.fullmatch(reference) else ground_of(statement.reason_code).europe


def _facts(statement: SellerStatement) -> str:
    words = words_in("en")
    told = [words.sentence(one) for one in statement.findings if not one.of_person]
    return " ".join(told) or words.nothing


def _automation(statement: SellerStatement) -> str:
    if statement.reasons.automated_decision:
        return "FULLY"
    return "PARTIALLY" if statement.confirmed else "NOT_AUTOMATED"
