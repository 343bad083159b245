"""What does a person decide, and what is the seller told? The `Outcome` of a request, to domain values.

Whether a takedown needs a statement depends on its listing's market: `serving.cases` asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from index.rulings import Ground, Outcome, Statement
from serving.case_rules import CaseRules
from serving.errors import FieldViolation
from serving.wire.rules import check_id, check_market, check_one_of, check_text, check_time, shown, to_time
from touchstone.moderation.v1 import case_pb2, decision_pb2

VERDICTS = {
    decision_pb2.VERDICT_ALLOW: "ALLOW",
    decision_pb2.VERDICT_REVIEW: "REVIEW",
    decision_pb2.VERDICT_TAKEDOWN: "TAKEDOWN",
}
GROUNDS = {
    Ground.ILLEGAL_CONTENT: case_pb2.STATEMENT_GROUND_ILLEGAL_CONTENT,
    Ground.TERMS: case_pb2.STATEMENT_GROUND_TERMS,
}
_GROUNDS = {number: ground for ground, number in GROUNDS.items()}
_DECIDED = (decision_pb2.VERDICT_ALLOW, decision_pb2.VERDICT_TAKEDOWN)
_STATEMENT_LIMITS = {"ground_reference": 500, "explanation": 2_000, "facts": 5_000}
_MAX_NOTE_CHARACTERS = 5_000
_MAX_TERRITORIES = 249  # ISO 3166-1 has no more


def outcome_violations(
    message: case_pb2.Outcome, rules: CaseRules, *, present: bool, needs_reason: bool = False
) -> Iterator[FieldViolation]:
    """Check what a person decides, and what the seller is told of it."""
    if not present:
        yield FieldViolation("outcome", "is missing; say what you decide")
        return
    yield from check_one_of("outcome.verdict", message.verdict, _DECIDED, decision_pb2.Verdict.Name)
    code = message.reason_code
    needs_reason = needs_reason or message.verdict == decision_pb2.VERDICT_TAKEDOWN
    if (code or needs_reason) and code not in rules.reason_codes:
        known = ", ".join(rules.reason_codes)
        yield FieldViolation("outcome.reason_code", f"{shown(code)} is not on the list; send one of {known}")
    yield from check_text("outcome.note", message.note, limit=_MAX_NOTE_CHARACTERS)
    if message.HasField("statement"):
        yield from _statement_violations("outcome.statement", message.statement)


def _statement_violations(field: str, message: case_pb2.StatementOfReasons) -> Iterator[FieldViolation]:
    yield from check_one_of(f"{field}.ground", message.ground, _GROUNDS, case_pb2.StatementGround.Name)
    for name, limit in _STATEMENT_LIMITS.items():
        value = getattr(message, name)
        yield from check_text(f"{field}.{name}", value, limit=limit)
        if not value.strip():
            yield FieldViolation(
                f"{field}.{name}", f"is empty; the seller must learn it, in at most {limit} characters"
            )
    if len(message.territories) > _MAX_TERRITORIES:
        count = len(message.territories)
        yield FieldViolation(f"{field}.territories", f"has {count} values; send at most {_MAX_TERRITORIES}")
    else:
        for index, territory in enumerate(message.territories):
            yield from check_market(f"{field}.territories[{index}]", territory)
    yield from check_time(f"{field}.end_time", message.end_time)
    if message.HasField("end_time") and message.end_time.seconds <= time.time():
        yield FieldViolation(f"{field}.end_time", "lies in the past; leave it out, or say when the restriction ends")
    yield from check_id(f"{field}.right_id", message.right_id, required=False)


def to_outcome(message: case_pb2.Outcome) -> Outcome:
    """Translate what a person decides, once it is checked."""
    told = message.statement
    statement = None
    if message.HasField("statement"):
        statement = Statement(
            ground=_GROUNDS[told.ground],
            ground_reference=told.ground_reference,
            explanation=told.explanation,
            facts=told.facts,
            territories=tuple(told.territories),
            end_time=to_time(told.end_time) if told.HasField("end_time") else None,
            right_id=told.right_id,
        )
    verdict = VERDICTS[message.verdict]
    return Outcome(verdict=verdict, reason_code=message.reason_code, note=message.note, statement=statement)
