"""No takedown without a copy of a known counterfeit or a certificate, and none on a price or on photos alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.domain import Reason, Verdict
from serving.facts import FACTS, Facts, Value
from serving.gate import Permit
from serving.policy import Policy, Rule, decide
from serving.takedown import AGAINST, rests_on_copy

NEUTRAL = {name: fact.neutral for name, fact in FACTS.items()}


@dataclass
class Permissive:
    """A gate that certifies everything, and counts how often it was asked."""

    asked: list[Facts] = field(default_factory=list)

    def permit(self, facts: Facts) -> Permit:
        """Permit."""
        self.asked.append(facts)
        return Permit(certificate_id="certificate-1")


class Refusing:
    """A gate whose certificate was withdrawn."""

    def permit(self, facts: Facts) -> Permit:
        """Refuse."""
        return Permit(certificate_id="certificate-1", refusal=Reason("CERTIFICATE_WITHDRAWN", "Too many were wrong"))


class Forgetful:
    """A faulty gate: it neither refuses nor names a certificate."""

    def permit(self, facts: Facts) -> Permit:
        """Say nothing."""
        return Permit()


def _facts(**changes: Value) -> Facts:
    return Facts(NEUTRAL | {name.replace("__", "."): value for name, value in changes.items()})


def _takedown(when: object = True, *, name: str = "down") -> Rule:
    matches = when if callable(when) else lambda _: bool(when)
    return Rule(rule_id=name, verdict=Verdict.TAKEDOWN, code="DOWN", text="down", matches=matches)


ALL_DOWN = Policy(version="test@0", rules=(_takedown(),))
CORROBORATED = {"text__replica_wording": True, "seller__strikes": 4, "fused__probability": 0.999}


def test_certified_takedown_names_its_certificate() -> None:
    """With evidence of several kinds and the gate's permit, the listing comes down and the certificate is cited."""
    outcome = decide(_facts(**CORROBORATED), ALL_DOWN, Permissive())

    assert outcome.verdict is Verdict.TAKEDOWN
    assert outcome.certificate_id == "certificate-1"
    assert [reason.code for reason in outcome.reasons] == ["DOWN"]


@pytest.mark.parametrize(
    ("gate", "code"), [(Refusing(), "CERTIFICATE_WITHDRAWN"), (Forgetful(), "TAKEDOWN_NOT_CERTIFIED")]
)
def test_refusal_demotes_to_review_with_the_gates_reason(gate: Refusing | Forgetful, code: str) -> None:
    """Without a permit a person looks, the gate's reason goes last, and no certificate is cited."""
    outcome = decide(_facts(**CORROBORATED), ALL_DOWN, gate)

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.certificate_id == ""
    assert [reason.code for reason in outcome.reasons] == ["DOWN", code]


def test_gate_is_not_asked_where_no_rule_wants_a_takedown() -> None:
    """A listing that is allowed or reviewed costs the gate nothing."""
    gate = Permissive()
    review = Rule(rule_id="look", verdict=Verdict.REVIEW, code="LOOK", text="look", matches=lambda _: True)

    outcome = decide(_facts(**CORROBORATED), Policy(version="test@0", rules=(review,)), gate)

    assert (outcome.verdict, gate.asked) == (Verdict.REVIEW, [])


def test_rule_that_rests_on_a_copy_needs_no_certificate() -> None:
    """A copy of a known counterfeit takes down under the operator's rule, and no certificate is cited for it."""
    gate = Permissive()
    rule = _takedown(lambda facts: facts.values["duplicate.known_counterfeit_distance"] <= 31)
    facts = _facts(duplicate__known_counterfeit=True, duplicate__known_counterfeit_distance=8)

    outcome = decide(facts, Policy(version="test@0", rules=(rule,)), gate)

    assert (outcome.verdict, outcome.certificate_id, gate.asked) == (Verdict.TAKEDOWN, "", [])


def test_no_copy_takes_down_while_nobody_knows_of_legal_holds() -> None:
    """A court's order goes before every rule, so without the store, which knows of them, a person looks."""
    rule = _takedown(lambda facts: facts.values["duplicate.known_counterfeit"] is True)
    facts = Facts(_facts(duplicate__known_counterfeit=True).values, (Reason("STORE_UNAVAILABLE", "away"),))

    outcome = decide(facts, Policy(version="test@0", rules=(rule,)), Permissive())

    assert outcome.verdict is Verdict.REVIEW
    assert "TAKEDOWN_ON_PARTIAL_EVIDENCE" in {reason.code for reason in outcome.reasons}


