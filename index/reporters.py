"""What is a buyer's report worth? Reports weighed by the reporters' record, and reports per sale of a seller.

A report is worth 1 when its reporter is as reliable as the average one is known to be. `serving.report_evidence` asks
about the listing at hand, `serving.seller_evidence` about everything that the seller sold.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from index.rates import BetaPrior, Estimate, GammaPrior, fit_gamma
from index.reports import ReportOnRecord

# Half of the reports are upheld, as sure as if four had been settled. A choice until a marketplace's own are fitted.
RELIABILITY = BetaPrior(2.0, 2.0)

# The reliability that a reporter exceeds with a probability of 75%: who has no record is believed less than who has an
# average one (0.65), because a new account costs nothing; a long average record comes to 1.
CAUTION = 0.25

# One report upheld in 200 sales, as sure as 200 sales are. A choice until a marketplace's own are fitted.
REPORTS_PER_SALE = GammaPrior(1.0, 200.0)

# With fewer, the fit follows chance; the default stands.
LEAST_SELLERS, LEAST_REPORTED = 200, 20


def reporter_weight(upheld: int, declined: int, *, prior: BetaPrior = RELIABILITY) -> float:
    """Weigh one report by its reporter's earlier ones: towards 0 when they were declined, up to 1 / prior mean."""
    return prior.after(upheld, upheld + declined).quantile(CAUTION) / prior.mean


def report_weights(reports: Iterable[ReportOnRecord], *, prior: BetaPrior = RELIABILITY) -> dict[str, float]:
    """Weigh the reports about a listing: each reporter counts once, however often they report it."""
    return {report.reporter_id: reporter_weight(report.upheld, report.declined, prior=prior) for report in reports}


def fit_reports(upheld: NDArray[np.float64], exposure: NDArray[np.float64]) -> GammaPrior | None:
    """Fit what is usual to upheld reports and sales of sellers, float64 [n] each; None when there are too few."""
    if len(upheld) < LEAST_SELLERS or np.count_nonzero(upheld) < LEAST_REPORTED:
        return None
    return fit_gamma(upheld, exposure)


def reports_per_sale(upheld: int, sales: float, *, prior: GammaPrior = REPORTS_PER_SALE) -> Estimate:
    """Estimate how many upheld reports one sale of a seller brings: (a + S) / (b + E)."""
    return prior.after(upheld, sales).estimate()
