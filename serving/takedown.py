"""Is there enough to take a listing down without a person? What stands between a rule's TAKEDOWN and the verdict.

Part of `serving.policy`. Two ways lead there: a rule of the operator's that rests on a copy of a known counterfeit, or
a certificate of the gate. A certificate alone does not do: genuine goods match best and are sold off cheap, so neither
a price by itself nor what the photos show by itself takes anything down, however sure the model is.
"""

from __future__ import annotations

from collections.abc import Iterable

from serving.domain import Reason
from serving.facts import FACTS, Facts
from serving.gate import Permit, TakedownGate
from serving.outage.rules import STORE_UNAVAILABLE
from serving.policy_file import EvaluationError, Rule

# By kind of evidence, the facts that speak against a listing where they exceed "nothing found". A fact that is not
# listed corroborates nothing. Claim and category contradict what the photos show: the same kind as a match.
AGAINST = {
    "price": ("price.score",),
    "photos": ("visual.matched", "text.claim_mismatch", "category.mismatch"),
    "copies": ("duplicate.known_counterfeit", "duplicate.removed_listing"),
    "words": ("text.replica_wording", "text.look_alike", "text.off_platform_contact"),
    "seller": ("seller.unauthorised", "seller.strikes", "seller.ring_rate"),
    "reports": ("reports.weight",),
}
_NOT_ALONE = {"price", "photos"}
_COPY = {name: fact.neutral for name, fact in FACTS.items() if name.startswith("duplicate.known_counterfeit")}


def permit_takedown(rules: Iterable[Rule], facts: Facts, gate: TakedownGate, *, whole: bool) -> Permit:
    """Answer for the rules that ask for TAKEDOWN, which apply to these facts: a permit without `refusal` takes down.

    `whole` says that nothing failed or could not be read: what is missing might speak for the listing.
    """
    if any(fault.code == STORE_UNAVAILABLE for fault in facts.faults):
        return Permit(refusal=Reason("TAKEDOWN_ON_PARTIAL_EVIDENCE", "Whether a legal hold stands could not be asked"))
    if any(rests_on_copy(rule, facts) for rule in rules):
        return Permit()
    if not whole:
        return Permit(refusal=Reason("TAKEDOWN_ON_PARTIAL_EVIDENCE", "A takedown needs evidence that is whole"))
    kinds = {kind for kind, names in AGAINST.items() if any(_speaks(facts, name) for name in names)}
    if len(kinds) < 2 and kinds <= _NOT_ALONE:
        text = f"Nothing but {', '.join(kinds) or 'a rule'} speaks against it, which takes no listing down by itself"
        return Permit(refusal=Reason("TAKEDOWN_NOT_CORROBORATED", text))
    answer = gate.permit(facts)
    if answer.refusal is None and not answer.certificate_id:
        return Permit(refusal=Reason("TAKEDOWN_NOT_CERTIFIED", "The gate named no certificate"))
    return answer


def rests_on_copy(rule: Rule, facts: Facts) -> bool:
    """Tell whether a rule applies because a photo copies a known counterfeit: without the copy it would not."""
    if facts.values["duplicate.known_counterfeit"] is not True:
        return False
    try:
        return not rule.applies(Facts(facts.values | _COPY, facts.faults))
    except EvaluationError:
        return False


def _speaks(facts: Facts, name: str) -> bool:
    value, nothing = facts.values[name], FACTS[name].neutral
    assert isinstance(value, int | float)
    assert isinstance(nothing, int | float)
    return value > nothing
