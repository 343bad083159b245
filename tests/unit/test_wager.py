"""Does the kill switch fire when takedowns go wrong, and hold still when they do not? The bet, and 1,000 runs of it."""

from __future__ import annotations

import numpy as np
import pytest

from index.wager import DEMOTE_AT, STAKES, Wager, wager

ALLOWED = 0.005
RUNS = 1000


def test_bet_begins_with_nothing_won() -> None:
    """Before the first audit the wealth is 1 and there is no alarm."""
    assert wager([], allowed=ALLOWED) == Wager(verified=0, errors=0, wealth=1.0)


def test_wealth_is_the_mean_of_five_stakes() -> None:
    """One right takedown costs each gambler stake x 0.5%, one wrong one brings stake x 99.5%."""
    right, wrong = wager([False], allowed=ALLOWED), wager([True], allowed=ALLOWED)

    assert right.wealth == pytest.approx(np.mean([1 - stake * 0.005 for stake in STAKES]))
    assert wrong.wealth == pytest.approx(np.mean([1 + stake * 0.995 for stake in STAKES]))


def test_alarm_is_not_taken_back() -> None:
    """What comes after an alarm changes nothing: the certificate is out of force by then."""
    alarmed = wager([True] * 3, allowed=ALLOWED)

    assert alarmed.alarmed
    assert wager([True] * 3 + [False] * 10_000, allowed=ALLOWED) == alarmed


@pytest.mark.parametrize(
    ("error_rate", "audits", "alarm_within", "decided"),
    [(0.05, 2_000, 60, 44), (0.02, 6_000, 300, 261), (0.01, 20_000, 2_000, 1_856)],
)
def test_alarm_comes_in_time(error_rate: float, audits: int, alarm_within: int, decided: int) -> None:
    """Half of 1,000 runs (fixed seed) alarm within 60, 300 and 2,000 audits at 5, 2 and 1% of wrong takedowns."""
    median = np.median(_alarms(error_rate, audits))

    print(f"\n{error_rate:.0%} wrong: alarm after a median of {median:.0f} audits (prototype: {decided})")
    assert median <= alarm_within


def test_false_alarms_are_rare() -> None:
    """Where 0.5% are wrong, as promised, at most 5% of the runs ever alarm in 20,000 audits."""
    false_alarms = float(np.isfinite(_alarms(ALLOWED, 20_000)).mean())

    print(f"\n0.5% wrong: {false_alarms:.1%} of the runs alarm within 20,000 audits")
    assert false_alarms <= 0.05


def test_runs_are_of_the_bet_that_is_served() -> None:
    """The vectorised runs of this test alarm at the very audit at which the service's bet does."""
    rng = np.random.default_rng(3)
    wrong = rng.random((20, 2_000)) < 0.02

    for run, alarm in zip(wrong, _first_alarms(wrong), strict=True):
        bet = wager(run.tolist(), allowed=ALLOWED)
        assert (bet.verified if bet.alarmed else np.inf) == alarm


def _alarms(error_rate: float, audits: int) -> np.ndarray:
    """Return after how many audits each of 1,000 runs alarms, infinity for those that do not; in blocks of 100 runs."""
    rng = np.random.default_rng(0)
    return np.concatenate([_first_alarms(rng.random((100, audits)) < error_rate) for _ in range(RUNS // 100)])


def _first_alarms(wrong: np.ndarray) -> np.ndarray:
    errors, audits = np.cumsum(wrong, axis=1, dtype=np.int32), np.arange(1, wrong.shape[1] + 1)
    wealth = np.zeros(wrong.shape)
    for stake in STAKES:
        log_wealth = errors * np.log1p(stake * (1 - ALLOWED)) + (audits - errors) * np.log1p(-stake * ALLOWED)
        wealth += np.exp(np.minimum(log_wealth, 20.0)) / len(STAKES)
    alarmed = wealth >= DEMOTE_AT
    return np.where(alarmed.any(axis=1), alarmed.argmax(axis=1) + 1.0, np.inf)
