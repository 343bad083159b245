"""What is a legal hold? An order by counsel or a court on a listing, a seller or a brand, that no rule changes.

While it stands, what it covers is neither allowed nor taken down by the service itself: a person looks, unless the
order says that the goods come down.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class HoldSubject(enum.StrEnum):
    """What an order is about."""

    LISTING = "listing"
    SELLER = "seller"
    BRAND = "brand"


class HoldVerdict(enum.StrEnum):
    """What an order forces: that a person looks, or that a court wants the goods taken down."""

    REVIEW = "REVIEW"
    TAKEDOWN = "TAKEDOWN"


@dataclass(frozen=True, kw_only=True)
class LegalHold:
    """An order as it was put on record; it stands until `expire_time` (None: until lifted) or `lift_time`.

    `subject_id` is a listing's or seller's id or a brand's name; `why` names the order, such as a docket number.
    Of a brand only REVIEW can be ordered: which brand is at stake is itself a guess, often by the photos alone.

    Raises:
        ValueError: a TAKEDOWN of a whole brand.

    """

    hold_id: str
    subject: HoldSubject
    subject_id: str
    verdict: HoldVerdict
    why: str
    author: str
    create_time: datetime
    expire_time: datetime | None = None
    lift_time: datetime | None = None
    lifted_by: str = ""
    lift_why: str = ""

    def __post_init__(self) -> None:
        if self.subject is HoldSubject.BRAND and self.verdict is HoldVerdict.TAKEDOWN:
            raise ValueError("a whole brand cannot be ordered down; name the listing or the seller, or order REVIEW")

    @property
    def sentence(self) -> str:
        """Name the hold as a reason does."""
        until = f" until {self.expire_time:%Y-%m-%d}" if self.expire_time else ""
        return f"Legal hold {self.hold_id} on the {self.subject} {self.subject_id!r}{until}: {self.why}"
