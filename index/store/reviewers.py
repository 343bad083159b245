"""How do people decide? What each one answered, and what others made of it, counted from `index.store.reviews`.

An answer was looked at again when a later one of another person is about the same resolution: by a second review, which
every takedown of high impact gets, or by an appeal, which is made on takedowns that sellers think wrong.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, func, literal_column, select

from index.insight import Reviewed, ReviewerVolume, Span
from index.intervals import Proportion, proportion
from index.store.engine import Database
from index.store.reviews import ReviewKind
from index.store.steps import DAY_S, begin_of, seconds_of, step_of
from index.store.tables.cases import resolutions, reviews


class ReviewerStore:
    """The part of the store that tells how people decide."""

    _database: Database

    def list_reviewers(self, span: Span, *, offset: int = 0, limit: int = 100) -> tuple[ReviewerVolume, ...]:
        """Return who gave answers in a span, the most active first, from a place on."""
        within = (reviews.c.answer_time >= span.start, reviews.c.answer_time < span.end)
        query = (
            select(reviews.c.reviewer, func.count().label("answers"))
            .where(*within)
            .group_by(reviews.c.reviewer)
            .order_by(func.count().desc(), reviews.c.reviewer)
            .offset(offset)
            .limit(limit)
        )
        with self._database.read("list reviewers") as connection:
            return tuple(ReviewerVolume(row.reviewer, row.answers) for row in connection.execute(query))

    def reviewed(self, reviewer: str, span: Span) -> Reviewed:
        """Return how a person, by pseudonym, answered in a span."""
        own = and_(
            reviews.c.reviewer == reviewer, reviews.c.answer_time >= span.start, reviews.c.answer_time < span.end
        )
        with self._database.read("read how a person decides") as connection:
            days = _by_day(connection, own)
            answers = sum(count for _, count in days)
            median, timed = _handling_s(connection, own)
            return Reviewed(
                answers=answers,
                days=days,
                confirmed=_agreed(connection, own, ReviewKind.SECOND_REVIEW),
                upheld=_agreed(connection, own, ReviewKind.APPEAL),
                undone=proportion(_undone(connection, own), answers),
                median_handling_s=median,
                timed=timed,
            )


def _by_day(connection: Connection, own: ColumnElement[bool]) -> tuple[tuple[int, int], ...]:
    day = step_of(reviews.c.answer_time, DAY_S)
    query = select(begin_of(day).label("day"), func.count().label("many")).where(own).group_by(day).order_by("day")
    return tuple((row.day, row.many) for row in connection.execute(query))


def _agreed(connection: Connection, own: ColumnElement[bool], kind: ReviewKind) -> Proportion:
    """Return of the answers that others looked at again in this way, the share to which they agreed."""
    later, standing = reviews.alias("later"), resolutions.alias("standing")
    again = and_(
        _judges(later, reviews),
        later.c.kind == str(kind),
        later.c.reviewer != reviews.c.reviewer,
        later.c.number > reviews.c.number,
    )
    query = (
        select((later.c.verdict == reviews.c.verdict).label("agrees"), func.count().label("many"))
        .select_from(reviews)
        .join(later, again)
        .join(standing, and_(standing.c.resolution_id == later.c.resolution_id, standing.c.undo_time.is_(None)))
        .where(own)
        .group_by("agrees")
    )
    counts = {bool(row.agrees): row.many for row in connection.execute(query)}
    return proportion(counts.get(True, 0), sum(counts.values()))


def _judges(later: FromClause, answer: FromClause) -> ColumnElement[bool]:
    """Return the condition that one answer looks at another again."""
    # Said twice, not as a parameter: both databases use the index of such answers only for who asks for no others.
    return and_(later.c.judges == answer.c.resolution_id, later.c.judges != literal_column("''"))


def _undone(connection: Connection, own: ColumnElement[bool]) -> int:
    """Count the answers that somebody else undid; to be overruled by a second review is no undoing."""
    later = reviews.alias("later")
    overruled = exists(
        select(1).where(
            _judges(later, reviews),
            later.c.kind == str(ReviewKind.SECOND_REVIEW),
            later.c.resolution_id != reviews.c.resolution_id,
        )
    )
    by_another = resolutions.c.undone_by.not_in(["", reviews.c.reviewer])
    query = (
        select(func.count())
        .join_from(reviews, resolutions, resolutions.c.resolution_id == reviews.c.resolution_id)
        .where(own, resolutions.c.undo_time.is_not(None), by_another, ~overruled)
    )
    return int(connection.execute(query).scalar_one())


def _handling_s(connection: Connection, own: ColumnElement[bool]) -> tuple[float, int]:
    """Return the median of the whole seconds from claim to answer, and of how many answers."""
    held: Any = (seconds_of(reviews.c.answer_time) - seconds_of(reviews.c.claim_time)).label("held_s")
    timed = select(held).where(own, reviews.c.claim_time.is_not(None))
    count = connection.execute(select(func.count()).select_from(timed.subquery())).scalar_one()
    if not count:
        return math.nan, 0
    return float(connection.execute(timed.order_by("held_s").offset((count - 1) // 2).limit(1)).scalar_one()), count
