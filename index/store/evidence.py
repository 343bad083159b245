"""What was taken out of the service? Evidence packages on record, whose rows are the log of their recipients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update

from index.audit.entries import Act, Entry
from index.errors import Conflict, NotFound
from index.evidence_records import Audience, EvidencePackage
from index.store.audit import enter
from index.store.cases import find_case, lock_case
from index.store.decisions import lock_decision
from index.store.engine import Database
from index.store.photos import need_photos
from index.store.retry import run_again
from index.store.tables.evidence import evidence_packages

_COLUMNS = tuple(EvidencePackage.__dataclass_fields__)


class EvidenceStore:
    """The part of the store that keeps the packages' records; their files are the blob store's."""

    _database: Database

    @run_again
    def add_package(self, package: EvidencePackage, *, revision: int) -> None:
        """Record a package whose file is kept already; `revision` is the case's when it was read.

        Raises:
            NotFound: there is no such case.
            Conflict: the case changed meanwhile, or another package of the listing was made for the same audience.

        """
        with self._database.write("record an evidence package") as connection:
            lock_decision(connection, find_case(connection, package.case_id).decision_id)
            case = lock_case(connection, package.case_id)
            if case.revision != revision:
                raise Conflict(f"The case {package.case_id!r} was changed while its package was made; ask again.")
            last = _last(connection, package.listing_id, package.audience)
            if (last.digest if last else "") != package.previous_digest:
                raise Conflict(f"Another package of {package.listing_id!r} was made at the same time; ask again.")
            values = {name: getattr(package, name) for name in _COLUMNS} | {"audience": str(package.audience)}
            connection.execute(evidence_packages.insert().values(**values))
            facts = {"case": package.case_id, "audience": str(package.audience), "content": package.digest}
            entry = Entry(act=Act.EVIDENCE_EXPORTED, subject=package.package_id, actor=package.exported_by, facts=facts)
            enter(connection, entry)
            need_photos(connection, case.decision_id, until=package.retain_until)

    def get_package(self, package_id: str) -> EvidencePackage:
        """Return a package. Raises NotFound."""
        with self._database.read("read an evidence package") as connection:
            this = select(evidence_packages).where(evidence_packages.c.package_id == package_id)
            row = connection.execute(this).one_or_none()
        if row is None:
            raise NotFound(f"There is no evidence package with the id {package_id!r}.")
        return _record(row)

    def last_package(self, listing_id: str, audience: Audience) -> EvidencePackage | None:
        """Return the package of a listing that was made last for an audience."""
        with self._database.read("read an evidence package") as connection:
            return _last(connection, listing_id, audience)

    def case_packages(self, case_id: str) -> tuple[EvidencePackage, ...]:
        """Return the packages of a case, the oldest first: the log of who took evidence out."""
        own = select(evidence_packages).where(evidence_packages.c.case_id == case_id)
        with self._database.read("read evidence packages") as connection:
            return tuple(map(_record, connection.execute(own.order_by(evidence_packages.c.number))))

    def let_packages_go(self, now: datetime) -> int:
        """Forget the files of packages that need not be kept any longer, not their records; return how many."""
        over = and_(evidence_packages.c.file_sha256 != "", evidence_packages.c.retain_until < now)
        with self._database.write("let evidence packages go") as connection:
            count = connection.execute(update(evidence_packages).where(over).values(file_sha256="")).rowcount
            if count:
                enter(connection, Entry(act=Act.EVIDENCE_LET_GO, subject="", facts={"packages": count}))
            return count


def _last(connection: Connection, listing_id: str, audience: Audience) -> EvidencePackage | None:
    own = (evidence_packages.c.listing_id == listing_id, evidence_packages.c.audience == str(audience))
    query = select(evidence_packages).where(*own).order_by(evidence_packages.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def _record(row: Row[Any]) -> EvidencePackage:
    values = {name: getattr(row, name) for name in _COLUMNS}
    return EvidencePackage(**values | {"audience": Audience(row.audience)})
