"""What went wrong in the database, and what can be done? The one edge where its errors turn into ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from index.errors import Conflict, LostRace, StoreError
from index.store.dialects import PATIENCE_S

_CORRUPT = ("file is not a database", "malformed", "disk i/o error")
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOST_RACES = ("40P01", "40001")  # deadlock_detected, serialization_failure
_WAITED_TOO_LONG = ("55P03", "57014")  # lock_not_available, query_canceled (by statement_timeout)
_NO_SUCH_TABLE = ("42P01", "42703")  # undefined_table, undefined_column


@contextlib.contextmanager
def translated(name: str, action: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises in the block into a StoreError; `action` completes "could not ..."."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"{name}: could not {action}: it breaks a rule of the store: {_cause(error)}.") from error
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and _code(error) in _LOST_RACES:
            raise LostRace(
                f"{name}: could not {action}: another change was under way at the same time. Nothing of this one was "
                "written; try again."
            ) from error
        raise StoreError(f"{name}: could not {action}: {_explain(error, name)}") from error


def _explain(error: SQLAlchemyError, name: str) -> str:
    if isinstance(error, DBAPIError):
        return _explain_cause(_cause(error), _code(error), name)
    if isinstance(error, PoolTimeout):
        return "all connections were in use for too long; try again, or allow more with the setting store_connections."
    return f"{error}."


def _explain_cause(cause: str, code: str, name: str) -> str:
    if any(sign in cause.lower() for sign in _CORRUPT):
        return (
            f"the file is damaged or no SQLite database ({cause}). Put back a backup of it; without one, move it "
            "away and fill a new store with 'touchstone brands seed' and 'touchstone prices import'."
        )
    if "database is locked" in cause:
        return f"another process has been writing for over {PATIENCE_S} s; stop that one or wait."
    if "no such table" in cause or "no such column" in cause or code in _NO_SUCH_TABLE:
        return f"the schema is not the expected one ({cause}); run 'python -m index.store.migrate {name}'."
    if code in _WAITED_TOO_LONG:
        return f"it waited too long for another transaction, or took over {PATIENCE_S} s ({cause}); try again."
    return f"{cause}."


def _code(error: DBAPIError) -> str:
    """Return PostgreSQL's code of an error, "" where there is none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _cause(error: DBAPIError) -> str:
    """Return what the driver says, without PostgreSQL's further lines: they quote rows, which may be personal."""
    return (str(error.orig).splitlines() or [type(error.orig).__name__])[0]
