"""What is known of a decision that waits in the spool? Enough to find it, without what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from index.decision_records import DecisionRecord
from serving.outage.spool_file import Span, SpoolFile
from serving.outage.spooled import from_line
from serving.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A decision that waits: whose it is, when it was taken, and where its line lies."""

    decision_id: str
    listing_id: str
    key: str | None
    request_sha256: str
    create_time: datetime
    file: SpoolFile
    span: Span

    @classmethod
    def of(cls, record: DecisionRecord, file: SpoolFile, span: Span) -> Self:
        """Take from a decision what is known of it while it waits."""
        return cls(
            decision_id=record.decision_id,
            listing_id=record.listing_id,
            key=record.idempotency_key,
            request_sha256=record.request_sha256,
            create_time=record.create_time,
            file=file,
            span=span,
        )

    def recording(self) -> Recording:
        """Read it. Raises OSError, ValueError."""
        return from_line(self.file.read(self.span))
