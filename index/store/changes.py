"""What has changed since? The change log that replicas tail, and the counters behind it and behind the events.

`take` must come late in a transaction: on PostgreSQL it holds the counter's row until the commit, which is what makes
the numbers grow in the order of the commits. It also announces the commit to who listens: `index.store.feed`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Text, bindparam, func, select, update

from index.records import Change, ChangeKind
from index.store.engine import Database
from index.store.feed import CHANNEL, ChangeFeed, following
from index.store.tables.changes import change_log, counters

# The counters' rows are made by the migrations.
CHANGES = "changes"
EVENTS = "events"

# Built once, because each decision runs them.
_COUNTER = bindparam("of_counter", type_=Text())
_HEAD = select(counters.c.value).where(counters.c.name == _COUNTER)
_TAKE = update(counters).where(counters.c.name == _COUNTER).values(value=counters.c.value + bindparam("count"))
# What is announced is delivered when the transaction commits, and only then.
_TAKE_AND_ANNOUNCE = _TAKE.returning(counters.c.value, func.pg_notify(CHANNEL, counters.c.name))


def head(connection: Connection, counter: str) -> int:
    """Return the highest number given out by `counter`, 0 before the first."""
    return int(connection.execute(_HEAD, {"of_counter": counter}).scalar_one())


def take(connection: Connection, counter: str, count: int = 1) -> int:
    """Take the next `count` numbers of `counter`, and return the first of them."""
    values = {"of_counter": counter, "count": count}
    if connection.dialect.name == "postgresql":
        return int(connection.execute(_TAKE_AND_ANNOUNCE, values).one().value) - count + 1
    connection.execute(_TAKE, values)
    return head(connection, counter) - count + 1


def log_changes(connection: Connection, kind: ChangeKind, subject_ids: Iterable[str]) -> None:
    """Append one line per subject to the change log."""
    subjects = list(subject_ids)
    if not subjects:
        return
    first, mark = take(connection, CHANGES, len(subjects)), secrets.token_hex(8)
    connection.execute(
        change_log.insert(),
        [
            {"version": version, "kind": str(kind), "subject_id": subject, "mark": mark}
            for version, subject in enumerate(subjects, start=first)
        ],
    )


class ChangeStore:
    """The part of the store that says whether an index is still up to date."""

    _database: Database

    def version(self) -> int:
        """Return the head of the change log: it grows with every change of brands, references and removed images."""
        with self._database.read("read the version") as connection:
            return head(connection, CHANGES)

    def mark_of(self, version: int) -> str:
        """Return what tells the state `version` from that of another store, or of one that was put back; "" for 0."""
        query = select(change_log.c.mark).where(change_log.c.version == version)
        with self._database.read("read the change log") as connection:
            return connection.execute(query).scalar_one_or_none() or ""

    def changes_after(self, version: int, *, limit: int = 1000) -> tuple[Change, ...]:
        """Return up to `limit` changes that came after `version`, oldest first."""
        query = select(change_log).where(change_log.c.version > version).order_by(change_log.c.version).limit(limit)
        with self._database.read("read the change log") as connection:
            return tuple(
                Change(version=row.version, kind=ChangeKind(row.kind), subject_id=row.subject_id)
                for row in connection.execute(query)
            )

    def following(self) -> AbstractContextManager[ChangeFeed]:
        """Watch the store for commits, of whatever process, until the block ends."""
        return following(self._database)
