"""What lies in a spool's folder? For whoever looks from outside, beside a process that works there: nothing is changed.

A file is emptied when all of it is on record, so some of what is found here may be on record already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from serving.outage.set_aside import SetAside
from serving.outage.spool_file import SUFFIX, text_of
from serving.outage.spooled import from_line


@dataclass(frozen=True, kw_only=True)
class Found:
    """Decisions, by id the time when each was taken; bytes of their files; and how many lines were set aside."""

    decisions: Mapping[str, datetime]
    size: int
    set_aside: int


def look_into(folder: Path) -> Found:
    """Read the files of a spool that there are. Raises OSError, when it may not."""
    decisions: dict[str, datetime] = {}
    size = 0
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            size += path.stat().st_size
            decisions |= _decisions_in(path)
        except FileNotFoundError:  # all of it came on record meanwhile
            continue
    return Found(decisions=decisions, size=size, set_aside=SetAside(folder).count())


def _decisions_in(path: Path) -> dict[str, datetime]:
    """Find the decisions in a file; lines that cannot be used are set aside by who takes them up, and told then."""
    found: dict[str, datetime] = {}
    with path.open("rb") as stream:
        for line in stream:
            text = text_of(line) if line.endswith(b"\n") else None
            if text is None:
                continue
            try:
                record = from_line(text).record
            except ValueError:
                continue
            found[record.decision_id] = record.create_time
    return found
