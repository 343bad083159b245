"""What does a brand tell buyers? Frozen records of its advice, and of its word on a seller.

`index.store.buyer_advice` keeps them, `serving.buyer_answers` tells them. All times are timezone-aware.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class AdviceKind(enum.StrEnum):
    """What of the goods a piece of advice is about."""

    PACKAGING = "packaging"
    HOLOGRAM = "hologram"
    SERIAL_NUMBER = "serial_number"
    LOGO = "logo"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class AdviceItem:
    """One thing to look at: `texts` are pairs of a BCP 47 tag and plain text, `reference_id` a picture's, or ""."""

    kind: AdviceKind
    texts: tuple[tuple[str, str], ...]
    reference_id: str = ""


@dataclass(frozen=True, kw_only=True)
class BuyerAdvice:
    """All that a brand advises, as it was set once. `serial_template` is `serving.serials`'s, "" when there is none."""

    items: tuple[AdviceItem, ...] = ()
    serial_template: str = ""
    actor: str = ""
    create_time: datetime | None = None


NO_ADVICE = BuyerAdvice()


class SellerWord(enum.StrEnum):
    """What a brand says of a seller in a market."""

    AUTHORISED = "AUTHORIZED"
    NOT_NAMED = "NOT_NAMED"
    NOT_SAID = "BRAND_HAS_NOT_SAID"
