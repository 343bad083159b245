"""How is somebody erased? What is about them goes, or is nobody's from then on; evidence and audit log stay.

What of whom is erased how stands in `index.store.personal`. An erasure is one transaction, and itself in the audit log,
by a pseudonym. Photos are forgotten by `index.store.photos`.
"""

from __future__ import annotations

import secrets as random_secrets
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from index.audit.entries import Act, Entry, Fact
from index.errors import Conflict
from index.holds import HoldSubject
from index.store.audit import enter, pseudonym
from index.store.engine import Database
from index.store.holds import holds_standing
from index.store.locks import lock_seller
from index.store.personal import Erasure, Whose, columns_of
from index.store.tables import metadata
from index.store.tables.cases import appeals, reports
from index.store.tables.decisions import decisions
from index.store.tables.market import sellers
from index.store.tables.sellers import seller_identities

# What a name becomes that is erased; random, so that two of the same person cannot be told to be of one.
_NOBODY = "erased-"
_NOTIFIER = ("notifier_name", "notifier_email")


class ErasingStore:
    """The part of the store that erases people."""

    _database: Database

    def erase_seller(self, seller_id: str, *, actor: str, now: datetime) -> dict[str, int]:
        """Delete a seller's identity, and empty what they wrote in appeals; return how much of each there was.

        The marketplace's id of them stays, for decisions and strikes are about it.

        Raises:
            Conflict: a legal hold on the seller stands.

        """
        with self._database.write("erase a seller") as connection:
            lock_seller(connection, seller_id)
            for hold in holds_standing(connection, now):
                if hold.subject is HoldSubject.SELLER and hold.subject_id == seller_id:
                    raise Conflict(f"The legal hold {hold.hold_id!r} keeps what is known of the seller; lift it first.")
            gone = connection.execute(delete(seller_identities).where(seller_identities.c.seller_id == seller_id))
            told = {"verified": False, "verification": None, "certify_time": None, "sales": None}
            if gone.rowcount:
                connection.execute(update(sellers).where(sellers.c.seller_id == seller_id).values(told))
            theirs = select(decisions.c.decision_id).where(decisions.c.seller_id == seller_id)
            written = update(appeals).where(appeals.c.decision_id.in_(theirs), appeals.c.statement != "")
            emptied = connection.execute(written.values(statement=""))
            found = {"identities": gone.rowcount, "statements": emptied.rowcount}
            _enter(connection, "seller", seller_id, actor, found)
            return found

    def erase_reporter(self, reporter_id: str, *, actor: str) -> dict[str, int]:
        """Empty the words and the notifier's name of somebody's reports, and make the reports nobody's.

        Their reports count no longer for their record, which is nobody's then, too.
        """
        this = reports.c.reporter_id == reporter_id
        with self._database.write("erase a reporter") as connection:
            found = connection.execute(select(reports.c.report_id, reports.c.notice).where(this)).all()
            for row in found:
                notice = row.notice and row.notice | {name: "" for name in _NOTIFIER if name in row.notice}
                values = {"text": "", "notice": notice, "reporter_id": _nobody()}
                connection.execute(update(reports).where(reports.c.report_id == row.report_id).values(values))
            counted = {"reports": len(found)}
            _enter(connection, "reporter", reporter_id, actor, counted)
            return counted

    def erase_staff(self, name: str, *, actor: str) -> dict[str, int]:
        """Put a name of nobody in the place of somebody's, as their credential has it, and take their brands away.

        Their decisions stay under their pseudonym, which is made of the name by a key: whoever knows both finds them.
        """
        nobody, found = _nobody(), {}
        with self._database.write("erase a name") as connection:
            for place, column in columns_of(Whose.STAFF, Erasure.DELETED):
                table = metadata.tables[place]
                found[f"{place}.{column}"] = connection.execute(delete(table).where(table.c[column] == name)).rowcount
            for place, column in columns_of(Whose.STAFF, Erasure.RENAMED):
                table = metadata.tables[place]
                change = update(table).where(table.c[column] == name).values({column: nobody})
                found[f"{place}.{column}"] = connection.execute(change).rowcount
            told = {place: count for place, count in found.items() if count}
            _enter(connection, "staff", name, actor, {"places": sum(told.values())})
            return told


def _enter(connection: Connection, kind: str, name: str, actor: str, counted: dict[str, int]) -> None:
    facts: dict[str, Fact] = {"of": kind, "what": "data", **counted}
    enter(connection, Entry(act=Act.ERASED, subject=pseudonym(connection, name), actor=actor, facts=facts))


def _nobody() -> str:
    return f"{_NOBODY}{random_secrets.token_hex(8)}"
