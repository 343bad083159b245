"""Who answered what in which case, and since when did they hold it? One line an answer, written with the resolution.

A resolution says what is in force; it is changed by who confirms it and forgets who was first, and when. These lines
stay as they are, so that how people decide can be measured: `index.store.reviewers` does.
"""

from __future__ import annotations

import enum

from sqlalchemy import Connection

from index.case_records import Case
from index.rulings import Ruling
from index.store.tables.cases import reviews


class ReviewKind(enum.StrEnum):
    """What an answer was."""

    DECISION = "decision"
    SECOND_REVIEW = "second_review"
    APPEAL = "appeal"


_INSERT = reviews.insert()


def note_review(
    connection: Connection, case: Case, ruling: Ruling, kind: ReviewKind, *, resolution_id: str, judges: str
) -> None:
    """Write an answer down; `case` as it was before, `judges` is the resolution that is looked at again, or ""."""
    held = case.lease if ruling.lease_token is not None else None
    line = {
        "reviewer": ruling.reviewer,
        "kind": str(kind),
        "case_id": case.case_id,
        "resolution_id": resolution_id,
        "verdict": ruling.outcome.verdict,
        "judges": judges,
        "claim_time": None if held is None else held.claim_time,
        "answer_time": ruling.time,
    }
    connection.execute(_INSERT, line)
