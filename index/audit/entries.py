"""What stands in the audit log? One entry for each act that changes a decision, a verdict, a policy or the registry.

An entry names things by their ids and people by pseudonyms, and holds digests of what may be personal or long: so that
it can stay for ever, whatever is erased elsewhere. docs/audit.md says what each act's entry holds.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

# What an entry may hold beside its act: ids, states, digests and counts. No nesting, so that one line says it all.
Fact = str | int | bool


class Act(enum.StrEnum):
    """What somebody did, or the service itself. A new kind of act gets a new member; none is ever renamed."""

    LOG_BEGAN = "log.began"
    DECIDED = "decision.recorded"
    REMOVED = "listing.removed"
    REPORTED = "report.filed"
    VERDICT_GIVEN = "verdict.given"
    VERDICT_UNDONE = "verdict.undone"
    APPEALED = "appeal.filed"
    LEGAL_STEP = "legal.step"
    GOLD_MARKED = "gold.marked"
    GOLD_UNMARKED = "gold.unmarked"
    POLICY_CHANGED = "policy.changed"
    CERTIFICATE_CHANGED = "certificate.changed"
    TIER_SET = "certificate.tier_set"
    REGISTRY_CHANGED = "registry.changed"
    MARKS_PUT = "registry.marks_put"
    REFERENCE_IMPORTED = "registry.reference_imported"
    APPLICATION_FILED = "registry.application_filed"
    APPLICATION_DECIDED = "registry.application_decided"
    GRANT_WITHDRAWN = "registry.grant_withdrawn"
    SELLER_PUT = "seller.put"
    IDENTITY_PUT = "seller.identity_put"
    HOLD_PLACED = "hold.placed"
    HOLD_LIFTED = "hold.lifted"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    SCAN_ASKED = "scan.asked"
    SCAN_CANCELLED = "scan.cancelled"
    EVIDENCE_EXPORTED = "evidence.exported"
    EVIDENCE_LET_GO = "evidence.let_go"
    PHOTOS_LET_GO = "photos.let_go"
    ERASED = "privacy.erased"
    BACKED_UP = "backup.taken"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One act: on what (`subject`, an id that is nobody's name), by whom, and what is to be held against it later.

    `actor` is the name as the caller's credential has it, "" for the service itself. The log keeps a pseudonym of it.
    """

    act: Act
    subject: str
    actor: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


def text_of(entry: Entry, *, time: datetime, actor: str) -> str:
    """Return the entry as the log keeps it, `actor` being the pseudonym: the text that is chained, byte for byte."""
    fixed: dict[str, Fact] = {"act": str(entry.act), "actor": actor, "subject": entry.subject, "time": stamp(time)}
    return canonical(dict(entry.facts) | fixed)


def canonical(document: Mapping[str, object]) -> str:
    """Return the one way to write a document down: sorted keys, no spaces, letters as they are."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def stamp(time: datetime) -> str:
    """Return a moment in UTC, to the microsecond, in RFC 3339: texts of equal length, which sort as the moments do."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
