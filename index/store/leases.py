"""Who may take a case, and who holds it? What is written when a lease begins, goes on and ends; alike for checks."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row

from index.case_records import UNRESOLVED, Case, Lease
from index.errors import Conflict

# The columns of a case that nobody holds.
FREE: Final = {"holder": "", "lease_token": "", "lease_expire_time": None, "claim_time": None}


def claimed(case: Case, holder: str, now: datetime, duration: timedelta) -> dict[str, Any]:
    """Return the columns with which `holder` takes a case, or renews their lease on it. Raises Conflict."""
    if case.state not in UNRESOLVED:
        raise Conflict(f"The case {case.case_id!r} is {case.state}; nothing is left to decide in it.")
    lease = case.lease_at(now)
    if lease is None:
        return held_by(holder, now, duration)
    if lease.holder != holder:
        raise Conflict(f"Somebody else holds the case {case.case_id!r} until {lease.expire_time.isoformat()}.")
    return {"lease_expire_time": now + duration}


def may_release(case: Case, holder: str, now: datetime) -> bool:
    """Tell whether there is a lease of `holder`'s to end. Raises Conflict for another's."""
    lease = case.lease_at(now)
    if lease is not None and lease.holder != holder:
        raise Conflict(f"Somebody else holds the case {case.case_id!r}; only its holder can let it go.")
    return lease is not None


def held_by(holder: str, now: datetime, duration: timedelta) -> dict[str, Any]:
    """Return the columns of a case that `holder` takes anew."""
    token = secrets.token_urlsafe(24)
    return {"holder": holder, "lease_token": token, "lease_expire_time": now + duration, "claim_time": now}


def lease_of(row: Row[Any]) -> Lease | None:
    """Return the lease that a row tells of, whether it runs or not."""
    if row.lease_expire_time is None:
        return None
    return Lease(holder=row.holder, token=row.lease_token, expire_time=row.lease_expire_time, claim_time=row.claim_time)
