"""From which probability on may listings be taken down without a person? Learn-then-Test on what people judged.

A threshold is certified when, with `confidence`, the share of wrong takedowns at or above it is at most 1 - `target`.
Choosing the threshold on the same verdicts is what makes the usual one (the lowest that looked good) break its promise
most of the time; here every threshold tried is a test, and all of them together err with 1 - `confidence` at most
(Angelopoulos, Bates, Candes, Jordan and Lei, 2021, "Learn then Test").

The tests go from strict to lax in a sequence fixed beforehand. It has several starts, because the strictest thresholds
hold too few candidates to prove anything. Each start brings an equal part of the allowed error; where a threshold is
proved its level is carried to the next, where it is not the level is lost (the fallback procedure: Wiens and
Dmitrienko, 2005).

Whoever asks again each day until the answer is yes, breaks any such promise. So the answer changes only at certain
looks, when twice as many candidates are on record, and each look may spend only its part of the allowed error.
`serving.certifying` decides which verdicts are asked; `serving.guarantee` acts on what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaincinv

# Log-odds from 7 to 1, in steps of a tenth: probabilities from 0.9991 to 0.73, with starts at 0.9991, 0.996, 0.982 and
# 0.924. Set before any verdict is seen: a grid that follows the data would have to be paid for.
THRESHOLDS: tuple[float, ...] = tuple(float(1.0 / (1.0 + np.exp(-step / 10))) for step in range(70, 9, -1))
STARTS = 4

# The least that can prove the usual promise then, with nothing to spare for many errors: it takes 1,196 without one.
FIRST_LOOK = 1250


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What is to be proved: at least `target` of the takedowns are right, said with `confidence`."""

    target: float = 0.995
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what cannot be promised."""
        if not (0.5 <= self.target < 1.0 and 0.5 <= self.confidence < 1.0):
            raise ValueError(
                f"target {self.target} and confidence {self.confidence} must be at least 0.5 and less than 1"
            )


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A threshold that was proved on `verified` candidates, `errors` of them wrong.

    `bound` is the Clopper-Pearson upper bound of the share of errors at the level at which it was tested.
    """

    threshold: float
    verified: int
    errors: int
    bound: float


def prove(
    probabilities: NDArray[np.float64],
    wrong: NDArray[np.bool_],
    promise: Promise,
    *,
    thresholds: tuple[float, ...] = THRESHOLDS,
    starts: int = STARTS,
) -> Proof | None:
    """Return the laxest threshold that is proved and has candidates of its own, or None.

    Args:
        probabilities: shape (n,), what the service said of each candidate when it decided, 0..1.
        wrong: shape (n,), the listing was not infringing after all.
        promise: what is to be proved.
        thresholds: strict to lax; must not depend on these verdicts.
        starts: at how many of them, evenly spaced, a sequence of tests begins.

    """
    order = np.argsort(-probabilities, kind="stable")
    verified = np.searchsorted(-probabilities[order], -np.array(thresholds), side="right")
    errors = np.concatenate([[0], np.cumsum(wrong[order])])[verified]
    chances = chance_of_so_few(errors, verified, 1.0 - promise.target)
    beginnings = set(np.linspace(0, len(thresholds), starts, endpoint=False).astype(int).tolist())
    level, best = 0.0, None
    for place, threshold in enumerate(thresholds):
        level += (1.0 - promise.confidence) / starts if place in beginnings else 0.0
        if chances[place] > level:
            level = 0.0
            continue
        count, failed = int(verified[place]), int(errors[place])
        if best is not None and count == best.verified:
            continue  # proved as well, but on no candidate of its own: nothing is known of what may come there
        best = Proof(threshold=threshold, verified=count, errors=failed, bound=error_bound(failed, count, 1.0 - level))
    return best


@dataclass(frozen=True)
class Look:
    """One of the moments at which a growing sample is asked: on its first `candidates`, for `share` of the error."""

    candidates: int
    share: float

    def promise(self, promise: Promise) -> Promise:
        """Return the promise that this look has to prove, so that all looks together keep the one given."""
        return Promise(target=promise.target, confidence=1.0 - self.share * (1.0 - promise.confidence))


def last_look(candidates: int) -> Look | None:
    """Return the last look that so many candidates allow, or None before the first.

    Looks are at 1,250, 2,500, 5,000 and so on. The first four spend a fifth of the allowed error each, the fifth half
    of that, and so on: all together no more than there is.
    """
    if candidates < FIRST_LOOK:
        return None
    doublings = (candidates // FIRST_LOOK).bit_length() - 1
    return Look(FIRST_LOOK << doublings, 0.2 * 0.5 ** max(doublings - 3, 0))


def chance_of_so_few(errors: NDArray[np.int_], verified: NDArray[np.int_], rate: float) -> NDArray[np.float64]:
    """Return how likely so few errors (or fewer) are where the true share of errors is `rate`: the p-values.

    At most the level exactly when the Clopper-Pearson bound is at most `rate`; 1 where nothing was verified.
    """
    chances: NDArray[np.float64] = bdtr(errors, np.maximum(verified, errors), rate)
    return np.where(verified > 0, chances, 1.0)


def error_bound(errors: int, verified: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of the share of errors, 0..1."""
    if errors >= verified:
        return 1.0
    return float(betaincinv(errors + 1, verified - errors, confidence))


def verified_needed(errors: int, promise: Promise, *, level: float | None = None) -> int:
    """Return the least number of verified candidates that proves the promise with so many errors among them.

    `level` is the test's, 1 - confidence when not given: what a single test needs.
    """
    allowed, rate = 1.0 - promise.confidence if level is None else level, 1.0 - promise.target
    low, high = errors, errors + 1
    while bdtr(errors, high, rate) > allowed:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtr(errors, middle, rate) <= allowed else (middle, high)
    return high
