"""What does a sweep find? A reference's hits among the listings already screened, each with the case that it feeds."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from vision.regions import Box

# Why a case was opened whose decision did not call for one.
SWEEP_MATCH = "SWEEP_MATCH"


class SweepStep(enum.StrEnum):
    """What became of a hit."""

    OPENED = "opened"  # a case was opened for it
    JOINED = "joined"  # a case about the decision waits already, and the hit is noted there
    KNOWN = "known"  # an earlier sweep found it
    OUTGROWN = "outgrown"  # the listing was screened again, or removed, since it was found


@dataclass(frozen=True, kw_only=True)
class SweepHit:
    """A region of a listing that looks like a reference, by the listing's latest decision; a cosine, -1..1."""

    decision_id: str
    reference_id: str
    image_index: int
    box: Box
    similarity: float
    create_time: datetime
    case_id: str = ""
