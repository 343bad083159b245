"""What did the law ask to be done in a case, and when was it done? Steps of its procedures, as people record them.

A step is a fact of the world outside: that a notice was sent on, that a counter-statement arrived, that a court was
asked. Nothing here is known to the service until somebody tells it. Steps are never changed; a wrong one is followed by
the right one, and of several of one kind the last counts. All times are timezone-aware.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class LegalStepKind(enum.StrEnum):
    """What was done (E-commerce Law of the PRC, Articles 42 to 44, unless said otherwise)."""

    NOTICE_FORWARDED = "NOTICE_FORWARDED"  # to the seller: Article 42(2)
    COUNTER_FORWARDED = "COUNTER_FORWARDED"  # the seller's statement, to the notifier: Article 43(2)
    COUNTER_ARRIVED = "COUNTER_ARRIVED"  # there; from then on the notifier's 15 days run
    COMPLAINT_FILED = "COMPLAINT_FILED"  # the notifier complained to an authority or sued: Article 43(2)
    MEASURES_LIFTED = "MEASURES_LIFTED"  # Article 43(2)
    PUBLISHED = "PUBLISHED"  # notices, statements and results: Article 44
    STATEMENT_SENT = "STATEMENT_SENT"  # to the seller: Regulation (EU) 2022/2065, Article 17


@dataclass(frozen=True, kw_only=True)
class LegalStep:
    """A step in a case about a decision; `time` is when it happened, `record_time` when the service was told.

    `reference` is the docket or letter that proves it, `reviewer` the pseudonym of who recorded it.
    """

    step_id: str
    case_id: str
    decision_id: str
    kind: LegalStepKind
    time: datetime
    reviewer: str
    record_time: datetime
    reference: str = ""
