"""What could not be scanned, and why? A scan's faults file, grouped by code, a line at a time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from serving.scan.blocks import ScanFault

EXAMPLES = 20
# Of a line of the file: a message names a file at most.
_MOST_BYTES = 2**16
# Codes are few (see ScanFault); a file with more is not a scan's.
_MOST_CODES = 50
UNREADABLE = "(line of the faults file that is none)"


@dataclass(frozen=True, kw_only=True)
class FaultGroup:
    """Faults of one code: how many, and the first of them."""

    code: str
    count: int
    first: tuple[ScanFault, ...]


def read_faults(path: Path) -> tuple[FaultGroup, ...]:
    """Group a faults file by code, the most frequent first. Raises OSError when it cannot be read."""
    counts: Counter[str] = Counter()
    first: dict[str, list[ScanFault]] = defaultdict(list)
    with path.open("rb") as stream:
        while line := stream.readline(_MOST_BYTES):
            while not line.endswith(b"\n") and (rest := stream.readline(_MOST_BYTES)):
                line = b"\n" if rest.endswith(b"\n") else b"overlong"
            fault = _fault(line)
            code = fault.code if fault.code in counts or len(counts) < _MOST_CODES else UNREADABLE
            counts[code] += 1
            if len(first[code]) < EXAMPLES:
                first[code].append(fault)
    return tuple(FaultGroup(code=code, count=count, first=tuple(first[code])) for code, count in counts.most_common())


def _fault(line: bytes) -> ScanFault:
    try:
        values = json.loads(line)
        return ScanFault(
            line=int(values["line"]),
            listing_id=str(values["listing_id"]),
            code=str(values["code"]),
            message=str(values["message"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return ScanFault(line=0, listing_id="", code=UNREADABLE, message="")
