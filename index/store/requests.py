"""Was this asked before? The idempotency keys of what people do, and the secrets of this installation."""

from __future__ import annotations

import secrets as random_secrets
from datetime import datetime

from sqlalchemy import Connection, select, update

from index.errors import KeyReused
from index.rulings import RequestKey
from index.store.engine import Database, insert_new
from index.store.tables.cases import case_requests, secrets

_SECRET_BYTES = 32


class RequestStore:
    """The part of the store that remembers requests, and keeps secrets that are made once."""

    _database: Database

    def find_request(self, request: RequestKey) -> str | None:
        """Return the id of what this request made, or None. Raises KeyReused when the key was another request's."""
        with self._database.read("look up an idempotency key") as connection:
            return subject_of(connection, request)

    def secret(self, name: str) -> bytes:
        """Return the installation's secret of this name, 32 bytes; it is made when it is first asked for."""
        this = select(secrets.c.value).where(secrets.c.name == name)
        with self._database.read("read a secret") as connection:
            known = connection.scalars(this).one_or_none()
        if known is None:
            with self._database.write("make a secret") as connection:
                insert_new(connection, secrets, [{"name": name, "value": random_secrets.token_bytes(_SECRET_BYTES)}])
                known = connection.scalars(this).one()
        return bytes(known)


def claim_request(connection: Connection, request: RequestKey | None, subject_id: str, time: datetime) -> str | None:
    """Note that a request makes `subject_id`, or return what it made before; None when it is the first.

    PostgreSQL waits here for a rival with the same key to commit or fail. Raises KeyReused.
    """
    if request is None:
        return None
    claim = {
        "scope": request.scope,
        "request_id": request.request_id,
        "request_sha256": request.request_sha256,
        "subject_id": subject_id,
        "create_time": time,
    }
    return None if insert_new(connection, case_requests, [claim]) == 1 else subject_of(connection, request)


def subject_of(connection: Connection, request: RequestKey) -> str | None:
    """Return what a request made, or None when it did not come before. Raises KeyReused."""
    key = (case_requests.c.scope == request.scope, case_requests.c.request_id == request.request_id)
    row = connection.execute(select(case_requests).where(*key)).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != request.request_sha256:
        raise KeyReused(
            f"The idempotency key {request.request_id!r} was used for another request; "
            "send that request again unchanged, or choose a new key."
        )
    return str(row.subject_id)


def rename_subject(connection: Connection, request: RequestKey | None, subject_id: str) -> None:
    """Note that a request made something else than was claimed: it changed what was there."""
    if request is not None:
        key = (case_requests.c.scope == request.scope, case_requests.c.request_id == request.request_id)
        connection.execute(update(case_requests).where(*key).values(subject_id=subject_id))
