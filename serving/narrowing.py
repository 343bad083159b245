"""May an owner's new references be active at once? Not while too few of its notices were upheld.

Then a person looks at each before it is matched, as at one that is too broad. `NoticeTally.narrows` has the rule; the
way out is better notices, for only the last ones decided count.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from index.portal_records import LEAST_ACCEPTED, NoticeTally
from index.records import ReferenceState
from serving.access.caller import BRAND_OWNER, Caller
from serving.scoping import Assessment


class Notices(Protocol):
    """What of the store is asked."""

    def notice_tally(self, brand_id: str) -> NoticeTally:
        """Count how the last decided reports of a brand's owner fared."""


def unless_narrowed(found: Assessment, brand_id: str, caller: Caller, *, store: Notices) -> Assessment:
    """Return the assessment, or a quarantine in its place where an owner's self-service is narrowed."""
    if found.state is not ReferenceState.ACTIVE or BRAND_OWNER not in caller.roles:
        return found
    tally = store.notice_tally(brand_id)
    return replace(found, state=ReferenceState.QUARANTINED, reason=why(tally)) if tally.narrows else found


def why(tally: NoticeTally) -> str:
    """Say why an owner's references wait, and how that ends."""
    return (
        f"Held back for a person: of the last {tally.decided} notices of this brand's owner that were decided, "
        f"{tally.upheld} ({100 * tally.upheld // tally.decided}%) were upheld. A moderator looks at it and can release "
        f"it. References are active at once again when {LEAST_ACCEPTED:.0%} are."
    )
