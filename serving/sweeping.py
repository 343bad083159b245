"""Which listings already on sale does a reference match? Hits become cases, for a person to decide.

A sweep changes no verdict: photos are kept of cases only, so little could be screened anew, and a likeness alone
is no decision. Each hit is noted once, with the case that waits about its decision or the one opened for it, which says
SWEEP_MATCH among its reasons and carries the sweep's id. So a sweep may end at any moment, and is gone on with, or done
again a month later, by starting it again: what is known is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.case_records import Case
from index.listings import EVERYWHERE, ListingMatch, ListingSource, ListingWhere
from index.records import Brand, Reference
from index.store.store import Store
from index.sweeps import SWEEP_MATCH, SweepHit, SweepStep
from serving.case_opening import CaseOpening
from serving.finding import looks_of_reference
from vision.calibration import MatchCalibration

# Hits asked for at first; as long as there are more, four times as many.
_FIRST, _MORE = 1_000, 4
# No store holds more listings than this.
_ALL = 10**9


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """What a sweep of one reference found. `hits` is all; `opened` of them led to a new case."""

    reference_id: str
    brand_id: str
    at_least: float
    hits: int = 0
    opened: int = 0
    joined: int = 0
    known: int = 0
    outgrown: int = 0
    complete: bool = True

    def after(self, step: SweepStep) -> SweepReport:
        """Count one more hit."""
        count = {str(step): getattr(self, str(step)) + 1, "hits": self.hits + 1}
        return replace(self, **count)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Sweeper:
    """Sweeps references over the catalogue. Blocking and thread-safe."""

    store: Store
    listings: ListingSource
    opening: CaseOpening
    calibration: MatchCalibration
    fingerprint: str

    def sweep(
        self,
        reference: Reference,
        *,
        at_least: float | None = None,
        where: ListingWhere = EVERYWHERE,
        limit: int | None = None,
        dry_run: bool = False,
        progress: Callable[[SweepReport], None] = lambda _: None,
    ) -> SweepReport:
        """Note every hit of a reference, whatever its state, and open cases; at most `limit` new ones.

        `at_least` is the least cosine, None for that from which on screening counts a match. A dry run only counts the
        hits. `progress` learns of every hit.

        Raises:
            ListingIndexError: the catalogue cannot be searched.

        """
        views = self.store.reference_vectors(reference.reference_id, self.fingerprint)
        looks = looks_of_reference(reference, views, self.calibration, at_least=at_least)
        report = SweepReport(
            reference_id=reference.reference_id, brand_id=reference.brand_id, at_least=looks[0].at_least
        )
        brand = self.store.get_brand(reference.brand_id)
        if not len(views):  # not embedded by this model: nothing can be said
            return replace(report, complete=False)
        for match in self._matches(looks[0].vectors, looks[0].marks, looks[0].at_least, where):
            if limit is not None and report.opened >= limit:
                return replace(report, complete=False)
            if dry_run:
                report = replace(report, hits=report.hits + 1)
            else:
                report = report.after(self._note(reference, brand, match))
            progress(report)
        return report

    def _matches(
        self, vectors: NDArray[np.float32], marks: bool, at_least: float, where: ListingWhere
    ) -> Iterator[ListingMatch]:
        done: set[str] = set()
        most = _FIRST
        while True:
            found = self.listings.find_listings(vectors, marks=marks, at_least=at_least, most=most, where=where)
            for match in found:
                if match.decision_id not in done:
                    done.add(match.decision_id)
                    yield match
            if len(found) < most or most >= _ALL:
                return
            most *= _MORE

    def _note(self, reference: Reference, brand: Brand, match: ListingMatch) -> SweepStep:
        now = datetime.now(UTC)
        hit = SweepHit(
            decision_id=match.decision_id,
            reference_id=reference.reference_id,
            image_index=match.image_index,
            box=match.box,
            similarity=match.similarity,
            create_time=now,
        )
        return self.store.note_sweep_hit(hit, self._case(reference, brand, match, now))

    def _case(self, reference: Reference, brand: Brand, match: ListingMatch, now: datetime) -> Case:
        return self.opening.found_later(
            self.store.get_decision(match.decision_id),
            scan_id=f"sweep-{reference.reference_id}",
            time=now,
            reason_codes=(SWEEP_MATCH,),
            brands=(brand,),
        )
