"""Is a certified threshold as good as it promises? The exact bounds, the order of the tests, and 400 trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.guarantee import (
    FIRST_LOOK,
    STARTS,
    THRESHOLDS,
    Look,
    Promise,
    Proof,
    chance_of_so_few,
    error_bound,
    last_look,
    prove,
    verified_needed,
)

PROMISE = Promise()
ALLOWED = 1.0 - PROMISE.target
TRIALS = 400


@pytest.mark.parametrize(("errors", "verified"), [(0, 598), (1, 947), (3, 1549), (10, 3389)])
def test_counts_that_one_test_needs(errors: int, verified: int) -> None:
    """With 0, 1, 3 and 10 errors it takes 598, 947, 1,549 and 3,389 verified takedowns, and not one less."""
    assert verified_needed(errors, PROMISE) == verified
    assert error_bound(errors, verified, PROMISE.confidence) <= ALLOWED < error_bound(errors, verified - 1, 0.95)


def test_bound_and_test_agree() -> None:
    """The chance of so few errors is below the level exactly where the Clopper-Pearson bound is below the rate."""
    verified = np.arange(1, 2000)
    for errors in (0, 1, 4):
        failed = np.minimum(errors, verified)
        by_chance = chance_of_so_few(failed, verified, ALLOWED) <= 0.05
        by_bound = [error_bound(int(e), int(n), 0.95) <= ALLOWED for e, n in zip(failed, verified, strict=True)]
        assert by_chance.tolist() == by_bound


def test_with_four_starts_the_first_threshold_needs_a_quarter_of_the_level() -> None:
    """The price of looking at many thresholds: 875 candidates without an error prove one, 874 do not."""
    needed = verified_needed(0, PROMISE, level=(1 - PROMISE.confidence) / STARTS)
    enough, few = (prove(np.full(n, 0.9995), np.zeros(n, bool), PROMISE, thresholds=(0.999,) * 4) for n in (875, 874))

    assert needed == 875
    assert enough is not None
    assert enough.bound <= ALLOWED
    assert few is None


def test_proof_stops_where_errors_begin() -> None:
    """Proved is what holds good candidates and no bad ones: here from the second start, the first with any, on."""
    good, bad = np.full(3000, 0.997), np.full(100, 0.95)
    probabilities = np.concatenate([good, bad])
    wrong = np.concatenate([np.zeros(3000, bool), np.ones(100, bool)])

    proof = prove(probabilities, wrong, PROMISE)

    assert proof is not None
    assert proof.threshold == THRESHOLDS[15]
    assert (proof.verified, proof.errors) == (3000, 0)
    assert proof.bound <= ALLOWED


def test_a_later_start_proves_what_strict_thresholds_cannot() -> None:
    """Too few candidates at the top are no obstacle: a sequence that begins lower down proves its threshold."""
    proof = prove(np.full(2000, 0.95), np.zeros(2000, bool), PROMISE)
    single = prove(np.full(2000, 0.95), np.zeros(2000, bool), PROMISE, starts=1)

    assert proof is not None
    assert proof.threshold <= 0.95
    assert single is None


def test_nothing_verified_proves_nothing() -> None:
    """Without candidates there is no certificate, and where all are wrong neither."""
    assert prove(np.empty(0), np.empty(0, bool), PROMISE) is None
    assert prove(np.full(5000, 0.999), np.ones(5000, bool), PROMISE) is None


@given(st.integers(0, 20), st.floats(0.9, 0.999), st.floats(0.8, 0.99))
def test_needed_count_is_the_least(errors: int, target: float, confidence: float) -> None:
    """For any promise the bound holds at the count that is named, and not with one candidate less."""
    promise = Promise(target=target, confidence=confidence)
    needed = verified_needed(errors, promise)

    few, enough = chance_of_so_few(np.array([errors, errors]), np.array([needed - 1, needed]), 1.0 - target)
    assert enough <= 1.0 - confidence < few


@pytest.mark.parametrize("values", [{"target": 1.0}, {"confidence": 0.2}, {"target": float("nan")}])
def test_promise_that_cannot_be_kept_is_refused(values: dict[str, float]) -> None:
    """Certainty is no promise, nor is less than one half."""
    with pytest.raises(ValueError, match="must be at least"):
        Promise(**values)


@pytest.mark.parametrize(
    ("bias", "slope", "candidates"),
    [(0.0, 1.5, 5000), (1.0, 1.2, 5000), (3.0, 0.6, 10000), (0.0, 1.0, 20000)],
    ids=["steep", "cautious", "flat", "calibrated"],
)
def test_certified_threshold_keeps_its_promise(bias: float, slope: float, candidates: int) -> None:
    """In at most 5% of 400 trials any threshold that is ever certified falls short of its promise; the usual one often.

    The sample grows, and somebody asks at every look. The usual threshold is the laxest score at which the verified
    candidates were 99.5% right. Candidates' log-odds are normal (4, 1.5); the truth's are bias + slope times theirs.
    Fixed seed; the figures are printed.
    """
    rng = np.random.default_rng(7)
    risk = _risk(bias, slope)
    certified = broken = broken_usual = 0
    for _ in range(TRIALS):
        raw = rng.normal(4.0, 1.5, candidates)
        wrong = rng.random(candidates) < _wrong(raw, bias, slope)
        proofs = list(_proofs(1.0 / (1.0 + np.exp(-raw)), wrong))
        certified += bool(proofs)
        broken += any(risk(_log_odds(proof.threshold)) > ALLOWED for proof in proofs)
        broken_usual += risk(_usual_threshold(raw, wrong)) > ALLOWED

    print(f"\n{certified} certified; promise broken in {broken / TRIALS:.1%}, by the usual {broken_usual / TRIALS:.1%}")
    assert broken <= 0.05 * TRIALS
    assert broken_usual >= 0.4 * TRIALS


def test_looks_spend_no_more_than_there_is() -> None:
    """The first look is at 1,250 candidates; all looks together, however many, spend at most the whole error."""
    looks = {look for count in range(0, 4_000_000, 1_250) if (look := last_look(count)) is not None}

    assert last_look(1249) is None
    assert last_look(1250) == last_look(2499) == Look(1250, 0.2)
    assert last_look(20_000) == Look(20_000, 0.1)
    assert sum(look.share for look in looks) <= 1.0
    assert Look(1250, 0.2).promise(PROMISE).confidence == pytest.approx(0.99)


def _proofs(probabilities: np.ndarray, wrong: np.ndarray) -> Iterator[Proof]:
    """Yield every proof that somebody gets who asks whenever the answer may have changed."""
    for look in {last_look(count) for count in range(0, len(wrong) + 1, FIRST_LOOK)}:
        if look is not None:
            asked = slice(look.candidates)
            proof = prove(probabilities[asked], wrong[asked], look.promise(PROMISE))
            if proof is not None:
                yield proof


def _log_odds(probability: float) -> float:
    return float(np.log(probability / (1.0 - probability)))


def _wrong(raw: np.ndarray, bias: float, slope: float) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(bias + slope * raw)))


def _risk(bias: float, slope: float) -> Callable[[float], float]:
    """Return the true share of errors among candidates from given log-odds on, by a sum over a fine grid."""
    raw = np.linspace(-5.0, 13.0, 18_001)
    weight = np.exp(-0.5 * ((raw - 4.0) / 1.5) ** 2)
    errors = np.cumsum((weight * _wrong(raw, bias, slope))[::-1])[::-1]
    shares = errors / np.cumsum(weight[::-1])[::-1]
    return lambda at_least: float(np.interp(at_least, raw, shares))


def _usual_threshold(raw: np.ndarray, wrong: np.ndarray) -> float:
    order = np.argsort(-raw)
    right = np.flatnonzero(np.cumsum(wrong[order]) <= ALLOWED * np.arange(1, len(raw) + 1))
    return float(raw[order][right[-1]]) if len(right) else np.inf
