"""What was a decision taken on, and what would other policies have said? Facts and shadow outcomes of decisions.

Both are written in the decision's transaction (`insert_outcomes`) and read page by page, newest decision first, for
backtests and comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from index.errors import NotFound
from index.policies import FactsOnRecord, ShadowOutcome
from index.store.engine import Database
from index.store.tables.decisions import decisions
from index.store.tables.policies import decision_facts, shadow_outcomes

_PAGE = 500
_DECISION = tuple(decisions.c[name] for name in FactsOnRecord.__dataclass_fields__ if name != "facts")
_SHADOW = tuple(shadow_outcomes.c[name].label(f"shadow_{name}") for name in ("verdict", "fired", "errors"))
_INSERT_FACTS, _INSERT_SHADOW = decision_facts.insert(), shadow_outcomes.insert()  # built once: each decision runs them


class OutcomeStore:
    """The part of the store that keeps decisions' facts and shadow outcomes."""

    _database: Database

    def facts_of(self, decision_id: str) -> bytes:
        """Return the facts that a decision was taken on. Raises NotFound, also for decisions of older releases."""
        query = select(decision_facts.c.facts).where(decision_facts.c.decision_id == decision_id)
        with self._database.read("read a decision's facts") as connection:
            found = connection.execute(query).scalar_one_or_none()
        if found is None:
            raise NotFound(f"No facts are on record of the decision {decision_id!r}.")
        return bytes(found)

    def iter_facts(self, *, since: datetime | None = None, limit: int | None = None) -> Iterator[FactsOnRecord]:
        """Yield decisions with their facts, newest first: those taken at `since` or later, at most `limit`."""
        query = select(*_DECISION, decision_facts.c.facts).join_from(decisions, decision_facts)
        if since is not None:
            query = query.where(decisions.c.create_time >= since)
        yield from map(_facts, self._pages(query, limit))

    def iter_shadow_outcomes(
        self, version: str, *, since: datetime | None = None, limit: int | None = None
    ) -> Iterator[tuple[FactsOnRecord, ShadowOutcome]]:
        """Yield what a shadow policy said of each decision that it saw, newest first; bounded as `iter_facts` is."""
        query = (
            select(*_DECISION, decision_facts.c.facts, *_SHADOW)
            .join_from(decisions, decision_facts)
            .join(shadow_outcomes, shadow_outcomes.c.decision_id == decisions.c.decision_id)
            .where(shadow_outcomes.c.policy_version == version)
        )
        if since is not None:
            query = query.where(decisions.c.create_time >= since)
        for row in self._pages(query, limit):
            fired = tuple(row.shadow_fired.split())
            yield (
                _facts(row),
                ShadowOutcome(
                    policy_version=version, verdict=row.shadow_verdict, fired=fired, errors=row.shadow_errors
                ),
            )

    def _pages(self, query: Select[Any], limit: int | None) -> Iterator[Row[Any]]:
        query, left = query.order_by(decisions.c.number.desc()), limit
        after: int | None = None
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            page = query if after is None else query.where(decisions.c.number < after)
            with self._database.read("read decisions' facts") as connection:
                rows = connection.execute(page.limit(size)).all()
            yield from rows
            if len(rows) < size:
                return
            after, left = rows[-1].number, None if left is None else left - size


def insert_outcomes(
    connection: Connection, decision_id: str, facts: bytes | None, shadows: Sequence[ShadowOutcome]
) -> None:
    """Record what a decision was taken on and what shadow policies said, within its transaction."""
    if facts is not None:
        connection.execute(_INSERT_FACTS, {"decision_id": decision_id, "facts": facts})
    if shadows:
        rows = [
            {
                "policy_version": outcome.policy_version,
                "decision_id": decision_id,
                "verdict": outcome.verdict,
                "fired": " ".join(outcome.fired),
                "errors": outcome.errors,
            }
            for outcome in shadows
        ]
        connection.execute(_INSERT_SHADOW, rows)


def _facts(row: Row[Any]) -> FactsOnRecord:
    return FactsOnRecord(**{name: getattr(row, name) for name in FactsOnRecord.__dataclass_fields__})
