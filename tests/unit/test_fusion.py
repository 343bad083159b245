"""Fused evidence: additive, monotonic, and explained without repeating itself."""

from __future__ import annotations

import math
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.domain import Reason
from serving.facts import FACTS, Facts, Value
from serving.features import BIAS, FEATURES
from serving.fusion import explain
from serving.fusion_file import PRIOR

NOTHING_KNOWN = Facts({name: fact.neutral for name, fact in FACTS.items()})

SENSIBLE: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans(),
    "int": st.integers(0, 10_000),
    "double": st.floats(-100, 100),
    "string": st.just(""),
    "list<string>": st.just([]),
}
ANY_FACTS = st.fixed_dictionaries({name: SENSIBLE[fact.type] for name, fact in FACTS.items()}).map(Facts)

# Each fact that a feature looks at, and whether more of it makes a counterfeit likelier (+1) or less likely (-1).
DIRECTIONS = {
    "duplicate.known_counterfeit_distance": -1,
    "duplicate.known_counterfeit_details": +1,
    "duplicate.removed_listing": +1,
    "text.replica_wording": +1,
    "text.look_alike": +1,
    "text.off_platform_contact": +1,
    "price.score": +1,
    "visual.probability": +1,
    "seller.authorised": -1,
    "seller.unauthorised": +1,
    "seller.verified": -1,
    "seller.new": +1,
    "seller.strikes": +1,
    "seller.strike_rate_low": +1,
    "seller.ring_rate": +1,
    "seller.reports_per_sale": +1,
    "text.claim_mismatch": +1,
    "category.mismatch": +1,
    "reports.weight": +1,
}


def _weights(facts: Facts) -> dict[str, float]:
    return {feature.code: feature.weight * feature.value(facts) for feature in FEATURES}


def _changed(one: Facts, other: Facts) -> set[str]:
    before, after = _weights(one), _weights(other)
    return {code for code in before if before[code] != after[code]}


@pytest.mark.parametrize(("name", "direction"), DIRECTIONS.items())
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_probability_is_monotonic_in_every_feature(name: str, direction: int, data: st.DataObject) -> None:
    """More of one kind of evidence never moves the probability the wrong way, whatever the rest says."""
    facts = data.draw(ANY_FACTS)
    values = st.lists(SENSIBLE[FACTS[name].type], min_size=2, max_size=2)
    less, more = sorted(cast("list[float]", data.draw(values)))

    change = PRIOR.fuse(facts.plus(name, more)).probability - PRIOR.fuse(facts.plus(name, less)).probability

    assert change * direction >= 0


def test_every_feature_moves_the_probability() -> None:
    """No feature is dead, and each of the facts above moves one feature at a time."""
    known = NOTHING_KNOWN.plus("brand.known", True)
    strong: dict[str, Value] = {"bool": True, "int": 1, "double": 1.0}
    changes = [known.plus(name, strong[FACTS[name].type]) for name in DIRECTIONS]

    moved = [_changed(known, facts) for facts in (*changes, known.plus("price.score", -1.0))]

    assert [len(codes) for codes in moved] == [1] * len(moved)
    assert set().union(*moved) == {feature.code for feature in FEATURES}


@given(facts=ANY_FACTS)
@settings(max_examples=50, deadline=None)
def test_contributions_sum_to_the_log_odds(facts: Facts) -> None:
    """The probability is exactly the bias and the features' contributions; what is said are those worth saying."""
    fused = PRIOR.fuse(facts)
    weights = _weights(facts)

    assert fused.probability == 1 / (1 + math.exp(-(BIAS + sum(weights.values()))))
    if 1e-9 < fused.probability < 1 - 1e-9:
        log_odds = math.log(fused.probability / (1 - fused.probability))
        assert sum(weights.values()) == pytest.approx(log_odds - BIAS, abs=1e-5)
    said = {reason.code: reason.weight for reason in fused.contributions}
    assert said == {code: weight for code, weight in weights.items() if abs(weight) >= 0.1}


