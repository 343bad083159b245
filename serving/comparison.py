"""What would another policy have changed? Verdicts as they were beside those that it gives, counted and exemplified.

`touchstone policy backtest` evaluates a policy on the facts of stored decisions; `touchstone policy compare` reads what
a shadow policy said when the decisions were taken. Both end in a `Comparison`, which `serving.comparison_page` draws.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from index.policies import FactsOnRecord, ShadowOutcome
from serving.domain import Verdict
from serving.facts import Facts, Value
from serving.facts_record import unpack
from serving.gate import TakedownGate
from serving.policy import Policy, decide

# Of each kind of change; enough to see what it is about.
EXAMPLES = 5
# Of brands, categories and markets: names as sellers typed them have no end.
MOST_NAMES = 100
UNKNOWN = "(unknown)"
VERDICTS = tuple(str(verdict) for verdict in Verdict)


@dataclass(frozen=True)
class Compared:
    """One decision: what was said, what the other policy says, by which of its rules."""

    decision: FactsOnRecord
    facts: Facts
    verdict: str | None
    fired: tuple[str, ...]
    errors: int

    @property
    def change(self) -> tuple[str, str] | None:
        """The verdict as it was and as it would be; None when it stays or there is none."""
        if self.verdict is None or self.verdict == self.decision.verdict:
            return None
        return self.decision.verdict, self.verdict


@dataclass(frozen=True, kw_only=True)
class Example:
    """A decision that would change."""

    decision_id: str
    listing_id: str
    before: str
    after: str
    rules: tuple[str, ...]
    brand: str
    category: str
    market: str
    price_ratio: float | None
    probability: float | None


@dataclass
class Tally:
    """Decisions of one kind: how many, how many would change, and how."""

    decisions: int = 0
    changed: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, change: tuple[str, str] | None) -> None:
        """Count one decision."""
        self.decisions += 1
        if change is not None:
            self.changed += 1
            self.changes[change] += 1


@dataclass
class Comparison:
    """The counts over all decisions looked at; `matrix` is by verdict as it was and as it would be."""

    version: str
    total: Tally = field(default_factory=Tally)
    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: dict[str, Tally] = field(default_factory=dict)
    brands: dict[str, Tally] = field(default_factory=dict)
    categories: dict[str, Tally] = field(default_factory=dict)
    markets: dict[str, Tally] = field(default_factory=dict)
    policies: Counter[str] = field(default_factory=Counter)
    rule_errors: int = 0
    failed: int = 0
    examples: dict[tuple[str, str], list[Example]] = field(default_factory=dict)

    def add(self, one: Compared) -> None:
        """Count one decision; without a verdict it counts as failed only."""
        self.policies[one.decision.policy_version] += 1
        self.rule_errors += one.errors if one.verdict is not None else 0
        if one.verdict is None:
            self.failed += 1
            return
        self.matrix[one.decision.verdict, one.verdict] += 1
        self.total.add(one.change)
        example = _example(one)
        for rule_id in one.fired:
            self.rules.setdefault(rule_id, Tally()).add(one.change)
        for tallies, name in (
            (self.brands, example.brand),
            (self.categories, example.category),
            (self.markets, example.market),
        ):
            tallies.setdefault(name or UNKNOWN, Tally()).add(one.change)
        if one.change is not None:
            shown = self.examples.setdefault(one.change, [])
            if len(shown) < EXAMPLES:
                shown.append(example)

    def document(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "version": self.version,
            "decisions": self.total.decisions,
            "changed": self.total.changed,
            "failed": self.failed,
            "rule_errors": self.rule_errors,
            "compared_with": dict(self.policies.most_common()),
            "matrix": {was: {now: self.matrix[was, now] for now in VERDICTS} for was in VERDICTS},
            **{
                kind: {name: _counts(tally) for name, tally in ranked(getattr(self, kind))[:MOST_NAMES]}
                for kind in ("rules", "brands", "categories", "markets")
            },
            "examples": [asdict(one) for shown in self.examples.values() for one in shown],
        }


def ranked(tallies: dict[str, Tally]) -> list[tuple[str, Tally]]:
    """Put what changes most first."""
    return sorted(tallies.items(), key=lambda item: (-item[1].changed, -item[1].decisions, item[0]))


def backtest(
    decisions: Iterable[FactsOnRecord], policy: Policy, gate: TakedownGate, *, damaged: Callable[[str], None]
) -> Comparison:
    """Evaluate a policy on stored decisions' facts; `damaged` is told of those whose facts cannot be read."""

    def evaluate(decision: FactsOnRecord, facts: Facts) -> Compared:
        outcome = decide(facts, policy, gate)
        return Compared(decision, facts, str(outcome.verdict), outcome.fired, outcome.errors)

    return _compare(policy.version, ((decision, evaluate) for decision in decisions), damaged)


def compare_shadow(
    version: str, outcomes: Iterable[tuple[FactsOnRecord, ShadowOutcome]], *, damaged: Callable[[str], None]
) -> Comparison:
    """Count what a shadow policy said when the decisions were taken."""

    def recall(said: ShadowOutcome) -> Callable[[FactsOnRecord, Facts], Compared]:
        return lambda decision, facts: Compared(decision, facts, said.verdict, said.fired, said.errors)

    return _compare(version, ((decision, recall(said)) for decision, said in outcomes), damaged)


def _compare(
    version: str,
    decisions: Iterable[tuple[FactsOnRecord, Callable[[FactsOnRecord, Facts], Compared]]],
    damaged: Callable[[str], None],
) -> Comparison:
    comparison = Comparison(version)
    for decision, look in decisions:
        try:
            facts = unpack(decision.facts)
        except ValueError as error:
            damaged(f"{decision.decision_id}: {error}")
            continue
        comparison.add(look(decision, facts))
    return comparison


def _counts(tally: Tally) -> dict[str, Any]:
    changes = {f"{was}>{now}": count for (was, now), count in sorted(tally.changes.items())}
    return {"decisions": tally.decisions, "changed": tally.changed, "changes": changes}


def _example(one: Compared) -> Example:
    values = one.facts.values
    return Example(
        decision_id=one.decision.decision_id,
        listing_id=one.decision.listing_id,
        before=one.decision.verdict,
        after=str(one.verdict),
        rules=one.fired,
        brand=str(values["brand.name"]),
        category=str(values["category.predicted"] or values["category.declared_path"]),
        market=str(values["listing.market"]),
        price_ratio=_figure(values["price.ratio"]),
        probability=_figure(values["fused.probability"]),
    )


def _figure(value: Value) -> float | None:
    """Leave out what is no figure: JSON has no word for it."""
    return value if isinstance(value, float) and math.isfinite(value) else None
