"""Given the evidence, what happens to the listing? The policy: rules as data, evaluated by a pure function.

A policy file is YAML; each rule's `when` is a CEL expression over the typed facts of `serving.facts`. It is compiled
when loaded (`serving.policy_file`), so an unknown name or a type error is refused with file and line before it can meet
a listing.

What no policy can switch off stands in code: a legal hold goes before everything; a rule that fails to evaluate gives
at least REVIEW, and so does a photo that could not be read, a stage that failed or a figure that is none; a TAKEDOWN
needs a copy of a known counterfeit or a certificate (`serving.takedown`), because neither a price nor a visual match
alone shows that goods are fake.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from serving.domain import Reason, Verdict
from serving.facts import Facts, Value
from serving.gate import UNCERTIFIED, TakedownGate
from serving.policy_file import DEFAULT_POLICY, PLACEHOLDER, EvaluationError, Policy, Rule, load_policy
from serving.takedown import permit_takedown

__all__ = ["DEFAULT_POLICY", "Outcome", "Policy", "Rule", "decide", "load_policy"]

_PRECEDENCE = (Verdict.ALLOW, Verdict.REVIEW, Verdict.TAKEDOWN)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A verdict, the reasons for it, and the ids of the rules that fired (in the policy's order).

    `certificate_id` names what a takedown rests on, unless that is a copy of a known counterfeit or a legal hold;
    `errors` counts the rules that had no answer.
    """

    verdict: Verdict
    reasons: tuple[Reason, ...]
    fired: tuple[str, ...]
    certificate_id: str = ""
    errors: int = 0


def decide(facts: Facts, policy: Policy, gate: TakedownGate = UNCERTIFIED) -> Outcome:
    """Apply every rule; the gravest verdict stands, with all reasons. ALLOW when no rule fires.

    A TAKEDOWN that `serving.takedown` refuses becomes REVIEW; a legal hold goes before all rules.
    """
    fired, reasons, errors = _apply(policy, facts)
    faults = (*facts.faults, *_no_figures(facts))
    reasons += faults
    verdict = max((rule.verdict for rule in fired), key=_PRECEDENCE.index, default=Verdict.ALLOW)
    certificate_id = ""
    if verdict is Verdict.TAKEDOWN:
        asking = [rule for rule in fired if rule.verdict is Verdict.TAKEDOWN]
        permit = permit_takedown(asking, facts, gate, whole=not faults)
        certificate_id = permit.certificate_id
        if permit.refusal is not None:
            verdict, certificate_id = Verdict.REVIEW, ""
            reasons.append(permit.refusal)
    if verdict is Verdict.ALLOW and (errors or faults):
        verdict = Verdict.REVIEW
    if (ordered := _legal_hold(facts)) is not None:
        verdict, certificate_id = ordered, ""
        reasons.insert(0, Reason("LEGAL_HOLD", str(facts.values["legal_hold.reason"])))
    return Outcome(
        verdict=verdict,
        reasons=tuple(reasons),
        fired=tuple(rule.rule_id for rule in fired),
        certificate_id=certificate_id,
        errors=errors,
    )


def _apply(policy: Policy, facts: Facts) -> tuple[list[Rule], list[Reason], int]:
    """Find the rules that fire, with a reason each, and one for each rule that has no answer; count the latter."""
    fired: list[Rule] = []
    reasons: list[Reason] = []
    for rule in policy.rules:
        try:
            if rule.applies(facts):
                fired.append(rule)
                reasons.append(Reason(rule.code, _fill(rule.text, facts)))
        except EvaluationError as error:
            # A missing value must never skip a rule silently: a person looks instead.
            reasons.append(Reason("POLICY_ERROR", f"Rule {rule.rule_id!r} could not be evaluated: {error}"))
    return fired, reasons, len(reasons) - len(fired)


def _legal_hold(facts: Facts) -> Verdict | None:
    """Say what the orders on this listing force, None when there are none. Nothing else than TAKEDOWN takes it down."""
    if facts.values["legal_hold.active"] is not True:
        return None
    return Verdict.TAKEDOWN if facts.values["legal_hold.verdict"] == Verdict.TAKEDOWN else Verdict.REVIEW


def _no_figures(facts: Facts) -> Iterator[Reason]:
    """Find figures that are none. Every comparison with one is false, so that no rule would fire on it."""
    for name, value in facts.values.items():
        if isinstance(value, float) and not math.isfinite(value):
            yield Reason("FACT_NOT_A_NUMBER", f"{name} is {value}; a person must look")


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
