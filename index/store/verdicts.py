"""What did people decide? Their verdicts, in the order of the commits, as learning reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from index.store.changes import head, take
from index.store.engine import Database
from index.store.tables.cases import verdicts
from index.store.tallies import recount_listing
from index.verdicts import HumanVerdict, VerdictSource

VERDICTS = "verdicts"
_FIELDS = tuple(HumanVerdict.__dataclass_fields__)


class VerdictStore:
    """The part of the store that keeps people's verdicts."""

    _database: Database

    def verdicts_after(self, number: int, *, limit: int = 1000) -> tuple[HumanVerdict, ...]:
        """Return up to `limit` verdicts that came after `number`, oldest first; 0 starts at the beginning."""
        query = select(verdicts).where(verdicts.c.number > number).order_by(verdicts.c.number).limit(limit)
        with self._database.read("read verdicts") as connection:
            return tuple(_verdict(row) for row in connection.execute(query))

    def verdict_head(self) -> int:
        """Return the newest verdict's number, 0 before the first."""
        with self._database.read("read the newest verdict's number") as connection:
            return head(connection, VERDICTS)


def add_verdict(connection: Connection, verdict: HumanVerdict) -> HumanVerdict:
    """Append a verdict under the next number, and count the seller's strikes again.

    Late in its transaction, but before an event: see `index.store.changes.take`.
    """
    numbered = replace(verdict, number=take(connection, VERDICTS))
    values = {name: getattr(numbered, name) for name in _FIELDS}
    connection.execute(verdicts.insert().values(values | {"source": str(verdict.source)}))
    recount_listing(connection, numbered.listing_id)
    return numbered


def _verdict(row: Row[Any]) -> HumanVerdict:
    values = {name: getattr(row, name) for name in _FIELDS}
    return HumanVerdict(**values | {"source": VerdictSource(row.source)})
