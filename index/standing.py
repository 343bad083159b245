"""What does every screening ask about a seller? All of it in one record, read in one transaction.

`index.store.standings` reads it, `serving.seller_evidence` makes evidence of it. Nothing in it is personal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from index.market_records import Authorisation, Seller, SellerTally
from index.rates import BetaPrior, Estimate, GammaPrior
from index.reporters import REPORTS_PER_SALE
from index.rings import RingStanding
from index.strikes import DEFAULT_PRIOR, ring_prior, strike_rate
from index.verification import VerificationState


@dataclass(frozen=True, kw_only=True)
class SellerStanding:
    """A seller as of `time`; what nobody told or found is None, and priors that were never fitted are the defaults.

    `authorisation` is what the brand asked about says, None when it keeps no list.
    """

    time: datetime
    seller: Seller | None = None
    tally: SellerTally = field(default_factory=SellerTally)
    ring: RingStanding | None = None
    authorisation: Authorisation | None = None
    strike_prior: BetaPrior = DEFAULT_PRIOR
    report_prior: GammaPrior = REPORTS_PER_SALE

    @property
    def known(self) -> bool:
        """Whether anything is on record."""
        return self.seller is not None or self.tally.decisions > 0

    @property
    def verification(self) -> VerificationState:
        """Where the verification of the seller's identity stands."""
        return self.seller.state_at(self.time) if self.seller else VerificationState.UNVERIFIED

    @property
    def age_days(self) -> int | None:
        """Days since the account was opened or the first listing came, whichever was first; None when never seen."""
        times = [self.seller.create_time if self.seller else None, self.tally.first_time]
        first = min((time for time in times if time is not None), default=None)
        return None if first is None else max((self.time - first).days, 0)

    @property
    def ring_prior(self) -> BetaPrior | None:
        """What a member of the seller's ring is expected to do, from what the others did; None without a ring."""
        return ring_prior(self.ring.others, self.strike_prior) if self.ring else None

    @property
    def strike_rate(self) -> Estimate:
        """Strikes per listing, as they are estimated."""
        return strike_rate(self.tally.decayed, self.strike_prior, ring=self.ring_prior)
