"""Which resolved cases are of known truth? Marked by a lead, and drawn for people who could not know the answer.

What is right is the verdict in force when the case is marked. Where another one comes into force later, the case is
drawn no more and answers to it do not count, until it is marked anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, and_, cast, delete, func, or_, select, true, update

from index.audit.entries import Act, Entry
from index.case_records import UNRESOLVED, CaseFilter, CaseState
from index.check_records import Gold, GoldOnRecord, GoldPage
from index.errors import Conflict
from index.photos import PhotoOwner, PhotoState
from index.store.audit import enter
from index.store.case_queue import fits
from index.store.cases import find_case, lock_case, records_of
from index.store.decisions import lock_decision
from index.store.engine import Database
from index.store.leases import FREE
from index.store.listings import IN_FORCE
from index.store.rulings import last_in_force
from index.store.tables.cases import cases, reviews
from index.store.tables.checks import check_answers, checks, gold_cases
from index.store.tables.decisions import decisions
from index.store.tables.photos import kept_photos

_FIELDS = tuple(Gold.__dataclass_fields__)
_IS_GOLD = and_(
    gold_cases.c.case_id == cases.c.case_id,
    decisions.c.decision_id == cases.c.decision_id,
    gold_cases.c.verdict == IN_FORCE,
)
_GONE = (str(PhotoState.EXPIRED), str(PhotoState.FORGOTTEN))


class GoldStore:
    """The part of the store that keeps cases of known truth."""

    _database: Database

    def mark_gold(self, case_id: str, *, note: str, marked_by: str, time: datetime) -> Gold:
        """Mark a resolved case as gold, with a `note` on why its verdict is right; anew if it was marked before.

        Raises NotFound, and Conflict when the case is not resolved.
        """
        with self._database.write(f"mark the case {case_id!r} as gold") as connection:
            lock_decision(connection, find_case(connection, case_id).decision_id)
            case = lock_case(connection, case_id)
            ruled = last_in_force(connection, case.decision_id)
            if case.state is not CaseState.RESOLVED or ruled is None:
                raise Conflict(f"The case {case_id!r} is {case.state}; only a resolved one can be marked as gold.")
            verdict = ruled.outcome.verdict
            gold = Gold(case_id=case_id, verdict=verdict, note=note, marked_by=marked_by, mark_time=time)
            connection.execute(delete(gold_cases).where(gold_cases.c.case_id == case_id))
            connection.execute(gold_cases.insert().values({name: getattr(gold, name) for name in _FIELDS}))
            facts = {"verdict": str(verdict)}
            enter(connection, Entry(act=Act.GOLD_MARKED, subject=case_id, actor=marked_by, facts=facts))
            return gold

    def unmark_gold(self, case_id: str, *, time: datetime) -> bool:
        """Take the mark away, and checks that nobody answered yet; tell whether there was one. Raises NotFound."""
        waiting = (checks.c.gold_case_id == case_id, checks.c.state == str(CaseState.OPEN))
        ended = {"state": str(CaseState.SUPERSEDED), "revision": checks.c.revision + 1, "update_time": time, **FREE}
        with self._database.write(f"take the mark from the case {case_id!r}") as connection:
            find_case(connection, case_id)
            connection.execute(update(checks).where(*waiting).values(ended))
            was = connection.execute(delete(gold_cases).where(gold_cases.c.case_id == case_id)).rowcount > 0
            if was:
                enter(connection, Entry(act=Act.GOLD_UNMARKED, subject=case_id))
            return was

    def find_gold(self, case_id: str) -> Gold | None:
        """Return a case's mark, or None."""
        with self._database.read("read the mark of a gold case") as connection:
            row = connection.execute(select(gold_cases).where(gold_cases.c.case_id == case_id)).one_or_none()
            return None if row is None else _gold(row)

    def list_gold(self, *, after: tuple[datetime, str] | None = None, limit: int = 100) -> GoldPage:
        """Return up to `limit` gold cases, those marked last first, and what people answered to each."""
        time, name = gold_cases.c.mark_time, gold_cases.c.case_id
        query = select(gold_cases).order_by(time.desc(), name.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(or_(time < after[0], and_(time == after[0], name < after[1])))
        with self._database.read("list gold cases") as connection:
            golds = [_gold(row) for row in connection.execute(query)]
            shown = [gold.case_id for gold in golds[:limit]]
            found = connection.execute(select(cases).where(cases.c.case_id.in_(shown))).all()
            by_id = {case.case_id: case for case in records_of(connection, found)}
            tallies = {row.gold_case_id: (row.answers, row.agreed) for row in connection.execute(_tallies(shown))}
        page = []
        for gold in golds[:limit]:
            answers, agreed = tallies.get(gold.case_id, (0, 0))
            page.append(GoldOnRecord(gold=gold, case=by_id[gold.case_id], answers=answers, agreed=agreed))
        last = page[-1].gold if len(golds) > limit else None
        return GoldPage(golds=tuple(page), next_after=None if last is None else (last.mark_time, last.case_id))

    def draw_gold(
        self, wanted: CaseFilter, *, reviewer: str, now: datetime, chance: Callable[[], float]
    ) -> Gold | None:
        """Draw a gold case that fits, by `chance` in 0..1, of those that can tell something about `reviewer`.

        Not one that they marked, had as a check, or whose listing they decided on; nor one that would give itself away:
        whose photos are gone, whose reports brought photos, which say when, or whose listing waits in the queue. Times
        of `wanted`, its states, exceptions and holder are not used.
        """
        of_kind = replace(wanted, created_from=None, created_before=None, except_ids=(), holder="")
        query = select(gold_cases).select_from(cases).join(gold_cases, gold_cases.c.case_id == cases.c.case_id)
        query = query.join(decisions, decisions.c.decision_id == cases.c.decision_id)
        query = query.where(
            fits(of_kind, now, states=true()),
            _IS_GOLD,
            cases.c.state == str(CaseState.RESOLVED),
            gold_cases.c.marked_by != reviewer,
            ~_known_to(reviewer),
            ~_waits_elsewhere(),
            ~_photos_would_tell(),
        )
        with self._database.read("draw a gold case") as connection:
            found = connection.execute(query.order_by(gold_cases.c.case_id)).all()
        return _gold(found[min(int(chance() * len(found)), len(found) - 1)]) if found else None


def counts() -> ColumnElement[bool]:
    """Say of a check, joined with `cases`, `gold_cases` and `decisions`, that what was right then is right still."""
    return and_(checks.c.gold_case_id == cases.c.case_id, _IS_GOLD, checks.c.right_verdict == gold_cases.c.verdict)


def _tallies(case_ids: list[str]) -> Any:
    agreed = func.coalesce(func.sum(cast(check_answers.c.agreed, Integer)), 0)
    return (
        select(checks.c.gold_case_id, func.count().label("answers"), agreed.label("agreed"))
        .join_from(check_answers, checks, checks.c.check_id == check_answers.c.check_id)
        .join(gold_cases, gold_cases.c.case_id == checks.c.gold_case_id)
        .where(checks.c.gold_case_id.in_(case_ids), check_answers.c.undo_time.is_(None))
        .where(checks.c.right_verdict == gold_cases.c.verdict)
        .group_by(checks.c.gold_case_id)
    )


def _known_to(reviewer: str) -> ColumnElement[bool]:
    """Say of a case that somebody had it as a check, or decided on its listing."""
    others = cases.alias("of_listing")
    had = select(checks.c.check_id).where(checks.c.gold_case_id == cases.c.case_id, checks.c.reviewer == reviewer)
    decided = (
        select(reviews.c.number)
        .join(others, others.c.case_id == reviews.c.case_id)
        .where(reviews.c.reviewer == reviewer, others.c.listing_id == cases.c.listing_id)
    )
    return or_(had.exists(), decided.correlate(cases).exists())


def _waits_elsewhere() -> ColumnElement[bool]:
    others = cases.alias("waiting")
    waiting = others.c.state.in_([str(state) for state in UNRESOLVED])
    return select(others.c.case_id).where(others.c.listing_id == cases.c.listing_id, waiting).correlate(cases).exists()


def _photos_would_tell() -> ColumnElement[bool]:
    own = and_(kept_photos.c.owner == str(PhotoOwner.DECISION), kept_photos.c.owner_id == cases.c.decision_id)
    gone = and_(own, kept_photos.c.state.in_(_GONE))
    came_later = and_(kept_photos.c.owner == str(PhotoOwner.REPORT), kept_photos.c.listing_id == cases.c.listing_id)
    return select(kept_photos.c.position).where(or_(gone, came_later)).correlate(cases).exists()


def _gold(row: Row[Any]) -> Gold:
    return Gold(**{name: getattr(row, name) for name in _FIELDS})
