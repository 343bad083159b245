"""Which listings does a scan make worse, and which of them get a case? First a preview, then the cases, for a person.

A case is opened where a scan's verdict is graver than the one in force, about the listing's latest decision, which
stays what it is. It has the origin `scan`, the scan's id, and SCAN_VERDICT_WORSE before the scan's own reasons. Its id
follows from scan and listing, so a scan that is resumed, or opened from twice, opens each case once; resolving and
undoing are those of any case. At most so many are opened, takedowns and the likeliest counterfeits first, so that a
policy gone wrong does not flood the queue.

A listing of which nothing could be said is left out: a share that is not mounted says nothing about listings.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from index.case_records import Case
from index.scans import SCAN_WORSE, ScanStep
from index.store.engine import in_batches
from index.store.store import Store
from serving.case_opening import CaseOpening
from serving.domain import Verdict
from serving.scan.file import ScanFile, open_scan

MAX_CASES = 1_000
# Looked up at a time.
_PAGE = 2_000
# Of brands: names as sellers typed them have no end.
_MOST_NAMES = 100
_COLUMNS = ["listing_id", "verdict", "counterfeit_probability", "brand", "reasons"]

OnCase = Callable[[Counter[ScanStep]], None]
"""Told what became of the cases so far."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a scan says of a listing; `probability` is that of a counterfeit, 0..1, `reasons` are codes."""

    listing_id: str
    verdict: str
    probability: float
    brand: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CasePreview:
    """What opening cases would do: `steps` counts all findings that could call for one, by what becomes of them.

    `chosen` are those to open, or opened before by this scan, the likeliest first; `verdicts`, `brands` and `reasons`
    count them.
    """

    scan_id: str
    chosen: tuple[Finding, ...]
    steps: Counter[ScanStep]
    verdicts: Counter[str] = field(default_factory=Counter)
    brands: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> int:
        """How many stay without a case because there would be too many."""
        return self.steps[ScanStep.OPENED] + self.steps[ScanStep.KNOWN] - len(self.chosen)

    def document(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "scan_id": self.scan_id,
            "cases": len(self.chosen),
            "over": self.over,
            **{str(step): self.steps[step] for step in ScanStep},
            "verdicts": dict(self.verdicts),
            "brands": dict(self.brands.most_common(_MOST_NAMES)),
            "reasons": dict(self.reasons.most_common(_MOST_NAMES)),
        }


@dataclass(frozen=True)
class ScanCases:
    """Opens the cases of scans. Blocking and thread-safe.

    `bears` is the scan's id that cases are found by, where it goes by another than its file's: a service's own.
    """

    store: Store
    opening: CaseOpening
    bears: str = ""

    def preview(self, scan_id: str, findings: Iterable[Finding], *, max_cases: int = MAX_CASES) -> CasePreview:
        """Say what would be opened; nothing is written, and no more than `max_cases` findings are held in memory."""
        steps: Counter[ScanStep] = Counter()
        graver = (one for one in findings if one.verdict != Verdict.ALLOW)
        chosen = heapq.nsmallest(max_cases, self._candidates(scan_id, graver, steps), key=_likeliest_first)
        return CasePreview(
            scan_id=scan_id,
            chosen=tuple(chosen),
            steps=steps,
            verdicts=Counter(one.verdict for one in chosen),
            brands=Counter(one.brand for one in chosen),
            reasons=Counter(code for one in chosen for code in one.reasons),
        )

    def open(self, preview: CasePreview, *, progress: OnCase = lambda _done: None) -> Counter[ScanStep]:
        """Open the cases of a preview, each in a transaction of its own; say what became of them.

        What was decided, removed or taken up since the preview is passed over. It may end at any moment, and is gone
        on with by doing it again. `progress` is told after each.
        """
        done: Counter[ScanStep] = Counter()
        for finding in preview.chosen:
            case = self._case(preview.scan_id, finding)
            done[ScanStep.UNSCREENED if case is None else self.store.open_scan_case(case, finding.verdict)] += 1
            progress(done)
        return done

    def _candidates(self, scan_id: str, findings: Iterable[Finding], steps: Counter[ScanStep]) -> Iterator[Finding]:
        """Yield what gets a case if there is room, or has it; count what becomes of all."""
        for page in in_batches(findings, _PAGE):
            ids = {case_id(scan_id, one.listing_id): one for one in page}
            known = self.store.opened_of(ids)
            standings = self.store.standings(one.listing_id for one in page)
            for own_id, finding in ids.items():
                stands = standings.get(finding.listing_id)
                if own_id in known:
                    step = ScanStep.KNOWN
                else:
                    step = ScanStep.UNSCREENED if stands is None else stands.step(finding.verdict)
                steps[step] += 1
                if step in (ScanStep.OPENED, ScanStep.KNOWN):
                    yield finding

    def _case(self, scan_id: str, finding: Finding) -> Case | None:
        record = self.store.latest_decision(finding.listing_id)
        if record is None:
            return None
        brand = self.opening.brands.find_brand(finding.brand) if finding.brand else None
        return self.opening.found_later(
            record,
            scan_id=self.bears or scan_id,
            time=datetime.now(UTC),
            reason_codes=(SCAN_WORSE, *finding.reasons),
            brands=() if brand is None else (brand,),
            case_id=case_id(scan_id, finding.listing_id),
            probability=finding.probability,
        )


def preview_of(path: Path, cases: ScanCases, *, max_cases: int = MAX_CASES) -> CasePreview:
    """Say what opening cases of a finished scan's Parquet file would do.

    Raises CatalogueError when the file is none of a scan.
    """
    with open_scan(path) as scan:
        return cases.preview(scan.scan_id, findings_of(scan), max_cases=max_cases)


def findings_of(scan: ScanFile) -> Iterator[Finding]:
    """Read what a scan found, but for listings of which nothing could be said."""
    for row in scan.rows(_COLUMNS):
        if row["counterfeit_probability"] is not None:
            yield Finding(
                listing_id=row["listing_id"],
                verdict=row["verdict"],
                probability=row["counterfeit_probability"],
                brand=row["brand"] or "",
                reasons=tuple(row["reasons"]),
            )


def case_id(scan_id: str, listing_id: str) -> str:
    """Name the case of a listing in a scan: always the same."""
    return hashlib.sha256(f"case:{scan_id}:{listing_id}".encode()).hexdigest()[:32]


def _likeliest_first(finding: Finding) -> tuple[bool, float, str]:
    return finding.verdict != Verdict.TAKEDOWN, -finding.probability, finding.listing_id
