"""What does a scan tell whoever runs it? Counts and first faults, as lines of JSON from its process to the service.

`touchstone scan run --progress-json` prints a line when it has begun and one for each block; `serving.scan.process`
reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from serving.scan.blocks import ScanFault

MAX_FAULTS = 100


@dataclass(frozen=True, kw_only=True)
class ScanProgress:
    """How far a scan is: rows `done` of `total` (0: not known), faults and verdicts among them, and cases opened.

    `reused_images` and `estimated_s`, of the whole scan, are its plan's.
    `versions` are those that its rows are made with: model_fingerprint, index_version and policy_version.
    `first_faults` are at most MAX_FAULTS.
    """

    total: int = 0
    done: int = 0
    faults: int = 0
    allow: int = 0
    review: int = 0
    takedown: int = 0
    cases: int = 0
    reused_images: int = 0
    estimated_s: float = 0.0
    first_faults: tuple[ScanFault, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_line(self) -> str:
        """Write it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> ScanProgress:
        """Read a line. Raises ValueError for one that is none."""
        try:
            values = json.loads(line)
            faults = tuple(ScanFault(**fault) for fault in values.pop("first_faults"))
            return cls(**values, first_faults=faults)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"no line of a scan's progress: {line[:80]!r}") from error
