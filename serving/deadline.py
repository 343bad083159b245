"""How much time is left? A caller's deadline, carried from the wire through every stage."""

from __future__ import annotations

import time
from dataclasses import dataclass

from serving.errors import DeadlineExceeded


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock, in seconds; None never passes."""

    at: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """Make the deadline that passes `seconds` from now; None means never."""
        return cls(None if seconds is None else time.monotonic() + seconds)

    @property
    def remaining(self) -> float | None:
        """Seconds left, not below 0; None when there is no end."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())

    def check(self, stage: str) -> None:
        """Raise `DeadlineExceeded` when the time is over, naming the stage that could not start."""
        if self.remaining == 0.0:
            raise DeadlineExceeded(f"the deadline passed before {stage}; nothing was recorded, retry with a longer one")


NEVER = Deadline()
