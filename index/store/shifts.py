"""How were scores and prices spread before, and how are they now? Histograms by brand, counted by the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, func, select

from index.insight import Histograms, Span
from index.shift import PRICE_EDGES, SCORE_EDGES
from index.store.engine import Database
from index.store.steps import bin_of
from index.store.tables.decisions import decisions

_UNKNOWN = -1


class ShiftStore:
    """The part of the store that counts scores and prices."""

    _database: Database

    def histograms(self, span: Span, *, window: datetime, brand: str = "") -> tuple[Histograms, Histograms]:
        """Count the scores and the prices of decisions in a span, by brand: what came before `window`, and since.

        The brand "" stands for all together. With a `brand`, nothing but that one is counted.
        """
        ratio = decisions.c.price_ratio
        parts = {
            "brand": decisions.c.brand,
            "since": case((decisions.c.create_time >= window, 1), else_=0),
            "score": bin_of(decisions.c.probability, SCORE_EDGES),
            "price": case((ratio.is_(None), _UNKNOWN), else_=bin_of(ratio, PRICE_EDGES)),
        }
        query = (
            select(*(column.label(name) for name, column in parts.items()), func.count().label("many"))
            .where(decisions.c.create_time >= span.start, decisions.c.create_time < span.end)
            .where(decisions.c.probability.is_not(None))
            .group_by(*parts)
        )
        if brand:
            query = query.where(decisions.c.brand == brand)
        scores, prices = _Tally(SCORE_EDGES), _Tally(PRICE_EDGES)
        with self._database.read("count scores and prices") as connection:
            for row in connection.execute(query):
                scores.add(row.brand, row.since, row.score, row.many)
                prices.add(row.brand, row.since, row.price, row.many)
        return scores.histograms(), prices.histograms()

    def price_ratios(self, brand: str, span: Span, *, most: int) -> tuple[tuple[datetime, float], ...]:
        """Return the last `most` prices of a brand in a span as shares of the expected ones, the oldest first."""
        own = (decisions.c.brand == brand, decisions.c.price_ratio.is_not(None))
        query = (
            select(decisions.c.create_time, decisions.c.price_ratio)
            .where(*own, decisions.c.create_time >= span.start, decisions.c.create_time < span.end)
            .order_by(decisions.c.number.desc())
            .limit(most)
        )
        with self._database.read("read a brand's prices") as connection:
            rows = connection.execute(query).all()
        return tuple((row.create_time, row.price_ratio) for row in reversed(rows))


class _Tally:
    """Histograms in the making."""

    def __init__(self, edges: Sequence[float]) -> None:
        bins = len(edges) - 1
        self._counts: tuple[dict[str, list[int]], ...] = tuple(defaultdict(lambda: [0] * bins) for _ in range(2))

    def add(self, brand: str, since: int, number: int, count: int) -> None:
        if number != _UNKNOWN:
            for name in {brand, ""}:
                self._counts[since][name][number] += count

    def histograms(self) -> Histograms:
        before, since = ({name: tuple(counts) for name, counts in each.items()} for each in self._counts)
        return Histograms(before, since)