@pytest.mark.parametrize("copied", [False, True])
def test_rule_rests_on_a_copy_only_when_it_would_not_apply_without(copied: bool) -> None:
    """A rule that would apply anyway does not rest on the copy that happens to be there."""
    facts = _facts(duplicate__known_counterfeit=copied, duplicate__known_counterfeit_distance=8, price__ratio=0.1)

    assert not rests_on_copy(_takedown(), facts)
    assert not rests_on_copy(_takedown(lambda facts: facts.values["price.ratio"] < 0.3), facts)
    assert rests_on_copy(_takedown(lambda facts: facts.values["duplicate.known_counterfeit"] is True), facts) == copied


def test_copy_beside_a_low_price_does_not_certify_the_price() -> None:
    """A rule about the price gets no takedown through a copy that it does not ask for."""
    rule = _takedown(lambda facts: facts.values["price.ratio"] < 0.3)
    facts = _facts(duplicate__known_counterfeit=True, price__ratio=0.1, price__score=9.0)

    assert decide(facts, Policy(version="test@0", rules=(rule,))).verdict is Verdict.REVIEW


@pytest.mark.parametrize("fault", ["a failed stage", "a figure that is none"])
def test_certificate_needs_evidence_that_is_whole(fault: str) -> None:
    """What is missing might speak for the listing (an authorised seller, say), so a person looks."""
    facts = _facts(**CORROBORATED)
    if fault == "a failed stage":
        facts = Facts(facts.values, (Reason("STAGE_FAILED", "The seller stage failed"),))
    else:
        facts = facts.plus("price.score", float("nan"))

    outcome = decide(facts, ALL_DOWN, Permissive())

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.reasons[-1].code == "TAKEDOWN_ON_PARTIAL_EVIDENCE"


# --- price alone, visual match alone ---------------------------------------------------------------------------------

_VALUES: dict[str, st.SearchStrategy[Value]] = {
    "bool": st.booleans(),
    "int": st.integers(0, 2**40),
    "double": st.floats(-1e9, 1e9),
    "string": st.text(max_size=8),
    "list<string>": st.lists(st.text(max_size=4), max_size=3),
}
# Says nothing by itself of whether goods are fake: who and what is offered, and the model's own sum.
_CONTEXT = ("listing.", "images.", "brand.", "fused.")


def _only(*kinds: str) -> st.SearchStrategy[Facts]:
    """Draw evidence of one kind, whatever the listing is and the model makes of it; all other is taken away."""
    return st.fixed_dictionaries(
        {
            name: _VALUES[fact.type] if name.startswith((*kinds, *_CONTEXT)) else st.just(fact.neutral)
            for name, fact in FACTS.items()
        }
    ).map(Facts)


_PHOTOS = ("visual.", "category.", "text.claim_mismatch")  # a claim is contradicted by what is seen


@given(facts=st.one_of(_only("price."), _only("visual."), _only(*_PHOTOS), _only()))
@settings(max_examples=300, deadline=None)
def test_one_kind_of_evidence_never_takes_down_even_with_a_certificate(facts: Facts) -> None:
    """Prices alone, visual matches alone and what else photos show take nothing down, whatever the gate permits."""
    gate = Permissive()

    outcome = decide(facts, ALL_DOWN, gate)

    assert outcome.verdict is Verdict.REVIEW
    assert outcome.reasons[-1].code == "TAKEDOWN_NOT_CORROBORATED"
    assert outcome.certificate_id == ""
    assert gate.asked == []


@given(price=st.floats(0.01, 1e6), visual=st.floats(0.5, 1.0))
@settings(max_examples=50, deadline=None)
def test_two_kinds_of_evidence_reach_the_gate(price: float, visual: float) -> None:
    """The property above is no accident: price and match together come before the gate, which decides."""
    facts = _facts(price__score=price, visual__matched=True, visual__probability=visual)

    assert decide(facts, ALL_DOWN, Permissive()).verdict is Verdict.TAKEDOWN
    assert decide(facts, ALL_DOWN).verdict is Verdict.REVIEW


def test_corroborating_facts_are_numbers_or_truths() -> None:
    """Each fact that may corroborate is one that can exceed "nothing found"."""
    for name in (name for names in AGAINST.values() for name in names):
        assert FACTS[name].type in {"bool", "int", "double"}, name
