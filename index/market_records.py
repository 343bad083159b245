"""What does the store know of the market? Frozen records of prices, sellers and whom brands authorise.

Part of what goes into `index.store` and comes out of it, as `index.records`. All times are timezone-aware.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from index.money import Money
from index.strikes import DecayedTally
from index.territories import is_territory
from index.verification import VerificationState, state_at


@dataclass(frozen=True, kw_only=True)
class PriceObservation:
    """What one piece of a brand's goods was offered at. `brand`, `category`, `condition` are words, "" when unknown.

    `observation_id` tells observations apart: one that is stored already is skipped; "" is always a new one.
    """

    brand: str
    category: str
    condition: str
    unit_price: Money
    observation_id: str = ""
    observe_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Seller:
    """A seller as the marketplace knows them; `verified` once their identity was checked.

    `verification` and `certify_time` come from the seller's identity, where the store has one (`put_seller` leaves them
    alone), and then say more than `verified`. `sales` counts all sales so far; None when nobody told.
    """

    seller_id: str
    create_time: datetime
    verified: bool = False
    verification: VerificationState | None = None
    certify_time: datetime | None = None
    sales: int | None = None

    def state_at(self, now: datetime) -> VerificationState:
        """Where the verification of the seller's identity stands."""
        if self.verification is not None:
            return state_at(self.verification, self.certify_time, now)
        return VerificationState.VERIFIED if self.verified else VerificationState.UNVERIFIED


@dataclass(frozen=True, kw_only=True)
class AuthorisedSeller:
    """A seller whom a brand authorises in `territory` (ISO 3166-1 alpha-2), or everywhere when that is empty.

    The authorisation holds from `valid_from` on and ends before `valid_until`; None: from ever, for ever.
    """

    seller_id: str
    territory: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a territory that no listing's market could be equal to."""
        if self.territory and not is_territory(self.territory):
            raise ValueError(f"{self.territory!r} is no ISO 3166-1 alpha-2 code; write one in capitals, such as DE")


@dataclass(frozen=True, kw_only=True)
class Authorisation:
    """What a brand's list of authorised sellers says of a seller; `territory` is the entry that says so, "" for all."""

    authorised: bool
    territory: str = ""


@dataclass(frozen=True, kw_only=True)
class SellerTally:
    """A seller's record: listings decided on, and those of them that count as strikes, each listing once.

    `decayed` weighs both by their age; `first_time` is the first decision's, None without one.
    """

    decisions: int = 0
    strikes: int = 0
    decayed: DecayedTally = field(default_factory=DecayedTally)
    first_time: datetime | None = None
