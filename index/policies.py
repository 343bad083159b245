"""What is a stored policy, what became of it, and what would it have said? Versions, audit trail, shadow outcomes.

A version is immutable: its name carries the hash of its text. It goes draft -> shadow -> active -> retired, and every
step is an event with who, when and why. `serving.policy_file` compiles the text; the store only keeps it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class PolicyState(enum.StrEnum):
    """Where a version stands. At most one is ACTIVE; any number may be in SHADOW."""

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


class PolicyAction(enum.StrEnum):
    """What was done to a version. SUPERSEDE is what its successor's activation does to it."""

    SUBMIT = "submit"
    SHADOW = "shadow"
    ACTIVATE = "activate"
    SUPERSEDE = "supersede"
    RETIRE = "retire"
    ROLLBACK = "rollback"


@dataclass(frozen=True, kw_only=True)
class StoredPolicy:
    """One version: `version` is name@hash, `content` the policy file's bytes, `author` who submitted it."""

    version: str
    content: bytes
    author: str
    create_time: datetime
    state: PolicyState = PolicyState.DRAFT


@dataclass(frozen=True, kw_only=True)
class PolicyStep:
    """Who does something to a version, when and why; recorded with it."""

    actor: str
    time: datetime
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class PolicyEvent:
    """A line of the audit trail. Numbers grow in the order of the commits; `before` is None for a submission."""

    number: int
    version: str
    action: PolicyAction
    step: PolicyStep
    before: PolicyState | None
    after: PolicyState


@dataclass(frozen=True, kw_only=True)
class PoliciesInForce:
    """What decides now: `active` is None while no stored version is; `revision` grows with every event."""

    revision: int
    active: StoredPolicy | None
    shadows: tuple[StoredPolicy, ...]


@dataclass(frozen=True, kw_only=True)
class ShadowOutcome:
    """What a shadow policy would have said of one decision's facts.

    `verdict` is None when it could not be evaluated at all; `errors` counts its rules that had no answer.
    """

    policy_version: str
    verdict: str | None
    fired: tuple[str, ...] = ()
    errors: int = 0


@dataclass(frozen=True, kw_only=True)
class FactsOnRecord:
    """A decision in short, with the facts that it was taken on (`serving.facts_record` reads them)."""

    number: int
    decision_id: str
    listing_id: str
    brand: str
    verdict: str
    policy_version: str
    create_time: datetime
    facts: bytes