@given(facts=ANY_FACTS)
@settings(max_examples=50, deadline=None)
def test_contributions_come_strongest_first(facts: Facts) -> None:
    """A moderator reads first what weighs most, for or against."""
    strengths = [abs(reason.weight) for reason in PRIOR.fuse(facts).contributions]

    assert strengths == sorted(strengths, reverse=True)


def test_nothing_known_leaves_the_prior() -> None:
    """Without evidence the probability is the prior, about one in a hundred, and nothing is said."""
    fused = PRIOR.fuse(NOTHING_KNOWN)

    assert fused.probability == pytest.approx(0.01, abs=0.001)
    assert fused.contributions == ()


def test_copy_of_a_known_fake_weighs_more_than_everything_innocent() -> None:
    """An exact copy of a known counterfeit outweighs even an authorised, verified seller with a usual price."""
    facts = NOTHING_KNOWN
    for name, value in {
        "duplicate.known_counterfeit_distance": 0,
        "seller.authorised": True,
        "seller.verified": True,
    }.items():
        facts = facts.plus(name, value)

    assert PRIOR.fuse(facts).probability > PRIOR.fuse(NOTHING_KNOWN).probability


def test_price_says_nothing_without_a_known_brand() -> None:
    """A low price speaks of counterfeiting only where a brand is at stake."""
    cheap = NOTHING_KNOWN.plus("price.score", 5.0)

    assert PRIOR.fuse(cheap).probability == PRIOR.fuse(NOTHING_KNOWN).probability
    assert PRIOR.fuse(cheap.plus("brand.known", True)).probability > PRIOR.fuse(NOTHING_KNOWN).probability


@pytest.mark.parametrize("sign", [1, -1])
def test_price_weighs_no_more_beyond_its_limit(sign: int) -> None:
    """The model of prices is not as certain as an extreme score claims: beyond 6 it adds nothing."""
    known = NOTHING_KNOWN.plus("brand.known", True)

    at_limit, beyond = (PRIOR.fuse(known.plus("price.score", sign * score)).probability for score in (6.0, 1e9))

    assert at_limit == beyond


def test_codes_are_told_apart() -> None:
    """Reasons are keyed by code, so no two features share one."""
    assert len({feature.code for feature in FEATURES}) == len(FEATURES)


def test_explanation_merges_rules_and_contributions_without_repeating() -> None:
    """A rule's reason takes the weight of the contribution with its code; the others follow, strongest first."""
    rules = (Reason("REPLICA_WORDING", "says AAA"), Reason("MINE", "my rule"), Reason("REPLICA_WORDING", "says 1:1"))
    contributions = (Reason("REPLICA_WORDING", "replicas", 3.5), Reason("BRAND_SEEN", "seen", 0.7))

    explained = explain(rules, contributions)

    assert explained == (
        Reason("REPLICA_WORDING", "says AAA", 3.5),
        Reason("MINE", "my rule", 0.0),
        Reason("REPLICA_WORDING", "says 1:1", 0.0),
        Reason("BRAND_SEEN", "seen", 0.7),
    )
    assert sum(reason.weight for reason in explained) == sum(reason.weight for reason in contributions)


def test_explanation_is_never_empty() -> None:
    """A decision without findings says so."""
    assert [reason.code for reason in explain((), ())] == ["NO_FINDINGS"]


def test_an_authorised_seller_is_vouched_for_only_by_the_brand_that_is_shown() -> None:
    """Who is authorised for the claimed brand, but shows another, has no list that speaks for them."""
    values = {name: fact.neutral for name, fact in FACTS.items()} | {"seller.authorised": True}

    honest = PRIOR.fuse(Facts(values))
    borrowed = PRIOR.fuse(Facts(values | {"text.claim_mismatch": True}))

    assert "SELLER_AUTHORISED" in {reason.code for reason in honest.contributions}
    assert "SELLER_AUTHORISED" not in {reason.code for reason in borrowed.contributions}
