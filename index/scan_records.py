"""What is a bulk scan to the store? Who wants what, how far it is, and which process works on it. A frozen record.

`index.store.scan_queue` keeps the records and hands them out to the processes that work; what a scan reads, decides and
writes is `serving`'s. All times are timezone-aware.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class ScanState(enum.StrEnum):
    """How far a scan has come."""

    PLANNED = "planned"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


# Those that write to their output, now or when it is their turn.
UNFINISHED = (ScanState.QUEUED, ScanState.RUNNING, ScanState.CANCELLING)
# Those that a process works on, and says so again and again.
AT_WORK = (ScanState.RUNNING, ScanState.CANCELLING)
# Those that somebody may set to work.
RESUMABLE = (ScanState.PLANNED, ScanState.CANCELLED, ScanState.INTERRUPTED)
# Those that stay as they are until somebody asks for more.
ENDED = (ScanState.CANCELLED, ScanState.INTERRUPTED, ScanState.FAILED, ScanState.SUCCEEDED)

MAX_ATTEMPTS = 3
"""How often a scan is taken up without coming any further before it waits for a person: it may be what kills them."""


@dataclass(frozen=True, kw_only=True)
class ScanRecord:
    """One scan. `spec`, `plan`, `progress`, `versions` and `error` are opaque to the store; b"" is none.

    `output` names the file that it writes, always in the same way. `queue_time` is its place in the queue. While it is
    at work, `worker` names who works on it, and `beat_time` is when it was last heard of. `attempts` counts how often
    it was taken up since it last came further. `revision` grows whenever anybody would see a difference.
    """

    scan_id: str
    state: ScanState
    spec: bytes
    output: str
    started_by: str
    create_time: datetime
    plan: bytes = b""
    progress: bytes = b""
    versions: bytes = b""
    error: bytes = b""
    queue_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    worker: str = ""
    beat_time: datetime | None = None
    attempts: int = 0
    revision: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing happens to it by itself any more."""
        return self.state in ENDED
