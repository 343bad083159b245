"""Which policies decide on the listing that comes in now? The active one and those in shadow, kept as the store says.

A listing takes `Policies` once and keeps them to its end, so a reload drops no request and no decision names two
versions. A stored policy that this release cannot compile is refused: the one in use stays, and the log,
`Holder.stale_since` and `touchstone doctor` say so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.policies import PoliciesInForce, ShadowOutcome, StoredPolicy
from index.store.store import Store
from serving.errors import PolicyError
from serving.facts import Facts
from serving.gate import TakedownGate
from serving.policy import Policy, decide
from serving.policy_file import compile_policy
from vision.taxonomy import Taxonomy

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Policies:
    """What decides and what is evaluated beside it, compiled. `refused` says which shadows this release cannot read."""

    active: Policy
    shadows: tuple[Policy, ...] = ()
    refused: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, kw_only=True)
class PolicySource:
    """Where policies come from: the store, and the settings' policy while none in the store is active."""

    store: Store
    bootstrap: Policy
    taxonomy: Callable[[], Taxonomy]

    def open(self) -> Policies:
        """Compile what is in force. Raises PolicyError when the active policy cannot be used."""
        return self._compile(self.store.policies_in_force())

    def renew(self, old: Policies) -> Policies | None:
        """Compile what has changed since `old`; None when nothing has. Raises PolicyError as `open` does."""
        if self.store.policy_revision() == old.revision:
            return None
        new = self._compile(self.store.policies_in_force())
        log.info("policy %s decides; in shadow: %s", new.active.version, [policy.version for policy in new.shadows])
        return new

    def _compile(self, stored: PoliciesInForce) -> Policies:
        active = self.bootstrap if stored.active is None else compile_stored(stored.active, self.taxonomy)
        shadows, refused = [], []
        for policy in stored.shadows:
            try:
                shadows.append(compile_stored(policy, self.taxonomy))
            except PolicyError as error:
                log.exception("the shadow policy %s is left out", policy.version)
                refused.append(str(error))
        return Policies(active=active, shadows=tuple(shadows), refused=tuple(refused), revision=stored.revision)


def compile_stored(policy: StoredPolicy, taxonomy: Callable[[], Taxonomy]) -> Policy:
    """Compile a stored version, and see that it still is what its name says. Raises PolicyError."""
    source = Path(f"stored policy {policy.version}")
    compiled = compile_policy(policy.content, source=source, taxonomy=taxonomy)
    if compiled.version != policy.version:
        says = f"its text is that of {compiled.version!r}: the stored version was changed; put back a backup"
        raise PolicyError(says, file=source, line=0)
    return compiled


def shadow_outcomes(facts: Facts, shadows: Sequence[Policy], gate: TakedownGate) -> tuple[ShadowOutcome, ...]:
    """Say what each shadow policy would have decided; one that cannot be evaluated has no verdict, and harms nobody."""
    return tuple(_shadow_outcome(facts, policy, gate) for policy in shadows)


def _shadow_outcome(facts: Facts, policy: Policy, gate: TakedownGate) -> ShadowOutcome:
    try:
        outcome = decide(facts, policy, gate)
    except Exception:  # whatever it is, the active policy has decided
        log.exception("the shadow policy %s failed", policy.version)
        return ShadowOutcome(policy_version=policy.version, verdict=None, errors=1)
    return ShadowOutcome(
        policy_version=policy.version, verdict=str(outcome.verdict), fired=outcome.fired, errors=outcome.errors
    )
