"""What do bulk scans read of the store, and what becomes of what they find? Frozen records of both.

A scan that decides again takes each listing by its latest decision; one that opens cases holds its findings against the
verdicts in force. `index.store.scans` reads and writes them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from index.decision_records import DecisionRecord

# Why a case was opened whose decision did not call for one.
SCAN_WORSE = "SCAN_VERDICT_WORSE"
# The verdicts, from the mildest to the gravest.
GRAVITY = ("ALLOW", "REVIEW", "TAKEDOWN")


class ScanStep(enum.StrEnum):
    """What becomes of a listing that a scan found something about."""

    OPENED = "opened"  # a case is opened for it
    JOINED = "joined"  # a case about the decision waits already
    KNOWN = "known"  # this scan opened its case before
    AS_GRAVE = "as_grave"  # the verdict in force is as grave, or graver
    GONE = "gone"  # it was removed from the marketplace, or decided anew meanwhile
    UNSCREENED = "unscreened"  # there is no decision that a case could be about


@dataclass(frozen=True, kw_only=True)
class ScreenedListing:
    """A listing by its latest decision; `verdict` is the one in force."""

    listing_id: str
    number: int
    decision_id: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class DecidedListing:
    """A decision with what deciding again needs.

    `facts` is None where an older release kept none; `hashes` are the photos' PDQ hashes by the files' sha256 (hex).
    """

    record: DecisionRecord
    facts: bytes | None
    hashes: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class ListingStanding:
    """How a listing stands: its latest decision, the verdict in force, whether it is on sale and a case waits."""

    decision_id: str
    verdict: str
    removed: bool
    waits: bool

    def step(self, verdict: str) -> ScanStep:
        """Say what follows from a scan's verdict on it."""
        if self.removed:
            return ScanStep.GONE
        if GRAVITY.index(verdict) <= GRAVITY.index(self.verdict):
            return ScanStep.AS_GRAVE
        return ScanStep.JOINED if self.waits else ScanStep.OPENED
