"""What were callers told while everything broke? Every answer, when it came, and what it promised."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from touchstone.moderation.v1 import decision_pb2

# A call may end this much after its deadline: the answer has to travel, and this machine is shared.
GRACE_S = 2.0


@dataclass(frozen=True)
class Call:
    """One call: what was asked, when (seconds since the beginning) and how it ended."""

    kind: str
    began_s: float
    took_s: float
    outcome: str


@dataclass
class Account:
    """What was acknowledged, and what was wrong. Thread-safe."""

    began: float = field(default_factory=time.monotonic)
    calls: list[Call] = field(default_factory=list)
    decisions: dict[str, decision_pb2.Decision] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)  # reference id: sha256 of its file
    resolutions: dict[str, str] = field(default_factory=dict)  # case id: resolution id
    scans: dict[str, str] = field(default_factory=dict)  # scan id: how it ended
    wrong: list[str] = field(default_factory=list)
    verdicts: dict[str, set[str]] = field(default_factory=dict)
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, MiB
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def note(self, call: Call, *, deadline_s: float) -> None:
        """Count a call; one that outlived its deadline is wrong."""
        with self.lock:
            self.calls.append(call)
            if call.took_s > deadline_s + GRACE_S:
                self.wrong.append(f"stuck: {call.kind} took {call.took_s:.1f} s of {deadline_s:.0f} s ({call.outcome})")
            if call.outcome in ("INTERNAL", "UNKNOWN"):
                self.wrong.append(f"{call.kind} answered {call.outcome} at {call.began_s:.1f} s")

    def told(self, kind: str, decision: decision_pb2.Decision, expected: set[str]) -> None:
        """Keep a decision; a verdict that is not among the `expected` ones is wrong."""
        verdict = decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_")
        with self.lock:
            self.decisions[decision.decision_id] = decision
            self.verdicts.setdefault(kind, set()).add(verdict)
            if verdict not in expected:
                codes = ", ".join(reason.code for reason in decision.reasons)
                self.wrong.append(f"{kind} listing {decision.listing_id} is {verdict} ({codes})")

    def fail(self, what: str) -> None:
        """Note something wrong."""
        with self.lock:
            self.wrong.append(what)

    def outcomes(self) -> dict[str, Counter[str]]:
        """Count how calls ended, by kind."""
        counted: dict[str, Counter[str]] = {}
        for call in self.calls:
            counted.setdefault(call.kind, Counter())[call.outcome] += 1
        return counted
