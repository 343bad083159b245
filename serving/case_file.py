"""What belongs to a case? Everything that is read of it at once, for `serving.cases` and what stands on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from index.case_records import Case
from index.check_records import Check
from index.decision_records import DecisionRecord
from index.reports import Report, ReporterRecord
from index.rulings import Appeal, Resolution


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    """A case with everything that belongs to it, as of `read_time`. `check` is what it is made of if it is one."""

    case: Case
    decision: DecisionRecord
    resolutions: tuple[Resolution, ...]
    reports: tuple[Report, ...]
    reporters: Mapping[str, ReporterRecord]
    appeals: tuple[Appeal, ...]
    read_time: datetime
    check: Check | None = None
