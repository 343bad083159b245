"""Does the audit log fit what the store holds? Every decision has one entry, and is what the entry says; verdicts too.

The chain proves that entries were not changed; this proves that what they tell of was not changed behind them: a
decision that was added, removed or altered in the database, past this code, is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, true

from index.audit.chain import Head, Place, Sealed, walked
from index.audit.entries import Act
from index.errors import AuditBroken
from index.store.audit import AuditStore, digest
from index.store.engine import Database, in_batches
from index.store.tables.audit import audit_entries
from index.store.tables.cases import resolutions
from index.store.tables.decisions import decisions
from index.store.tables.policies import policies

_PAGE = 500


@dataclass
class AuditTally:
    """What a check of the log looked at: entries chained and not yet, heads, and what of the store was compared."""

    sealed: int = 0
    unsealed: int = 0
    heads: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    end: Place = field(default_factory=Place)


class AuditCheckStore(AuditStore):
    """The part of the store that checks the audit log."""

    _database: Database

    def check_audit(self, *, known: Mapping[int, str] | None = None, trusted: Callable[[Head], bool]) -> AuditTally:
        """Walk the whole log as of one moment, with its heads, and compare it with the records that it tells of.

        `known` are heads that were kept elsewhere: hashes by position. `trusted` says of a head whether its signature
        holds. Raises AuditBroken at the first fault.
        """
        tally = AuditTally()
        with ExitStack() as one_moment:
            one_moment.enter_context(self._database.reading("check the audit log"))
            heads = list(self.audit_heads())
            for head in heads:
                if not trusted(head):
                    raise AuditBroken(head.position, f"the signature of the head at {head.position} does not hold")
            tally.heads = len(heads)
            expected = {head.position: head.hash for head in heads}
            for position, value in (known or {}).items():
                if expected.setdefault(position, value) != value:
                    raise AuditBroken(
                        position, f"entry {position}, or one before it, was written anew: the head differs"
                    )
            compared = _Comparison()
            with self._database.read("check the audit log") as connection:
                for batch in in_batches(walked(Place(), self.sealed_entries(), known=expected), _PAGE):
                    tally.sealed += len(batch)
                    tally.end = Place(batch[-1].position, batch[-1].hash)
                    compared.take(connection, batch)
                for texts in in_batches(self._texts(connection, audit_entries.c.position.is_(None)), _PAGE):
                    tally.unsealed += len(texts)
                    compared.take(connection, [Sealed(0, "", text) for text in texts])
                tally.compared = compared.finish(connection, self._texts(connection, true()))
        return tally

    def _texts(self, connection: Connection, which: ColumnElement[bool]) -> Iterator[str]:
        query = select(audit_entries.c.entry).where(which).order_by(audit_entries.c.number)
        return iter(connection.execution_options(yield_per=_PAGE).scalars(query))


class _Comparison:
    """Compares what entries tell of with the rows of the store, a batch at a time; the last word on each counts."""

    def __init__(self) -> None:
        self.decisions = 0
        self._began_late = False  # the store was older than the log
        self._decisions_before = 0  # which the log knows nothing of
        self._verdicts: dict[str, tuple[str, str]] = {}  # by resolution: verdict and reason code
        self._undone: set[str] = set()
        self._policies: dict[str, tuple[str, str]] = {}  # by version: state and digest

    def take(self, connection: Connection, batch: Iterable[Sealed]) -> None:
        """Compare decisions, and remember of verdicts and policies what was said last. Raises AuditBroken."""
        decided: dict[str, tuple[int, dict[str, Any]]] = {}
        for sealed in batch:
            entry = json.loads(sealed.text)
            subject = entry["subject"]
            match entry["act"]:
                case Act.LOG_BEGAN:
                    self._began_late, self._decisions_before = True, entry["decisions_before"]
                case Act.DECIDED:
                    decided[subject] = (sealed.position, entry)
                case Act.VERDICT_GIVEN:
                    self._verdicts[subject] = (entry["verdict"], entry["reason_code"])
                    self._undone.discard(subject)
                case Act.VERDICT_UNDONE:
                    self._undone.add(subject)
                case Act.POLICY_CHANGED:
                    self._policies[subject] = (entry["after"], entry["content"])
        found = _rows(connection, decisions, "decision_id", decided)
        for decision_id, (position, entry) in decided.items():
            fault = _fault_of(found.get(decision_id), entry)
            if fault:
                raise AuditBroken(
                    position, f"the decision {decision_id!r} {fault}, says entry {position or 'unsealed'}"
                )
        self.decisions += len(decided)

    def finish(self, connection: Connection, entries: Iterator[str]) -> dict[str, int]:
        """Compare what is left, and raise AuditBroken when the store holds what no entry tells of; return counts.

        `entries` are the texts of all once more, read only to name a decision that none tells of.
        """
        later = decisions.c.number > self._decisions_before
        if connection.execute(select(func.count()).select_from(decisions).where(later)).scalar_one() != self.decisions:
            told = {one["subject"] for one in map(json.loads, entries) if one["act"] == Act.DECIDED}
            strange = [
                one for one in connection.scalars(select(decisions.c.decision_id).where(later)) if one not in told
            ]
            what = f"no entry tells of the decision {strange[0]!r}" if strange else "a decision has two entries"
            raise AuditBroken(0, f"the log does not fit the decisions of the store: {what}")
        ruled = {
            row.resolution_id: ((row.verdict, row.reason_code), row.undo_time is not None)
            for row in connection.execute(select(resolutions))
            if not self._began_late or row.resolution_id in self._verdicts
        }
        expected = {name: (said, name in self._undone) for name, said in self._verdicts.items()}
        _same("resolution", ruled, expected)
        states = {
            row.version: (row.state, digest(row.content))
            for row in connection.execute(select(policies))
            if not self._began_late or row.version in self._policies
        }
        _same("policy", states, self._policies)
        return {"decisions": self.decisions, "resolutions": len(expected), "policies": len(states)}


def _rows(connection: Connection, table: Table, key: str, ids: Iterable[str]) -> dict[str, Any]:
    """Read the rows of some ids, by id."""
    query = select(table).where(table.c[key].in_(list(ids)))
    return {getattr(row, key): row for row in connection.execute(query)}


def _fault_of(row: Any, entry: dict[str, Any]) -> str:
    if row is None:
        return "is not in the store any more"
    if row.verdict != entry["verdict"]:
        return f"was {entry['verdict']} and is {row.verdict} in the store"
    if (row.listing_id, row.policy_version) != (entry["listing"], entry["policy"]):
        return "was about another listing, or by another policy"
    return "" if digest(row.payload) == entry["content"] else "has another content in the store"


def _same(what: str, present: Mapping[str, object], expected: Mapping[str, object]) -> None:
    for name in present.keys() | expected.keys():
        if present.get(name) != expected.get(name):
            raise AuditBroken(
                0, f"the {what} {name!r} is {present.get(name)} in the store, {expected.get(name)} in the log"
            )
