"""Which cases do sweeps feed? Each hit in a transaction of its own, so that a sweep may end at any moment."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, select

from index.case_records import Case
from index.store.cases import insert_case, unresolved_case
from index.store.decisions import latest, lock_decision
from index.store.engine import Database
from index.store.tables.listings import sweep_hits
from index.store.tables.removals import removed_listings
from index.sweeps import SweepHit, SweepStep
from vision.regions import Box

_EDGES = ("x1", "y1", "x2", "y2")
_PLAIN = ("decision_id", "reference_id", "case_id", "image_index", "similarity", "create_time")


class SweepStore:
    """The part of the store that keeps what sweeps found."""

    _database: Database

    def note_sweep_hit(self, hit: SweepHit, case: Case) -> SweepStep:
        """Put a hit on record with the case that waits about its decision; open `case` when none does.

        The verdict stays what it is. Nothing is written for a hit that is known, or of a decision that is no longer
        the latest of a listing on sale. Raises NotFound when there is no such decision.
        """
        with self._database.write(f"note a hit on {case.listing_id!r}") as connection:
            decision = lock_decision(connection, hit.decision_id)
            newest = latest(connection, decision.listing_id)
            if newest is None or newest.decision_id != hit.decision_id or _is_removed(connection, hit.decision_id):
                return SweepStep.OUTGROWN
            if _is_known(connection, hit):
                return SweepStep.KNOWN
            waiting = unresolved_case(connection, hit.decision_id)
            if waiting is None:
                insert_case(connection, case)
            _insert(connection, replace(hit, case_id=(waiting or case).case_id))
            return SweepStep.OPENED if waiting is None else SweepStep.JOINED

    def sweep_hits_in(self, case_id: str) -> tuple[SweepHit, ...]:
        """Return the hits that a case was opened for or that were noted there, the most similar first."""
        return self._hits(sweep_hits.c.case_id == case_id)

    def sweep_hits_on(self, decision_id: str) -> tuple[SweepHit, ...]:
        """Return the hits on a decision's photos, the most similar first."""
        return self._hits(sweep_hits.c.decision_id == decision_id)

    def _hits(self, wanted: ColumnElement[bool]) -> tuple[SweepHit, ...]:
        query = select(sweep_hits).where(wanted).order_by(sweep_hits.c.similarity.desc(), sweep_hits.c.reference_id)
        with self._database.read("read what sweeps found") as connection:
            return tuple(
                SweepHit(
                    **{name: getattr(row, name) for name in _PLAIN},
                    box=Box(*(getattr(row, edge) for edge in _EDGES)),
                )
                for row in connection.execute(query)
            )


def _is_known(connection: Connection, hit: SweepHit) -> bool:
    this = (sweep_hits.c.decision_id == hit.decision_id, sweep_hits.c.reference_id == hit.reference_id)
    return connection.execute(select(sweep_hits.c.case_id).where(*this)).first() is not None


def _is_removed(connection: Connection, decision_id: str) -> bool:
    removed = select(removed_listings.c.listing_id).where(removed_listings.c.decision_id == decision_id)
    return connection.execute(removed).first() is not None


def _insert(connection: Connection, hit: SweepHit) -> None:
    values = {name: getattr(hit, name) for name in _PLAIN} | {edge: getattr(hit.box, edge) for edge in _EDGES}
    connection.execute(sweep_hits.insert().values(**values))
