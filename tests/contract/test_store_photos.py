"""Does every database know which photos are kept, which are needed, and which a person had erased? One class each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from index.blobs import digest_of
from index.brand_records import Right, RightType
from index.case_records import CaseState
from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.photos import Photo, PhotoOwner, PhotoState
from index.records import Brand
from index.reports import Notice
from index.store.store import Store
from tests.contract.test_store_cases import NOON, TAKEDOWN, a_case, a_decision, a_report, ruling
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

DAY = timedelta(days=1)
RETENTION = 180 * DAY
NOTICE = Notice(
    urls=("https://shop.example/1",),
    notifier_name="n",
    notifier_email="n@x.example",
    good_faith_statement=True,
    jurisdiction="EU",
    right_id="018",
)


def a_photo(owner_id: str, position: int = 0, *, owner: PhotoOwner = PhotoOwner.DECISION) -> Photo:
    """Make a photo that came at noon; each has its own file."""
    return Photo(
        owner=owner,
        owner_id=owner_id,
        position=position,
        sha256=digest_of(f"{owner} {owner_id} {position}".encode()),
        size=100,
        listing_id=f"l-{owner_id}",
        seller_id="s1",
        brand="Acme",
        create_time=NOON,
    )


def a_hold(subject: HoldSubject, subject_id: str) -> LegalHold:
    """Make an order that stands until it is lifted."""
    return LegalHold(
        hold_id=f"hold-{subject_id}",
        subject=subject,
        subject_id=subject_id,
        verdict=HoldVerdict.REVIEW,
        why="docket 7",
        author="counsel",
        create_time=NOON,
    )


def record(store: Store, name: str, *photos: Photo, case: bool = False) -> None:
    """Put a decision on record with photos, and with a case if asked."""
    decision = a_decision(name)
    store.record_decision(decision, case=a_case(decision) if case else None, photos=photos)


def expire(store: Store, now: datetime, **more: bool) -> tuple[int, int]:
    """Let go of what is older than the retention."""
    return store.expire_photos(before=now - RETENTION, now=now, **more)


def states(store: Store, *names: str) -> list[PhotoState]:
    """Say what became of the photos of decisions."""
    return [photo.state for name in names for photo in store.photos_of(PhotoOwner.DECISION, name)]


class PhotoContract(StoreSuite):
    """What every database must do."""

    def test_photos_are_on_record_with_their_decision(self, store: Store) -> None:
        """A decision's photos come back in their order, those that could not be kept among them; others have none."""
        first, second = a_photo("d", 3), replace(a_photo("d", 1), state=PhotoState.LOST, size=0)

        record(store, "d", first, second)
        record(store, "bare")

        assert store.photos_of(PhotoOwner.DECISION, "d") == (second, first)
        assert store.photos_of(PhotoOwner.DECISION, "bare") == store.photos_of(PhotoOwner.REPORT, "d") == ()

    def test_pictures_of_some_reporters_are_summed_up(self, store: Store) -> None:
        """Those kept with reports since a time, by reporters whose ids begin so; no others, nor a decision's photos."""
        decision = a_decision("d")
        store.record_decision(decision, case=a_case(decision), photos=[a_photo("d")])
        case = a_case(decision)
        lost = replace(a_photo("lost", owner=PhotoOwner.REPORT), state=PhotoState.LOST)
        for report_id, reporter, *photos in (
            ("one", "buyer-1", a_photo("one", owner=PhotoOwner.REPORT), a_photo("one", 1, owner=PhotoOwner.REPORT)),
            ("two", "buyer-2", a_photo("two", owner=PhotoOwner.REPORT)),
            ("lost", "buyer-2", lost),
            ("bare", "buyer-2"),
            ("other", "buyer_1", a_photo("other", owner=PhotoOwner.REPORT)),
        ):
            store.add_report(a_report(report_id, case, reporter=reporter), case=case, case_weight=9, photos=photos)

        assert store.report_photo_bytes("buyer-", since=NOON) == 300
        assert store.report_photo_bytes("buyer-2", since=NOON) == 100
        assert store.report_photo_bytes("buyer_", since=NOON) == 100
        assert store.report_photo_bytes("buyer-", since=NOON + timedelta(seconds=1)) == 0

    def test_only_the_files_of_kept_photos_are_in_use(self, store: Store) -> None:
        """A file is in use as long as one photo of it is kept, and only such files are listed."""
        kept, lost = a_photo("d"), replace(a_photo("d", 1), state=PhotoState.LOST)
        record(store, "d", kept, lost)
        record(store, "again", replace(a_photo("again"), sha256=kept.sha256))

        store.forget_photos(listing_id="l-d", now=NOON)

        assert store.named_blobs([kept.sha256, lost.sha256]) == {kept.sha256}
        assert list(store.photo_files()) == [("the decision again", kept.sha256)]
        assert store.photo_tally() == {
            PhotoState.KEPT: (1, 100),
            PhotoState.LOST: (1, 100),
            PhotoState.EXPIRED: (0, 0),
            PhotoState.FORGOTTEN: (1, 100),
        }

    def test_recording_photos_again_changes_nothing(self, store: Store) -> None:
        """Photos of a decision that is on record can be added later; what is known of one stays."""
        record(store, "d", a_photo("d"))
        store.forget_photos(listing_id="l-d", now=NOON)

        store.add_photos([a_photo("d"), a_photo("d", 1)])

        assert states(store, "d") == [PhotoState.FORGOTTEN, PhotoState.KEPT]

    def test_old_photos_expire_and_young_ones_stay(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """After the retention all go, however many pages they fill; before, or in a dry run, none does."""
        monkeypatch.setattr("index.store.photos._PAGE", 2)
        record(store, "d", *(a_photo("d", position) for position in range(5)))

        young, dry = expire(store, NOON + RETENTION), expire(store, NOON + RETENTION + DAY, dry_run=True)
        before = states(store, "d")
        done = expire(store, NOON + RETENTION + DAY)

        assert (young, dry, done) == ((0, 0), (5, 500), (5, 500))
        assert (set(before), set(states(store, "d"))) == ({PhotoState.KEPT}, {PhotoState.EXPIRED})

    def test_an_unresolved_case_keeps_its_photos_and_a_resolved_one_for_the_retention(self, store: Store) -> None:
        """They stay however long a case waits, and then for the retention from what happened in it last."""
        record(store, "d", a_photo("d"), case=True)
        years = NOON + 1_000 * DAY

        waiting = expire(store, years)
        store.resolve_case("c-d", replace(ruling(TAKEDOWN, hours=24 * 1_000), lease_token=claim(store, years)))
        resolved, later = expire(store, years + RETENTION), expire(store, years + RETENTION + 2 * DAY)

        assert store.get_case("c-d").state is CaseState.RESOLVED
        assert (waiting, resolved, later) == ((0, 0), (0, 0), (1, 100))

    def test_a_report_keeps_its_pictures_with_its_case(self, store: Store) -> None:
        """Pictures of a report stay as long as the case that it belongs to is unresolved."""
        record(store, "d", case=True)
        picture = replace(a_photo("r", owner=PhotoOwner.REPORT), listing_id="l-d")
        case = store.get_case("c-d")

        store.add_report(a_report("r", case), case=replace(case, case_id="new"), case_weight=9, photos=[picture])
        kept = expire(store, NOON + 2 * RETENTION)

        assert store.photos_of(PhotoOwner.REPORT, "r") == (picture,)
        assert kept == (0, 0)

    @pytest.mark.parametrize(
        ("subject", "subject_id"),
        [(HoldSubject.LISTING, "l-d"), (HoldSubject.SELLER, "s1"), (HoldSubject.BRAND, "ACME")],
    )
    def test_a_legal_hold_keeps_photos(self, store: Store, subject: HoldSubject, subject_id: str) -> None:
        """While it stands they neither expire nor can be forgotten; once it is lifted they do."""
        record(store, "d", a_photo("d"))
        store.add_hold(hold := a_hold(subject, subject_id))
        late = NOON + 2 * RETENTION

        held = store.forget_photos(seller_id="s1", now=late)
        expired = expire(store, late)
        store.lift_hold(hold.hold_id, actor="counsel", time=late, why="settled")
        freed = store.forget_photos(seller_id="s1", now=late)

        assert ([one for one, _ in held.held], held.photos, expired) == ([hold.hold_id], (), (0, 0))
        assert (len(freed.photos), freed.held) == (1, ())
        assert states(store, "d") == [PhotoState.FORGOTTEN]

    @pytest.mark.parametrize("by", ["decision", "case", "evidence", "report", "right"])
    def test_a_hold_on_a_brand_keeps_photos_of_whatever_names_it(self, store: Store, by: str) -> None:
        """The decision may name no brand or another: a case, evidence, a report or a notice's right names it as well.

        The order names the brand by an alias, and photos of other brands go.
        """
        store.put_brands([Brand(brand_id="bravo", name="Bravo", aliases=("BRV",))])
        right = Right(right_id="first", type=RightType.WORD_MARK, registration_number="018")
        store.replace_profile(replace(store.get_profile("bravo"), rights=(right,)), actor="ann", now=NOON)
        decision = replace(a_decision("d"), brand="bravo" if by == "decision" else "")
        named_in_case = "Bravo" if by == "case" else ""
        case = a_case(decision, brand=named_in_case, brand_ids=("x", "bravo") if by == "evidence" else ())
        store.record_decision(decision, case=case, photos=[replace(a_photo("d"), brand="")])
        report = replace(a_report("r", case), brand_id="bravo" if by == "report" else "")
        if by == "right":
            report = replace(report, notice=NOTICE)
        if by in ("report", "right"):
            store.add_report(report, case=case, case_weight=9)
        record(store, "other", a_photo("other"))
        store.add_hold(hold := a_hold(HoldSubject.BRAND, "brv"))

        found = store.forget_photos(seller_id="s1", now=NOON)

        assert [(hold_id, photo.owner_id) for hold_id, photo in found.held] == [(hold.hold_id, "d")]
        assert [photo.owner_id for photo in found.photos] == ["other"]
        assert expire(store, NOON + 2 * RETENTION) == (0, 0)

    def test_pictures_of_a_listing_nobody_knew_learn_whose_it_is(self, store: Store) -> None:
        """A report comes before the first screening: with that its pictures are the seller's, to forget or to hold."""
        picture = replace(a_photo("r", owner=PhotoOwner.REPORT), listing_id="l-d", seller_id="", brand="")
        report = replace(a_report("r", a_case(a_decision("d"))), seller_id="")
        store.keep_report(report, photos=[picture])
        store.add_hold(hold := a_hold(HoldSubject.SELLER, "s1"))

        before = store.forget_photos(seller_id="s1", now=NOON)
        record(store, "d")
        held = store.forget_photos(seller_id="s1", now=NOON)
        store.lift_hold(hold.hold_id, actor="counsel", time=NOON, why="settled")
        freed = store.forget_photos(seller_id="s1", now=NOON)

        assert (before.photos, before.held) == ((), ())
        assert [photo.owner_id for _, photo in held.held] == ["r"]
        assert [photo.seller_id for photo in freed.photos] == ["s1"]

    def test_photos_can_be_needed_longer(self, store: Store) -> None:
        """What an evidence package names stays until its time; asking for less later takes nothing back."""
        record(store, "d", a_photo("d"))
        until = NOON + 3 * RETENTION

        store.need_photos("d", until=until)
        store.need_photos("d", until=NOON + DAY)

        assert expire(store, until) == (0, 0)
        assert expire(store, until + DAY) == (1, 100)

    def test_forgetting_takes_one_listing_or_all_of_a_seller(self, store: Store) -> None:
        """The photos of one listing go and those of others stay; a seller's go with all listings."""
        for name in ("d1", "d2"):
            record(store, name, a_photo(name))
        record(store, "other", replace(a_photo("other"), seller_id="s2"))

        one = store.forget_photos(listing_id="l-d1", now=NOON)
        rest = store.forget_photos(seller_id="s1", now=NOON)

        assert [photo.owner_id for found in (one, rest) for photo in found.photos] == ["d1", "d2"]
        assert states(store, "d1", "d2", "other") == [PhotoState.FORGOTTEN, PhotoState.FORGOTTEN, PhotoState.KEPT]


def claim(store: Store, now: datetime) -> str:
    """Take the lease on the case and return its token."""
    lease = store.claim_case("c-d", "ann", now=now, duration=DAY).lease
    assert lease is not None
    return lease.token


class TestSqlitePhotos(OnSqlite, PhotoContract):
    """SQLite, the embedded default."""


class TestPostgresPhotos(OnPostgres, PhotoContract):
    """PostgreSQL."""
