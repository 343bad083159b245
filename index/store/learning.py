"""What has the service learnt from verdicts? Calibration states, and the verdicts they come from.

A state is a function of the verdicts up to its number, so whoever recomputes one gets the same; the first to write it
wins, and replicas never have to agree on who learns.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, func, or_, select, true, update

from index.decision_records import DecisionRecord
from index.errors import NotFound
from index.learning import CalibrationOnRecord, JudgedDecision
from index.store.engine import Database, insert_new
from index.store.tables.cases import verdicts
from index.store.tables.decisions import decisions
from index.store.tables.learning import calibrations
from index.verdicts import HumanVerdict, VerdictSource

# Of so many verdicts, one state is kept whole, from which later ones can be recomputed.
KEPT_EVERY = 1000
_VERDICT = tuple(HumanVerdict.__dataclass_fields__)
_DECISION = tuple(DecisionRecord.__dataclass_fields__)
_STATE = tuple(CalibrationOnRecord.__dataclass_fields__)


class LearningStore:
    """The part of the store that keeps what was learnt from verdicts."""

    _database: Database

    def judged_after(
        self, number: int, *, up_to: int | None = None, certificate_id: str | None = None, limit: int = 1000
    ) -> tuple[JudgedDecision, ...]:
        """Return up to `limit` verdicts after `number` (and no later than `up_to`), oldest first, with their decisions.

        With a `certificate_id`, only those on takedowns that rested on it.
        """
        query = _judged().where(verdicts.c.number > number).order_by(verdicts.c.number).limit(limit)
        if up_to is not None:
            query = query.where(verdicts.c.number <= up_to)
        if certificate_id is not None:
            query = query.where(verdicts.c.certificate_id == certificate_id)
        with self._database.read("read verdicts with their decisions") as connection:
            return tuple(_one(row) for row in connection.execute(query))

    def unjudged_reviews(self, *, before: datetime, after: str = "", limit: int = 1000) -> tuple[DecisionRecord, ...]:
        """Return up to `limit` decisions for REVIEW made before a moment, on which nobody's verdict stands.

        Those of listings that were decided anew since are left out: there is nothing to judge any more. In the order
        of their ids, from the one that follows `after` on.
        """
        newer = decisions.alias("newer")
        latest = (
            select(verdicts.c.undone)
            .where(verdicts.c.decision_id == decisions.c.decision_id, verdicts.c.source != str(VerdictSource.APPEAL))
            .order_by(verdicts.c.number.desc())
            .limit(1)
            .correlate(decisions)
            .scalar_subquery()
        )
        decided_anew = exists(
            select(1).where(newer.c.listing_id == decisions.c.listing_id, newer.c.number > decisions.c.number)
        )
        query = (
            select(decisions)
            .where(decisions.c.verdict == "REVIEW", decisions.c.create_time < before, decisions.c.decision_id > after)
            .where(or_(latest.is_(None), latest == true()), ~decided_anew)
            .order_by(decisions.c.decision_id)
            .limit(limit)
        )
        with self._database.read("read reviews without a verdict") as connection:
            return tuple(_decision(row) for row in connection.execute(query))

    def newest_decision(self) -> DecisionRecord | None:
        """Return the decision that was recorded last, or None before the first: it names the versions in use."""
        query = select(decisions).order_by(decisions.c.number.desc()).limit(1)
        with self._database.read("read the newest decision") as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _decision(row)

    def newest_calibration(self, fusion_version: str) -> CalibrationOnRecord | None:
        """Return the newest state of a fusion's calibration, or None before the first."""
        query = _states().where(calibrations.c.fusion_version == fusion_version)
        query = query.order_by(calibrations.c.number.desc()).limit(1)
        with self._database.read("read the newest calibration") as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _state(row)

    def find_calibration(self, version: str) -> CalibrationOnRecord:
        """Return the state that a decision names. Raises NotFound."""
        with self._database.read("read a calibration") as connection:
            row = connection.execute(_states().where(calibrations.c.version == version)).one_or_none()
        if row is None:
            raise NotFound(f"There is no calibration with the version {version!r}.")
        return _state(row)

    def checkpoint(self, fusion_version: str, number: int) -> bytes | None:
        """Return the newest whole state from which the one at `number` follows by learning on, or None.

        That is one of which no verdict was undone or replaced between it and `number`.
        """
        kept = calibrations.alias("kept")
        before, later = verdicts.alias("before"), verdicts.alias("later")
        replaced = exists(
            select(1).where(
                before.c.decision_id == later.c.decision_id,
                before.c.number <= kept.c.number,
                later.c.number > kept.c.number,
                later.c.number <= number,
                later.c.source != str(VerdictSource.APPEAL),
            )
        )
        query = (
            select(kept.c.payload)
            .where(kept.c.fusion_version == fusion_version, kept.c.number <= number, kept.c.payload.is_not(None))
            .where(~replaced)
            .order_by(kept.c.number.desc())
            .limit(1)
        )
        with self._database.read("read a calibration") as connection:
            return connection.execute(query).scalar_one_or_none()

    def save_calibration(self, record: CalibrationOnRecord, payload: bytes) -> CalibrationOnRecord:
        """Keep a state, and return the one that stands: an earlier one of the same number, where there is one."""
        own = calibrations.c.fusion_version == record.fusion_version
        with self._database.write("keep a calibration") as connection:
            kept = connection.execute(select(func.max(calibrations.c.number)).where(own, calibrations.c.kept))
            whole = record.number // KEPT_EVERY > (kept.scalar_one() or 0) // KEPT_EVERY
            values = {name: getattr(record, name) for name in _STATE} | {"payload": payload, "kept": whole}
            insert_new(connection, calibrations, [values])
            passed = update(calibrations).where(own, calibrations.c.number < record.number, ~calibrations.c.kept)
            connection.execute(passed.values(payload=None))
            stands = _states().where(own, calibrations.c.number == record.number)
            return _state(connection.execute(stands).one())


def _judged() -> Select[Any]:
    ours = (decisions.c.create_time.label("decide_time"), decisions.c.model_fingerprint, decisions.c.payload)
    return select(verdicts, *ours).join_from(verdicts, decisions)


def _one(row: Row[Any]) -> JudgedDecision:
    values = {name: getattr(row, name) for name in _VERDICT}
    return JudgedDecision(
        verdict=HumanVerdict(**values | {"source": VerdictSource(row.source)}),
        decide_time=row.decide_time,
        model_fingerprint=row.model_fingerprint,
        payload=row.payload,
    )


def _decision(row: Row[Any]) -> DecisionRecord:
    return DecisionRecord(**{name: getattr(row, name) for name in _DECISION})


def _states() -> Select[Any]:
    return select(*(calibrations.c[name] for name in _STATE))


def _state(row: Row[Any]) -> CalibrationOnRecord:
    return CalibrationOnRecord(**{name: getattr(row, name) for name in _STATE})
