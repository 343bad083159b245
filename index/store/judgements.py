"""How often is the service right? Audits with what people found, and probabilities with what came true.

The last word on a decision counts that is no appeal, unless it was undone; a takedown that an appeal took back was
wrong. As in `index.learning`, but counted by the database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, case, cast, exists, false, func, null, select

from index.case_records import CaseOrigin
from index.insight import AuditCount, ReliabilityBin, Span
from index.intervals import proportion
from index.store.engine import Database
from index.store.tables.cases import cases, verdicts
from index.verdicts import VerdictSource

BINS = 10
_APPEAL = str(VerdictSource.APPEAL)


class JudgementStore:
    """The part of the store that counts how often the service was right."""

    _database: Database

    def audit_counts(self, span: Span) -> tuple[AuditCount, ...]:
        """Count the audits of decisions made in a span, by brand, verdict, chance and what was found."""
        word, appeal = verdicts.alias("word"), verdicts.alias("appeal")
        answered = and_(word.c.number.is_not(None), word.c.undone.is_(False))
        taken_back = and_(appeal.c.number.is_not(None), appeal.c.undone.is_(False), appeal.c.infringing.is_(False))
        found = case((~answered, null()), (taken_back, false()), else_=word.c.infringing).label("found")
        parts = (cases.c.brand, cases.c.verdict, cases.c.audit_share, found)
        query = (
            select(*parts, func.count().label("many"))
            .select_from(cases)
            .outerjoin(word, word.c.number == _last(verdicts.c.source != _APPEAL))
            .outerjoin(appeal, appeal.c.number == _last(verdicts.c.source == _APPEAL))
            .where(cases.c.origin == str(CaseOrigin.AUDIT))
            .where(cases.c.create_time >= span.start, cases.c.create_time < span.end)
            .group_by(cases.c.brand, cases.c.verdict, cases.c.audit_share, "found")
        )
        with self._database.read("count audits") as connection:
            return tuple(
                AuditCount(
                    brand=row.brand,
                    verdict=row.verdict,
                    chance=row.audit_share,
                    infringing=None if row.found is None else bool(row.found),
                    count=row.many,
                )
                for row in connection.execute(query)
            )

    def reliability(self, span: Span, *, brand: str = "", audits_only: bool = False) -> tuple[ReliabilityBin, ...]:
        """Cut the verdicts given in a span into up to ten bins of equal size, the lowest probabilities first.

        With a `brand`, only those with it at stake; `audits_only` leaves out reviews, which rules chose.
        """
        judged = _judged(span, brand, audits_only=audits_only).subquery()
        query = (
            select(
                func.min(judged.c.probability).label("low"),
                func.max(judged.c.probability).label("high"),
                func.avg(judged.c.probability).label("said"),
                func.count().label("many"),
                func.sum(cast(judged.c.infringing, Integer)).label("hits"),
            )
            .group_by(judged.c.bin)
            .order_by(judged.c.bin)
        )
        with self._database.read("compare probabilities with verdicts") as connection:
            return tuple(
                ReliabilityBin(
                    low=row.low, high=row.high, said=row.said, infringing=proportion(int(row.hits), row.many)
                )
                for row in connection.execute(query)
            )


def _last(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return the number of the last verdict on a case's decision that meets a condition."""
    own = and_(verdicts.c.decision_id == cases.c.decision_id, condition)
    return select(func.max(verdicts.c.number)).where(own).correlate(cases).scalar_subquery()


def _judged(span: Span, brand: str, *, audits_only: bool) -> Select[Any]:
    later = verdicts.alias("later")
    replaced = exists(
        select(1).where(
            later.c.decision_id == verdicts.c.decision_id,
            later.c.number > verdicts.c.number,
            later.c.source != _APPEAL,
        )
    )
    sources = (VerdictSource.AUDIT,) if audits_only else (VerdictSource.AUDIT, VerdictSource.REVIEW)
    bins = func.ntile(BINS).over(order_by=(verdicts.c.probability, verdicts.c.number))
    query = (
        select(verdicts.c.probability, verdicts.c.infringing, bins.label("bin"))
        .where(verdicts.c.create_time >= span.start, verdicts.c.create_time < span.end)
        .where(verdicts.c.source.in_([str(source) for source in sources]), verdicts.c.undone.is_(False), ~replaced)
    )
    return query.where(verdicts.c.brand == brand) if brand else query
