"""What does a case know about its decision? Cases are made here, from decisions as they are recorded.

Expected harm, by which the queue is ordered, is the probability of a counterfeit x reach x weight of the brand. Reach
stands for how many buyers a wrong answer meets. Nobody tells us how many look at a listing, so it is taken from the
seller's listings on record, which the seller evidence counts: 1 + log2(1 + listings), so that ten times as many
listings do not count ten times; 1 when the listing names no seller. The brand's weight is the operator's.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from index.case_records import Case, CaseOrigin, lot_of
from index.decision_records import DecisionRecord
from index.records import Brand
from serving.case_rules import CaseRules
from touchstone.moderation.v1 import decision_pb2


class BrandNames(Protocol):
    """What naming brands needs of the store."""

    def find_brand(self, name_or_alias: str) -> Brand | None:
        """Find a brand by any of its names."""


@dataclass(frozen=True)
class CaseOpening:
    """Makes cases by the operator's rules. Thread-safe."""

    brands: BrandNames
    rules: CaseRules

    def case(
        self,
        record: DecisionRecord,
        *,
        origin: CaseOrigin = CaseOrigin.SCREENING,
        scan_id: str = "",
        time: datetime | None = None,
        case_id: str = "",
    ) -> Case:
        """Make the case of a decision, opened at `time` (None: with it); storing it is the caller's.

        One that a report opens is due in time.
        """
        opened = time or record.create_time
        decision = decision_pb2.Decision.FromString(record.payload)
        case_id = case_id or uuid.uuid4().hex
        probability = decision.counterfeit_probability
        due = timedelta(hours=self.rules.report_due_hours)
        return Case(
            case_id=case_id,
            decision_id=record.decision_id,
            listing_id=record.listing_id,
            verdict=record.verdict,
            create_time=opened,
            origin=origin,
            scan_id=scan_id,
            seller_id=record.seller_id,
            market=record.market,
            brand=record.brand,
            brand_ids=tuple(dict.fromkeys(self._brands_in(decision))),
            reason_codes=tuple(dict.fromkeys(reason.code for reason in decision.reasons)),
            probability=probability,
            uncalibrated_probability=decision.uncalibrated_probability,
            certificate_id=decision.certificate_id,
            expected_harm=self._harm(record, decision, probability),
            drawn=lot_of(case_id) < self.rules.random_share,
            due_time=opened + due if origin is CaseOrigin.REPORT else None,
        )

    def found_later(
        self,
        record: DecisionRecord,
        *,
        scan_id: str,
        time: datetime,
        reason_codes: Iterable[str],
        brands: Iterable[Brand] = (),
        case_id: str = "",
        probability: float | None = None,
    ) -> Case:
        """Make a case for what a sweep or a scan found about a decision that called for none.

        Reasons and brands found come before the decision's own. `case_id` makes it the same case whoever opens it,
        `probability` is what expected harm goes by: None for the decision's.
        """
        found = tuple(brands)
        case = self.case(record, origin=CaseOrigin.SCAN, scan_id=scan_id, time=time, case_id=case_id)
        if probability is not None:
            decision = decision_pb2.Decision.FromString(record.payload)
            case = replace(case, expected_harm=self._harm(record, decision, probability))
        return replace(
            case,
            brand=case.brand or next((brand.name for brand in found), ""),
            brand_ids=tuple(dict.fromkeys((*(brand.brand_id for brand in found), *case.brand_ids))),
            reason_codes=tuple(dict.fromkeys((*reason_codes, *case.reason_codes))),
        )

    def _harm(self, record: DecisionRecord, decision: decision_pb2.Decision, probability: float) -> float:
        return probability * reach(decision) * self.rules.brand_weight(record.brand)

    def _brands_in(self, decision: decision_pb2.Decision) -> Iterator[str]:
        """Name the brands in the evidence: a match knows its brand's id, other evidence the name."""
        names = set()
        for evidence in decision.evidence:
            kind = evidence.WhichOneof("kind")
            if kind == "visual_match":
                yield evidence.visual_match.brand_id
            elif kind in ("duplicate", "text"):
                names.add(getattr(evidence, kind).brand)
        for name in sorted(names - {""}):
            brand = self.brands.find_brand(name)
            if brand is not None:
                yield brand.brand_id


def reach(decision: decision_pb2.Decision) -> float:
    """Return for how many buyers a decision counts, 1 or more: see the module."""
    listings = (one.seller.decision_count for one in decision.evidence if one.HasField("seller"))
    return 1.0 + math.log2(1 + max(listings, default=0))
