"""What does a takedown owe to the seller? A statement of reasons, composed of what is on record of it.

Regulation (EU) 2022/2065, Article 17(3): (a) the restriction, its territory and duration; (b) facts and circumstances,
and whether a notice led to it; (c) automated means in detection and decision; (d) the legal ground, or (e) the terms;
(f) redress. A person's own words are passed on as they are; what a machine decided is told in `serving.told_findings`'
sentences. `serving.legal.text` writes it down.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from index.decision_records import DecisionRecord
from index.errors import NotFound
from index.evidence_records import Takedown
from index.reports import Report, ReporterType
from index.rights import holds
from index.rulings import Ground, Resolution, Statement
from index.store.store import Store
from serving.case_rules import CaseRules
from serving.legal.grounds import ground_of
from serving.legal.words import words_in
from serving.told_findings import Finding, told_findings
from touchstone.moderation.v1 import decision_pb2

AUTOMATIC_REASON = "COUNTERFEIT"
_CHINA = "CN"


class Source(enum.StrEnum):
    """On whose initiative a takedown was decided."""

    OWN_INITIATIVE = "OWN_INITIATIVE"
    NOTICE = "NOTICE"
    TRUSTED_FLAGGER = "TRUSTED_FLAGGER"
    REPORT = "REPORT"


@dataclass(frozen=True, kw_only=True)
class SellerStatement:
    """A statement of reasons, before it is put into words.

    `confirmed`: a machine's takedown came first, and a person confirmed it. `jurisdiction` is the notice's, "" without
    one. `market` is the listing's, "" when it named none.
    """

    decision_id: str
    resolution_id: str
    listing_id: str
    market: str
    reason_code: str
    reasons: Statement
    effective_time: datetime
    source: Source
    jurisdiction: str
    confirmed: bool
    complaint_end_time: datetime
    policy_version: str
    findings: tuple[Finding, ...]
    language: str

    @property
    def by_chinese_law(self) -> bool:
        """Whether the redress is that of the E-commerce Law of the PRC."""
        return _CHINA in (self.jurisdiction, self.market)


@dataclass(frozen=True)
class Statements:
    """Composes statements of reasons. Blocking and thread-safe.

    Without `tells_of_sellers` the findings are those about the goods alone, for readers who are not the seller.
    """

    store: Store
    rules: CaseRules
    tells_of_sellers: bool = True

    def of_decision(self, decision_id: str, *, language: str) -> SellerStatement:
        """Compose the statement about the takedown of a decision that is in force.

        Raises:
            NotFound: there is no such decision, or nothing is taken down by it.

        """
        decision = self.store.get_decision(decision_id)
        in_force = self.store.verdict_in_force(decision_id)
        restriction = self.store.restriction_under(decision_id)
        if restriction is None:
            raise NotFound(f"Nothing is taken down by the decision {decision_id!r}: it is {in_force.verdict}.")
        resolution = self.store.standing_resolution(decision_id)
        taken = Takedown(time=restriction.since, decision=decision, resolution=resolution)
        return self.of_takedown(taken, language=language, decided=in_force.since)

    def of_takedown(self, taken: Takedown, *, language: str, decided: datetime | None = None) -> SellerStatement:
        """Compose the statement about a takedown, whether it is in force still or not.

        `decided` is when the decision came into force from which the time to complain runs; None: with the takedown.
        """
        decision, resolution = taken.decision, taken.resolution
        message = decision_pb2.Decision.FromString(decision.payload)
        found = told_findings(message, self._registered)
        findings = tuple(one for one in found if self.tells_of_sellers or not one.of_person)
        source, jurisdiction = _source(self.store.reports_behind(decision.listing_id, taken.time))
        reasons = None if resolution is None else resolution.outcome.statement
        if reasons is None:
            reasons = self._automatic(decision, resolution, findings, language)
        return SellerStatement(
            decision_id=decision.decision_id,
            resolution_id="" if resolution is None else resolution.resolution_id,
            listing_id=decision.listing_id,
            market=decision.market,
            reason_code=_reason_code(resolution),
            reasons=reasons,
            effective_time=taken.time,
            source=source,
            jurisdiction=jurisdiction,
            confirmed=resolution is not None and decision.verdict == "TAKEDOWN",
            complaint_end_time=(decided or taken.time) + timedelta(days=self.rules.appeal_days),
            policy_version=decision.policy_version if resolution is None else "",
            findings=findings,
            language=language,
        )

    def _registered(self, name: str) -> str:
        brand = self.store.find_brand(name) if name else None
        return "" if brand is None else brand.name

    def _automatic(
        self, decision: DecisionRecord, resolution: Resolution | None, findings: tuple[Finding, ...], language: str
    ) -> Statement:
        """State the reasons of a takedown for which no person wrote them down."""
        words = words_in(language)
        facts = " ".join(map(words.sentence, findings)) or words.nothing
        ground = ground_of(_reason_code(resolution))
        return Statement(
            ground=Ground.ILLEGAL_CONTENT,
            ground_reference=ground.law(decision.market),
            explanation=words.explanations[ground.code],
            facts=facts,
            automated_detection=True,
            automated_decision=resolution is None,
            right_id=self._right_id(decision),
        )

    def _right_id(self, decision: DecisionRecord) -> str:
        """Name the brand's first right that holds on the listing's market, "" when none is on record."""
        brand = self.store.find_brand(decision.brand) if decision.brand else None
        if brand is None:
            return ""
        day = decision.create_time.date()
        rights = self.store.get_profile(brand.brand_id).rights
        return next((right.right_id for right in rights if holds(right, decision.market, day)), "")


def _reason_code(resolution: Resolution | None) -> str:
    return AUTOMATIC_REASON if resolution is None else resolution.outcome.reason_code


def _source(before: tuple[Report, ...]) -> tuple[Source, str]:
    """Say what led to a takedown, of what had been reported by then, and in whose procedure."""
    notices = [one for one in before if one.notice is not None]
    jurisdiction = notices[0].notice.jurisdiction if notices and notices[0].notice else ""
    if any(one.reporter_type is ReporterType.TRUSTED_FLAGGER for one in notices):
        return Source.TRUSTED_FLAGGER, jurisdiction
    if notices:
        return Source.NOTICE, jurisdiction
    return (Source.REPORT if before else Source.OWN_INITIATIVE), ""
