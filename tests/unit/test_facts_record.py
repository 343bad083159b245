"""Facts on record come back as they were, in this release and in later ones, and take little room."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.domain import Reason
from serving.facts import FACTS, Facts, Value
from serving.facts_record import pack, unpack

GOLDEN = Path(__file__).parents[1] / "golden" / "facts_v1"

_VALUES: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans(),
    "int": st.integers(0, 2**62),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=8),
    "list<string>": st.lists(st.text(max_size=4), max_size=3),
}
ANY_FACTS = st.builds(
    Facts,
    st.fixed_dictionaries({name: _VALUES[fact.type] for name, fact in FACTS.items()}),
    st.lists(st.builds(Reason, st.just("STAGE_FAILED"), st.text(max_size=9)), max_size=2).map(tuple),
)


@given(facts=ANY_FACTS)
@settings(max_examples=100, deadline=None)
def test_facts_come_back_as_they_were(facts: Facts) -> None:
    """Every value and every fault, whatever letters and figures they hold."""
    assert unpack(pack(facts)) == facts


def test_figure_that_is_none_comes_back() -> None:
    """NaN and infinity are facts as well: a backtest must find the same fault in them."""
    facts = Facts({name: fact.neutral for name, fact in FACTS.items()}).plus("price.score", float("-inf"))

    back = unpack(pack(facts.plus("price.ratio", float("nan")))).values

    assert back["price.score"] == float("-inf")
    assert back["price.ratio"] != back["price.ratio"]


def test_facts_of_format_1_keep_their_meaning() -> None:
    """What an earlier release wrote is read as it was meant, and facts that it did not know are neutral."""
    expected = json.loads((GOLDEN / "values.json").read_text(encoding="utf-8"))

    facts = unpack((GOLDEN / "facts.zlib").read_bytes())

    assert {name: facts.values[name] for name in expected} == expected
    assert all(facts.values[name] == FACTS[name].neutral for name in FACTS.keys() - expected.keys())
    assert facts.faults == (Reason("IMAGE_UNREADABLE", "1 of 3 photos could not be used: TRUNCATED"),)


def test_fact_that_this_release_does_not_know_is_passed_over() -> None:
    """A fact that was dropped later is no obstacle."""
    data = zlib.compress(json.dumps({"v": 1, "facts": {"moon.phase": 3}, "faults": []}).encode())

    assert unpack(data).values == {name: fact.neutral for name, fact in FACTS.items()}


@pytest.mark.parametrize("data", [b"", b"not zlib", zlib.compress(b'{"v": 2, "facts": {}, "faults": []}')])
def test_damaged_and_newer_facts_are_refused(data: bytes) -> None:
    """What cannot be read is said to be so, instead of passing for silence."""
    with pytest.raises(ValueError, match="facts on record are"):
        unpack(data)


def test_a_listing_full_of_findings_takes_less_than_a_kilobyte() -> None:
    """Even where every fact is known, what lies beside a decision stays below 1,000 bytes."""
    dice = random.Random(0)
    filled: dict[str, Value] = {}
    for name, fact in FACTS.items():
        typed: dict[str, Value] = {
            "bool": True, "int": dice.randrange(10**6), "double": dice.random(), "string": f"{name} as typed",
            "list<string>": [f"{name} as written"],
        }  # fmt: skip
        filled[name] = typed[fact.type]

    assert len(pack(Facts(filled))) < 1_000
