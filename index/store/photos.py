"""Which photos are kept, for what, and for how long? Their records; the files lie in the blob store.

A photo stays while somebody may have to look at it: for the retention from the day it came, or from the last day on
which anything happened in a case of its decision, as long as such a case is unresolved or a gold case, under a legal
hold, and until `needed_until`. `expire_photos` lets go of the others, and then `touchstone blobs collect` deletes their
files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, and_, bindparam, exists, func, or_, select, tuple_, update

from index.audit.entries import Act, Entry
from index.case_records import UNRESOLVED
from index.holds import HoldSubject, LegalHold
from index.photos import Forgotten, Photo, PhotoOwner, PhotoState
from index.store.audit import enter, pseudonym
from index.store.engine import Database, in_batches, insert_new
from index.store.holds import holds_standing
from index.store.photo_brands import brands_about
from index.store.tables.cases import cases, reports
from index.store.tables.checks import gold_cases
from index.store.tables.photos import kept_photos

_FIELDS = tuple(Photo.__dataclass_fields__)
_KEPT = kept_photos.c.state == str(PhotoState.KEPT)
_KEY = (kept_photos.c.owner, kept_photos.c.owner_id, kept_photos.c.position)
_PAGE = 1_000
# Built once, for each decision runs it.
_TELL_SELLER = (
    update(kept_photos)
    .where(kept_photos.c.listing_id == bindparam("of_listing", type_=Text()), kept_photos.c.seller_id == "")
    .values(seller_id=bindparam("to_seller", type_=Text()))
)


class PhotoStore:
    """The part of the store that knows which photos are kept."""

    _database: Database

    def add_photos(self, photos: Sequence[Photo]) -> None:
        """Record photos of a decision that is on record; those that are recorded already stay as they are."""
        with self._database.write("record photos") as connection:
            insert_photos(connection, photos)

    def photos_of(self, owner: PhotoOwner, owner_id: str) -> tuple[Photo, ...]:
        """Return what is known of the photos of a decision or report, in their order; none when none was to be kept."""
        own = select(kept_photos).where(kept_photos.c.owner == str(owner), kept_photos.c.owner_id == owner_id)
        with self._database.read("read which photos are kept") as connection:
            return tuple(map(_photo, connection.execute(own.order_by(kept_photos.c.position))))

    def need_photos(self, decision_id: str, *, until: datetime) -> None:
        """Keep what is left of a decision's photos until a time at least: an evidence package names them, say."""
        with self._database.write(f"keep the photos of {decision_id!r}") as connection:
            need_photos(connection, decision_id, until=until)

    def expire_photos(self, *, before: datetime, now: datetime, dry_run: bool = False) -> tuple[int, int]:
        """Let go of photos that came before a time and that nothing needs; return how many, and their bytes.

        What is needed is said in the module. Their files are the collector's then.
        """
        count = size = 0
        after: tuple[Any, ...] | None = None
        while True:
            with self._database.write("let go of photos") as connection:
                page = _old(connection, before=before, now=now, after=after)
                free = [photo for photo, hold in _held(connection, page, now) if hold is None]
                if free and not dry_run:
                    _set_state(connection, free, PhotoState.EXPIRED)
                    enter(connection, Entry(act=Act.PHOTOS_LET_GO, subject="", facts={"photos": len(free)}))
            count += len(free)
            size += sum(photo.size for photo in free)
            if len(page) < _PAGE:
                return count, size
            after = (str(page[-1].owner), page[-1].owner_id, page[-1].position)

    def forget_photos(self, *, listing_id: str = "", seller_id: str = "", now: datetime) -> Forgotten:
        """Erase the photos of a listing or of all listings of a seller, and of the reports about them.

        What a legal hold covers stays.
        """
        of = kept_photos.c.listing_id == listing_id if listing_id else kept_photos.c.seller_id == seller_id
        with self._database.write("forget photos") as connection:
            found = [_photo(row) for row in connection.execute(select(kept_photos).where(of, _KEPT).order_by(*_KEY))]
            examined = _held(connection, found, now)
            held = tuple((hold.hold_id, photo) for photo, hold in examined if hold is not None)
            photos = tuple(photo for photo, hold in examined if hold is None)
            _set_state(connection, photos, PhotoState.FORGOTTEN)
            subject = listing_id or pseudonym(connection, seller_id)
            facts = {"what": "photos", "of": "listing" if listing_id else "seller", "count": len(photos)}
            enter(connection, Entry(act=Act.ERASED, subject=subject, facts=facts))
        return Forgotten(photos=photos, held=held)

    def photo_tally(self) -> dict[PhotoState, tuple[int, int]]:
        """Count photos by what became of them, with the bytes of their files."""
        counts = select(kept_photos.c.state, func.count(), func.coalesce(func.sum(kept_photos.c.size), 0))
        with self._database.read("count photos") as connection:
            rows = connection.execute(counts.group_by(kept_photos.c.state)).all()
        found = {PhotoState(state): (int(count), int(size)) for state, count, size in rows}
        return {state: found.get(state, (0, 0)) for state in PhotoState}

    def report_photo_bytes(self, reporters: str, *, since: datetime) -> int:
        """Sum the bytes of kept pictures that came with reports since a time, by whose ids begin with `reporters`."""
        of_reports = and_(kept_photos.c.owner == str(PhotoOwner.REPORT), kept_photos.c.owner_id == reports.c.report_id)
        total = (
            select(func.coalesce(func.sum(kept_photos.c.size), 0))
            .join_from(reports, kept_photos, of_reports)
            .where(reports.c.create_time >= since, reports.c.reporter_id.startswith(reporters, autoescape=True), _KEPT)
        )
        with self._database.read("sum up photos of reports") as connection:
            return int(connection.execute(total).scalar_one())

    def photo_files(self) -> Iterator[tuple[str, str]]:
        """Yield of all kept photos whose each is, such as "the decision 1a2b", and its file's sha256."""
        after: tuple[Any, ...] = ("", "", 0)
        while True:
            query = select(kept_photos).where(_KEPT, tuple_(*_KEY) > tuple_(*after)).order_by(*_KEY).limit(_PAGE)
            with self._database.read("look up the files of photos") as connection:
                page = [_photo(row) for row in connection.execute(query)]
            yield from ((f"the {one.owner} {one.owner_id}", one.sha256) for one in page)
            if len(page) < _PAGE:
                return
            after = (str(page[-1].owner), page[-1].owner_id, page[-1].position)


