"""Did a distribution shift? The population stability index of two histograms, and what of it is chance.

PSI = sum over the bins of (q - p) ln(q / p), with p and q the shares of the reference and of the window; half a value
is added to each bin, so that an empty one does not make it infinite. It says how far, not whether: where nothing
changed it is still (1/n + 1/m) times a chi-squared value with one degree of freedom less than there are bins (Yurdakul
and Naranjo, 2020, "Statistical properties of the population stability index"). A bin that is empty in both is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import chi2

# Probabilities of a counterfeit: fine where most listings are, and where takedowns are.
SCORE_EDGES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.98, 1.0)
# Asked prices as shares of the expected ones.
PRICE_EDGES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1, 1.3, 1.6, 2.5, math.inf)

# From here on a shift is usually looked at (Siddiqi, 2006, "Credit risk scorecards"); 0.25 is called a great one.
LEAST = 0.1
_ONCE_IN_TWENTY = 0.95


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How two histograms over `edges` differ: `psi`, and what chance alone exceeds once in twenty."""

    edges: tuple[float, ...]
    reference: tuple[int, ...]
    window: tuple[int, ...]
    psi: float
    by_chance: float

    @property
    def drifted(self) -> bool:
        """Whether it is more than chance, and enough to be looked at."""
        return self.psi >= LEAST and self.psi > self.by_chance


def shift(edges: Sequence[float], reference: Sequence[int], window: Sequence[int]) -> Shift:
    """Compare two histograms, each with a count for each bin between two edges; without values nothing shifted."""
    before, now = sum(reference), sum(window)
    used = [(old, new) for old, new in zip(reference, window, strict=True) if old or new]
    psi = by_chance = 0.0
    if before and now and len(used) > 1:
        half = 0.5 * len(used)
        shares = [((old + 0.5) / (before + half), (new + 0.5) / (now + half)) for old, new in used]
        psi = math.fsum((new - old) * math.log(new / old) for old, new in shares)
        by_chance = (1.0 / before + 1.0 / now) * float(chi2.ppf(_ONCE_IN_TWENTY, len(used) - 1))
    return Shift(edges=tuple(edges), reference=tuple(reference), window=tuple(window), psi=psi, by_chance=by_chance)
