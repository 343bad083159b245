"""Who wants to keep a brand, and whom was one given? Applications, and the grants that follow from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from index.applications import Application, ApplicationRuling, ApplicationState
from index.audit.entries import Act, Entry
from index.brand_records import BrandProfile
from index.errors import Conflict, NotFound
from index.rulings import RequestKey
from index.store.audit import enter, pseudonym
from index.store.brand_profiles import insert_profile
from index.store.brands import require_brands
from index.store.engine import Database, insert_new
from index.store.locks import lock_registry
from index.store.requests import claim_request
from index.store.tables.portal import brand_applications, brand_grants

_FIELDS = tuple(Application.__dataclass_fields__)


class ApplicationStore:
    """The part of the store that keeps applications for brands."""

    _database: Database

    def add_application(self, application: Application, *, request: RequestKey | None = None) -> Application:
        """Record an application; when the same request came before, return the one that it made. Raises KeyReused."""
        with self._database.write("record an application") as connection:
            made = claim_request(connection, request, application.application_id, application.create_time)
            if made is None:
                values = {name: getattr(application, name) for name in _FIELDS} | {"state": str(application.state)}
                connection.execute(brand_applications.insert().values(**values))
                filed, applicant = application.application_id, application.applicant
                enter(connection, Entry(act=Act.APPLICATION_FILED, subject=filed, actor=applicant))
            return _one(connection, made or application.application_id)

    def get_application(self, application_id: str) -> Application:
        """Return an application. Raises NotFound."""
        with self._database.read("read an application") as connection:
            return _one(connection, application_id)

    def applications(
        self,
        *,
        state: ApplicationState | None = None,
        applicant: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int,
    ) -> tuple[Application, ...]:
        """Return up to `limit` applications, the oldest first, from after a time and id on."""
        columns = brand_applications.c
        query = select(brand_applications).order_by(columns.create_time, columns.application_id).limit(limit)
        if state is not None:
            query = query.where(columns.state == str(state))
        if applicant is not None:
            query = query.where(columns.applicant == applicant)
        if after is not None:
            time, application_id = after
            later = and_(columns.create_time == time, columns.application_id > application_id)
            query = query.where(or_(columns.create_time > time, later))
        with self._database.read("list applications") as connection:
            return tuple(map(_application, connection.execute(query)))

    def waiting_applications(self, applicant: str) -> int:
        """Count somebody's applications that nobody decided on yet."""
        columns = brand_applications.c
        own = (columns.applicant == applicant, columns.state == str(ApplicationState.PENDING))
        with self._database.read("count applications") as connection:
            return connection.execute(select(func.count()).select_from(brand_applications).where(*own)).scalar_one()

    def decide_application(
        self, application_id: str, ruling: ApplicationRuling, *, brand: BrandProfile | None = None
    ) -> Application:
        """Decide on an application: make `brand`, if it is given, and give the applicant the brand, in one transaction.

        The same decision again changes nothing.

        Raises:
            NotFound: there is no such application, or no brand of the id.
            NameTaken: another brand goes by one of the names.
            Conflict: it was decided otherwise, or the brand's id is taken.

        """
        this = brand_applications.c.application_id == application_id
        values = {"reason": ruling.reason, "brand_id": ruling.brand_id, "decided_by": ruling.actor}
        with self._database.write("decide on an application") as connection:
            lock_registry(connection)
            old = _one(connection, application_id)
            if old.state is not ApplicationState.PENDING:
                return _same(old, ruling)
            if brand is not None:
                insert_profile(connection, brand, actor=ruling.actor, now=ruling.time)
            if ruling.brand_id:
                require_brands(connection, [ruling.brand_id])
                grant = {"holder": old.applicant, "brand_id": ruling.brand_id, "granted_by": ruling.actor}
                insert_new(connection, brand_grants, [grant | {"create_time": ruling.time}])
            decided = update(brand_applications).where(this)
            connection.execute(decided.values(state=str(ruling.state), decide_time=ruling.time, **values))
            facts = {
                "state": str(ruling.state),
                "brand": ruling.brand_id,
                "holder": pseudonym(connection, old.applicant),
            }
            entry = Entry(act=Act.APPLICATION_DECIDED, subject=application_id, actor=ruling.actor, facts=facts)
            enter(connection, entry)
            return _one(connection, application_id)

    def withdraw_grant(self, holder: str, brand_id: str, *, actor: str) -> bool:
        """Take a brand back from who was given it; tell whether they had it."""
        this = (brand_grants.c.holder == holder, brand_grants.c.brand_id == brand_id)
        with self._database.write("take a brand back") as connection:
            had = connection.execute(delete(brand_grants).where(*this)).rowcount > 0
            if had:
                facts = {"holder": pseudonym(connection, holder)}
                enter(connection, Entry(act=Act.GRANT_WITHDRAWN, subject=brand_id, actor=actor, facts=facts))
            return had

    def brand_grants(self) -> Mapping[str, frozenset[str]]:
        """Return the ids of the brands that each holder was given, by the name in the holder's credential."""
        found: dict[str, set[str]] = defaultdict(set)
        with self._database.read("read who was given brands") as connection:
            for row in connection.execute(select(brand_grants.c.holder, brand_grants.c.brand_id)):
                found[row.holder].add(row.brand_id)
        return {holder: frozenset(brands) for holder, brands in found.items()}


def _same(old: Application, ruling: ApplicationRuling) -> Application:
    """Return what was decided before if it is the same. Raises Conflict."""
    if old.state is not ruling.state:
        raise Conflict(f"The application {old.application_id!r} was {old.state.name.lower()} by {old.decided_by!r}.")
    return old


def _one(connection: Connection, application_id: str) -> Application:
    this = brand_applications.c.application_id == application_id
    row = connection.execute(select(brand_applications).where(this)).one_or_none()
    if row is None:
        raise NotFound(f"There is no application with the id {application_id!r}; check the id.")
    return _application(row)


def _application(row: Row[Any]) -> Application:
    return Application(**row._asdict() | {"state": ApplicationState(row.state)})