def need_photos(connection: Connection, decision_id: str, *, until: datetime) -> None:
    """Keep what is left of a decision's photos until a time at least."""
    own = and_(kept_photos.c.owner == str(PhotoOwner.DECISION), kept_photos.c.owner_id == decision_id)
    sooner = or_(kept_photos.c.needed_until.is_(None), kept_photos.c.needed_until < until)
    connection.execute(update(kept_photos).where(own, _KEPT, sooner).values(needed_until=until))


def insert_photos(connection: Connection, photos: Sequence[Photo]) -> None:
    """Insert photos, within the transaction of what they belong to; those that are recorded already stay."""
    rows = [{name: getattr(photo, name) for name in _FIELDS} for photo in photos]
    insert_new(
        connection, kept_photos, [row | {"owner": str(row["owner"]), "state": str(row["state"])} for row in rows]
    )


def tell_seller(connection: Connection, listing_id: str, seller_id: str) -> None:
    """Say whose a listing is to pictures that came before anybody knew: of reports about it before it was screened."""
    if seller_id:
        connection.execute(_TELL_SELLER, {"of_listing": listing_id, "to_seller": seller_id})


def _held(connection: Connection, photos: Sequence[Photo], now: datetime) -> list[tuple[Photo, LegalHold | None]]:
    """Pair each photo with the legal hold that keeps it, None without one."""
    holds = holds_standing(connection, now)
    brands: Mapping[str, frozenset[str]] = {}
    if any(hold.subject is HoldSubject.BRAND for hold in holds):
        brands = brands_about(connection, {photo.listing_id for photo in photos})
    return [(photo, photo.held_by(holds, brands=brands.get(photo.listing_id, ()))) for photo in photos]


def _old(connection: Connection, *, before: datetime, now: datetime, after: tuple[Any, ...] | None) -> list[Photo]:
    """Read a page of kept photos that are old and that neither a case nor a package needs."""
    needed = and_(kept_photos.c.needed_until.is_not(None), kept_photos.c.needed_until >= now)
    query = select(kept_photos).where(_KEPT, kept_photos.c.create_time < before, ~needed, ~_in_case(before))
    if after is not None:
        query = query.where(tuple_(*_KEY) > tuple_(*after))
    return [_photo(row) for row in connection.execute(query.order_by(*_KEY).limit(_PAGE))]


def _in_case(before: datetime) -> ColumnElement[bool]:
    """Say of a photo that a case needs it: an unresolved or gold one, or one in which something happened since."""
    gold = cases.c.case_id.in_(select(gold_cases.c.case_id))
    at_work = or_(cases.c.state.in_([str(state) for state in UNRESOLVED]), cases.c.update_time >= before, gold)
    of_decision = exists().where(
        kept_photos.c.owner == str(PhotoOwner.DECISION), cases.c.decision_id == kept_photos.c.owner_id, at_work
    )
    of_report = exists().where(
        kept_photos.c.owner == str(PhotoOwner.REPORT),
        reports.c.report_id == kept_photos.c.owner_id,
        cases.c.case_id == reports.c.case_id,
        at_work,
    )
    return or_(of_decision, of_report)


def _set_state(connection: Connection, photos: Iterable[Photo], state: PhotoState) -> None:
    for batch in in_batches(photos, 200):
        keys = [(str(photo.owner), photo.owner_id, photo.position) for photo in batch]
        connection.execute(update(kept_photos).where(tuple_(*_KEY).in_(keys)).values(state=str(state)))


def _photo(row: Row[Any]) -> Photo:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Photo(**values | {"owner": PhotoOwner(row.owner), "state": PhotoState(row.state)})
