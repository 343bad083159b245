"""What do people decide? Frozen records of outcomes, resolutions, batches of them, and appeals.

`index.store.resolutions` brings a `Ruling` into force as a `Resolution`, or undoes one. All times are timezone-aware.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime


class Ground(enum.StrEnum):
    """On what a restriction rests."""

    ILLEGAL_CONTENT = "ILLEGAL_CONTENT"
    TERMS = "TERMS"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What the seller is told (Regulation (EU) 2022/2065, Article 17); empty `territories` are all."""

    ground: Ground
    ground_reference: str
    explanation: str
    facts: str
    territories: tuple[str, ...] = ()
    end_time: datetime | None = None
    automated_detection: bool = False
    automated_decision: bool = False
    right_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a person decides: `verdict` is ALLOW or TAKEDOWN, `note` is for colleagues only."""

    verdict: str
    reason_code: str = ""
    note: str = ""
    statement: Statement | None = None

    @property
    def takes_down(self) -> bool:
        """Whether the listing must not be shown."""
        return self.verdict == "TAKEDOWN"

    def detected(self, *, automatically: bool) -> Outcome:
        """Return the outcome with what its statement says of automated means; a person always decided."""
        if self.statement is None:
            return self
        return replace(
            self, statement=replace(self.statement, automated_detection=automatically, automated_decision=False)
        )


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """A decision by a person. `reviewer` and `second_reviewer` are pseudonyms.

    It is not `in_force` while it waits for a second person. `appeal_id` names the appeal that it decides, or is "".
    """

    resolution_id: str
    case_id: str
    decision_id: str
    outcome: Outcome
    reviewer: str
    resolve_time: datetime
    second_reviewer: str = ""
    batch_id: str = ""
    appeal_id: str = ""
    in_force: bool = True
    undo_time: datetime | None = None
    undo_reason: str = ""
    undone_by: str = ""

    @property
    def stands(self) -> bool:
        """Whether nobody undid it."""
        return self.undo_time is None

    def held_at(self, moment: datetime) -> bool:
        """Tell whether it was given by then, needed nobody else, and was not undone yet."""
        undone = self.undo_time is not None and self.undo_time <= moment
        return self.in_force and self.resolve_time <= moment and not undone


@dataclass(frozen=True, kw_only=True)
class RequestKey:
    """An idempotency key with the digest of the request that it came with; `scope` is the rpc and who called it."""

    scope: str
    request_id: str
    request_sha256: str


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """A person's wish to resolve a case: `holder` is their name, `reviewer` their pseudonym.

    Without `lease_token` it is enough that nobody else holds the case. A takedown whose expected harm is at least
    `second_review_harm` waits for a second person; None means that none does. `revision`, if given, must be the case's.
    """

    outcome: Outcome
    holder: str
    reviewer: str
    time: datetime
    lease_token: str | None = None
    revision: int | None = None
    second_review_harm: float | None = None
    batch_id: str = ""
    request: RequestKey | None = None


@dataclass(frozen=True, kw_only=True)
class BatchItem:
    """One case of a batch: its resolution, or why there is none (`error`, opaque to the store), or neither yet."""

    position: int
    case_id: str
    resolution_id: str = ""
    error: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Cases that are resolved in the same way, in the order of the request or of the queue."""

    batch_id: str
    create_time: datetime
    items: tuple[BatchItem, ...]


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The verdict on a decision that holds, and since when it has without a break: who confirms it begins nothing."""

    verdict: str
    since: datetime


# --- appeals ---------------------------------------------------------------------------------------------------------


class AppealState(enum.StrEnum):
    """Where an appeal leads."""

    RECEIVED = "RECEIVED"
    FORWARDED = "FORWARDED"
    GRANTED = "GRANTED"
    DENIED = "DENIED"
    WITHDRAWN = "WITHDRAWN"


UNDECIDED = (AppealState.RECEIVED, AppealState.FORWARDED)


@dataclass(frozen=True, kw_only=True)
class Appeal:
    """A seller's appeal against a decision. `reviewer` is the pseudonym of who decided it, `answer` what was told."""

    appeal_id: str
    decision_id: str
    case_id: str
    appellant_id: str
    statement: str
    create_time: datetime
    due_time: datetime
    document_sha256s: tuple[str, ...] = ()
    state: AppealState = AppealState.RECEIVED
    reviewer: str = ""
    answer: str = ""
    decide_time: datetime | None = None
