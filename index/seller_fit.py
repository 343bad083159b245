"""What is usual among this marketplace's sellers? The nightly fit of the priors behind strike rates and report rates.

`touchstone sellers fit` runs it and puts what comes out into force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

import numpy as np

from index.market_records import Seller, SellerTally
from index.priors import PriorKind, PriorRecord
from index.reporters import fit_reports
from index.strikes import fit_prior

# Reports are asked for seller by seller; an even sample of so many tells as much as all.
_SAMPLE = 20_000


class Tallies(Protocol):
    """What a fit needs of the store."""

    def iter_tallies(self, *, now: datetime) -> Iterator[tuple[str, SellerTally]]:
        """Yield the ids and tallies of all sellers with listings."""

    def find_seller(self, seller_id: str) -> Seller | None:
        """Find a seller; None when nobody told of them."""


def fit_strikes(store: Tallies, *, now: datetime) -> PriorRecord | None:
    """Fit the prior of strikes per listing to all sellers; None when there are too few."""
    tallies = [tally.decayed for _, tally in store.iter_tallies(now=now)]
    strikes = np.array([tally.strikes for tally in tallies])
    listings = np.array([tally.listings for tally in tallies])
    prior = fit_prior(strikes, listings)
    if prior is None:
        return None
    return PriorRecord(
        kind=PriorKind.STRIKES,
        alpha=prior.alpha,
        beta=prior.beta,
        sellers=len(tallies),
        events=float(strikes.sum()),
        exposure=float(listings.sum()),
        fit_time=now,
    )


def fit_report_rate(store: Tallies, upheld_reports: Callable[[str], int], *, now: datetime) -> PriorRecord | None:
    """Fit the prior of upheld reports per sale to an even sample of the sellers; None when there are too few.

    `upheld_reports` counts those about a seller. Where sales are not known, listings stand for them.
    """
    sellers = [(seller_id, tally.decisions) for seller_id, tally in store.iter_tallies(now=now)]
    sample = sellers[:: max(1, len(sellers) // _SAMPLE)]
    known = [store.find_seller(seller_id) for seller_id, _ in sample]
    sales = [seller.sales if seller else None for seller in known]
    exposure = np.array([float(n if sold is None else sold) for sold, (_, n) in zip(sales, sample, strict=True)])
    upheld = np.array([float(upheld_reports(seller_id)) for seller_id, _ in sample])
    prior = fit_reports(upheld, exposure)
    if prior is None:
        return None
    return PriorRecord(
        kind=PriorKind.REPORTS,
        alpha=prior.alpha,
        beta=prior.beta,
        sellers=len(sample),
        events=float(upheld.sum()),
        exposure=float(exposure.sum()),
        fit_time=now,
    )
