"""Given the evidence, what happens to the listing? The policy: rules as data, evaluated by a pure function.

A policy file is YAML; each rule's `when` is a CEL expression over the typed facts of `serving.facts`. It is compiled
when loaded (`serving.policy_file`), so an unknown name or a type error is refused with file and line before it can meet
a listing.

What no policy can switch off stands in code: a rule that fails to evaluate gives at least REVIEW, and so does a photo
that could not be read, a stage that failed or a figure that is none; a TAKEDOWN needs a copy of a known counterfeit,
because neither a price nor a visual match alone shows that goods are fake.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from serving.domain import Reason, Verdict
from serving.facts import Facts, Value
from serving.policy_file import DEFAULT_POLICY, PLACEHOLDER, EvaluationError, Policy, Rule, load_policy

__all__ = ["DEFAULT_POLICY", "Outcome", "Policy", "Rule", "decide", "load_policy"]

_PRECEDENCE = (Verdict.ALLOW, Verdict.REVIEW, Verdict.TAKEDOWN)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A verdict, the reasons for it, and the ids of the rules that fired (in the policy's order)."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    fired: tuple[str, ...]


def decide(facts: Facts, policy: Policy) -> Outcome:
    """Apply every rule; the gravest verdict stands, with all reasons. ALLOW when no rule fires."""
    verdict = Verdict.ALLOW
    reasons: list[Reason] = []
    fired: list[str] = []
    for rule in policy.rules:
        try:
            matched = rule.matches(facts)
        except EvaluationError as error:
            # A missing value must never skip a rule silently: a person looks instead.
            verdict = _graver(verdict, Verdict.REVIEW)
            reasons.append(Reason("POLICY_ERROR", f"Rule {rule.rule_id!r} could not be evaluated: {error}"))
            continue
        if matched:
            effect = rule.verdict
            if effect is Verdict.TAKEDOWN and facts.values["duplicate.known_counterfeit"] is not True:
                effect = Verdict.REVIEW
                text = f"Rule {rule.rule_id!r} asks for TAKEDOWN without a copy of a known counterfeit"
                reasons.append(Reason("TAKEDOWN_NOT_CERTIFIED", text))
            verdict = _graver(verdict, effect)
            reasons.append(Reason(rule.code, _fill(rule.text, facts)))
            fired.append(rule.rule_id)
    for fault in (*facts.faults, *_no_figures(facts)):
        verdict = _graver(verdict, Verdict.REVIEW)
        reasons.append(fault)
    return Outcome(verdict=verdict, reasons=tuple(reasons), fired=tuple(fired))


def _no_figures(facts: Facts) -> Iterator[Reason]:
    """Find figures that are none. Every comparison with one is false, so that no rule would fire on it."""
    for name, value in facts.values.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield Reason("FACT_NOT_A_NUMBER", f"{name} is {value}; a person must look")


def _graver(one: Verdict, other: Verdict) -> Verdict:
    return max(one, other, key=_PRECEDENCE.index)


def _fill(text: str, facts: Facts) -> str:
    return PLACEHOLDER.sub(lambda match: _words(facts.values[match.group(1)]), text)


def _words(value: Value) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"
        case list():
            return ", ".join(value)
        case _:
            return str(value)
