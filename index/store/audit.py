"""Who did what? Entries of the audit log, written in the transaction of the act, and sealed into a chain afterwards.

An entry is one insert that waits for nobody. The chain has one order for all replicas, so only one of them may lengthen
it at a time: `seal_audit` does, once in a while and for many entries at once, so that no decision waits for that.
Entries are chained in the order of their numbers among those that are committed. An act that rests on another one saw
it committed, so it has the higher number and is never sealed before it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as random_secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, bindparam, func, select, update

from index.audit.chain import Head, Place, Sealed, chained
from index.audit.entries import Entry, stamp, text_of
from index.store.engine import Database, insert_new
from index.store.locks import lock_audit
from index.store.tables.audit import audit_entries, audit_heads
from index.store.tables.cases import secrets

# The store's secret that pseudonyms in the log are made with.
PSEUDONYMS = "audit-log"
_PSEUDONYM_DIGITS = 32  # 128 bits
_SEALED_AT_ONCE = 1_000  # holds SQLite's writer for some 10 ms
_PAGE = 1_000

# Built once: each decision runs the first. Inline: nobody asks for the number that an entry got.
_INSERT = audit_entries.insert().inline()
_SEALED = audit_entries.c.position.is_not(None)
_UNSEALED = (
    select(audit_entries.c.number, audit_entries.c.entry)
    .where(audit_entries.c.position.is_(None))
    .order_by(audit_entries.c.number)
    .limit(_SEALED_AT_ONCE)
)
_SEAL = (
    update(audit_entries)
    .where(audit_entries.c.number == bindparam("of_number"))
    .values(position=bindparam("at_position"), hash=bindparam("with_hash"))
)


@dataclass(frozen=True)
class HeadSigner:
    """How heads are signed: who signs, and the signature of some bytes, 64 bytes long."""

    name: str
    sign: Callable[[bytes], bytes]


class AuditStore:
    """The part of the store that keeps the audit log."""

    _database: Database

    def note_act(self, entry: Entry) -> None:
        """Enter an act that changes nothing in the store, such as a backup."""
        with self._database.write("enter an act in the audit log") as connection:
            enter(connection, entry)

    def seal_audit(self, signer: HeadSigner | None = None) -> Head | None:
        """Chain what was entered since, and return the new head; None when there was nothing to chain."""
        head = None
        while self.unsealed_entries():
            with self._database.write("seal the audit log") as connection:
                lock_audit(connection)
                head = _seal(connection, signer) or head
        return head

    def unsealed_entries(self) -> int:
        """Count the entries that are not chained yet."""
        with self._database.read("count unsealed entries") as connection:
            waiting = select(func.count()).select_from(audit_entries).where(audit_entries.c.position.is_(None))
            return int(connection.execute(waiting).scalar_one())

    def audit_head(self) -> Head | None:
        """Return the newest head, None of a log that holds nothing."""
        with self._database.read("read the head of the audit log") as connection:
            row = connection.execute(select(audit_heads).order_by(audit_heads.c.position.desc()).limit(1)).one_or_none()
        return None if row is None else _head(row)

    def audit_heads(self) -> Iterator[Head]:
        """Yield all heads, the oldest first."""
        after = 0
        while True:
            page = select(audit_heads).where(audit_heads.c.position > after).order_by(audit_heads.c.position)
            with self._database.read("read the heads of the audit log") as connection:
                rows = connection.execute(page.limit(_PAGE)).all()
            yield from map(_head, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].position

    def sealed_entries(self, *, after: int = 0) -> Iterator[Sealed]:
        """Yield what is chained behind the position `after`, in the chain's order."""
        while True:
            page = select(audit_entries).where(audit_entries.c.position > after).order_by(audit_entries.c.position)
            with self._database.read("read the audit log") as connection:
                rows = connection.execute(page.limit(_PAGE)).all()
            yield from (Sealed(row.position, row.hash, row.entry) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1].position

    def pseudonym(self, name: str) -> str:
        """Return what the audit log calls somebody, or a thing whose id is personal."""
        with self._database.write("make a pseudonym") as connection:
            return pseudonym(connection, name)


def enter(connection: Connection, *entries: Entry) -> None:
    """Enter acts in the audit log, in the transaction that carries them out."""
    if entries:
        now = datetime.now(UTC)
        names = {name: pseudonym(connection, name) for name in {entry.actor for entry in entries}}
        rows = [{"entry": text_of(entry, time=now, actor=names[entry.actor])} for entry in entries]
        connection.execute(_INSERT, rows if len(rows) > 1 else rows[0])


def pseudonym(connection: Connection, name: str) -> str:
    """Return a name's pseudonym, within a transaction that writes: the same for ever, "" for nobody.

    It is a keyed hash: without the store's secret nobody can try names out.
    """
    if not name:
        return ""
    this = select(secrets.c.value).where(secrets.c.name == PSEUDONYMS)
    key = connection.scalars(this).one_or_none()
    if key is None:
        insert_new(connection, secrets, [{"name": PSEUDONYMS, "value": random_secrets.token_bytes(32)}])
        key = connection.scalars(this).one()
    return hmac.digest(bytes(key), name.encode(), hashlib.sha256).hex()[:_PSEUDONYM_DIGITS]


def digest(content: bytes) -> str:
    """Return the SHA-256 by which the log knows a content, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _seal(connection: Connection, signer: HeadSigner | None) -> Head | None:
    waiting = connection.execute(_UNSEALED).all()
    if not waiting:
        return None
    last = select(audit_entries.c.position, audit_entries.c.hash).where(_SEALED)
    row = connection.execute(last.order_by(audit_entries.c.position.desc()).limit(1)).one_or_none()
    after = Place() if row is None else Place(row.position, row.hash)
    sealed = list(chained(after, (one.entry for one in waiting)))
    changes = [
        {"of_number": one.number, "at_position": place.position, "with_hash": place.hash}
        for one, place in zip(waiting, sealed, strict=True)
    ]
    connection.execute(_SEAL, changes)
    head = Head(position=sealed[-1].position, hash=sealed[-1].hash, time=stamp(datetime.now(UTC)))
    if signer is not None:
        head = replace(head, signature=signer.sign(head.statement).hex(), signer=signer.name)
    connection.execute(audit_heads.insert().values(vars(head)))
    return head


def _head(row: Row[tuple[int, str, str, str, str]]) -> Head:
    return Head(position=row.position, hash=row.hash, time=row.time, signature=row.signature, signer=row.signer)
