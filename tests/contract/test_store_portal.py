"""Does every database keep what buyers and brand owners are told alike? One suite, one class each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from index.applications import Application, ApplicationRuling, ApplicationState
from index.brand_records import BrandProfile, RegistryAction
from index.buyer_records import NO_ADVICE, AdviceItem, AdviceKind, BuyerAdvice, SellerWord
from index.errors import Conflict, DecidedAnew, NotFound
from index.listing_regions import ListingRegions, Place, Sighting
from index.market_records import AuthorisedSeller
from index.portal_records import BrandHit, HitPlace, NoticeTally, ReferenceUse
from index.records import Brand
from index.reports import Report, ReporterRecord, ReporterType, ReportState
from index.rulings import RequestKey
from index.store.buyer_advice import what_was_set
from index.store.store import Store
from tests.contract.test_store_cases import ALLOW, TAKEDOWN, a_case, a_decision, ruling
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite
from vision.regions import Box

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)  # a Monday
ADVICE_SET = RegistryAction.BUYER_ADVICE_SET
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
ACME, BRAVO = Brand(brand_id="acme", name="Acme"), Brand(brand_id="bravo", name="Bravo")
WHOLE, MIDDLE = Box(0.0, 0.0, 1.0, 1.0), Box(0.25, 0.25, 0.75, 0.75)
ADVICE = BuyerAdvice(
    items=(
        AdviceItem(kind=AdviceKind.HOLOGRAM, texts=(("en", "Tilt it."), ("zh", "倾斜它。")), reference_id="r1"),
        AdviceItem(kind=AdviceKind.OTHER, texts=(("en", "Ask."),)),
    ),
    serial_template="AA-9999",
)


def see(
    store: Store, listing: str, time: datetime, *references: str, brand: str = "acme", verdict: str = "REVIEW"
) -> None:
    """Decide on a listing in whose second photo the brand was seen, by the first of the references if there is any."""
    decision = a_decision(f"{listing}-{time.timestamp()}", listing=listing)
    record = replace(decision, create_time=time, verdict=verdict, model_fingerprint="m")
    sightings = tuple(
        Sighting(brand_id=brand, reference_id=each, image_index=1, box=MIDDLE, probability=0.75) for each in references
    )
    regions = ListingRegions(
        places=(Place(0, WHOLE),), photos=1, marks=np.empty((0, 2), np.float32), brand_ids=(brand,), sightings=sightings
    )
    case = replace(a_case(record), case_id=f"case-{record.decision_id}")
    store.record_decision(record, case=case, regions=regions)


def settle(store: Store, listing: str, verdict: str) -> None:
    """Let a person decide on a listing."""
    decision = store.latest_decision(listing)
    assert decision is not None
    outcome = {"ALLOW": ALLOW, "TAKEDOWN": TAKEDOWN}[verdict]
    store.resolve_case(f"case-{decision.decision_id}", ruling(outcome))


def report(store: Store, number: int, listing: str, **fields: Any) -> Report:
    """Report a listing that was screened; the case is opened at once."""
    made = a_report(number, listing, **fields)
    decision = store.latest_decision(listing)
    assert decision is not None
    case = replace(a_case(decision), case_id=f"case-{made.report_id}")
    return store.add_report(made, case=case, case_weight=0.0)


def a_report(number: int, listing: str, **fields: Any) -> Report:
    """Make a report."""
    values: dict[str, Any] = {
        "report_id": f"report-{number:03}", "listing_id": listing, "reporter_id": "owner",
        "reporter_type": ReporterType.BUYER,
        "reason_code": "COUNTERFEIT", "create_time": NOON + number * HOUR, "brand_id": "acme", "seller_id": "s1",
    }  # fmt: skip
    return Report(**values | fields)


class PortalStoreContract(StoreSuite):
    """What every database must do."""

    def test_advice_replaces_what_was_there_and_keeps_it(self, store: Store) -> None:
        """The last advice counts, each is on record with who set it and when, and the brand's etag moves on."""
        store.put_brands([ACME, BRAVO])
        before = store.get_profile("acme").etag

        store.set_buyer_advice("acme", ADVICE, actor="ann", now=NOON)
        store.set_buyer_advice("acme", NO_ADVICE, actor="ben", now=NOON + HOUR)
        store.set_buyer_advice("acme", ADVICE, actor="cleo", now=NOON + DAY)

        profile = store.get_profile("acme")
        assert what_was_set(profile.buyer_advice) == what_was_set(store.buyer_advice("acme")) == ADVICE
        assert [(one.actor, one.create_time, len(one.items)) for one in store.advice_history("acme")] == [
            ("cleo", NOON + DAY, 2), ("ben", NOON + HOUR, 0), ("ann", NOON, 2),
        ]  # fmt: skip
        assert [event.actor for event in store.registry_events("acme") if event.action is ADVICE_SET] == [
            "ann", "ben", "cleo",
        ]  # fmt: skip
        assert profile.etag != before
        assert store.buyer_advice("bravo") == store.buyer_advice("nobody's") == NO_ADVICE

    def test_advice_is_set_to_the_brand_that_was_read(self, store: Store) -> None:
        """A change made from an older state is refused whole, and so is one of a brand that there is not."""
        store.put_brands([ACME])

        with pytest.raises(Conflict):
            store.set_buyer_advice("acme", ADVICE, seen=99, now=NOON)
        with pytest.raises(NotFound):
            store.set_buyer_advice("bravo", ADVICE, now=NOON)

        assert store.advice_history("acme") == ()

    @pytest.mark.parametrize(
        ("listed", "market", "word"),
        [
            (None, "DE", SellerWord.NOT_SAID),
            ([], "DE", SellerWord.NOT_NAMED),
            ([("s1", "", 0)], "DE", SellerWord.AUTHORISED),
            ([("s1", "", 0)], "", SellerWord.AUTHORISED),
            ([("s1", "DE", 0)], "DE", SellerWord.AUTHORISED),
            ([("s1", "DE", 0)], "", SellerWord.NOT_SAID),
            ([("s1", "DE", 0)], "FR", SellerWord.NOT_SAID),
            ([("s1", "DE", 0), ("s2", "FR", 0)], "FR", SellerWord.NOT_NAMED),
            ([("s1", "DE", 0), ("s2", "", 0)], "FR", SellerWord.NOT_NAMED),
            ([("s2", "DE", 0)], "FR", SellerWord.NOT_SAID),
            ([("s2", "DE", 0)], "", SellerWord.NOT_NAMED),
            ([("s1", "", -1), ("s2", "", 0)], "DE", SellerWord.NOT_NAMED),
        ],
    )  # fmt: skip
    def test_word_on_a_seller(
        self, store: Store, listed: list[tuple[str, str, int]] | None, market: str, word: SellerWord
    ) -> None:
        """A seller is told not to be named only where the brand named somebody, for that market and by now."""
        store.put_brands([ACME])
        until = {0: None, -1: NOON - DAY}
        entries = [
            AuthorisedSeller(seller_id=seller, territory=territory, valid_until=until[ended])
            for seller, territory, ended in listed or ()
        ]
        store.set_authorised_sellers("acme", None if listed is None else entries)

        assert store.word_on_seller("acme", "s1", market, now=NOON) is word
        assert store.word_on_seller("nobody's", "s1", market, now=NOON) is SellerWord.NOT_SAID

    def test_hits_are_those_of_latest_decisions(self, store: Store) -> None:
        """A listing is a hit by its latest decision, where the brand was seen; the newest first, in pages."""
        see(store, "a", NOON, "r1")
        see(store, "b", NOON + HOUR, "r2")
        see(store, "c", NOON + HOUR, "r1")
        see(store, "named only", NOON)
        see(store, "another's", NOON, "r9", brand="bravo")
        see(store, "a", NOON + DAY, "r1", verdict="ALLOW")
        see(store, "b", NOON + DAY)

        hits = store.brand_hits("acme", limit=10)
        first = store.brand_hits("acme", limit=1)
        rest = store.brand_hits("acme", limit=9, after=HitPlace(screen_time=NOON + DAY, listing_id="a"))

        assert hits == (*first, *rest)
        assert first == (
            BrandHit(
                listing_id="a", decision_id=f"a-{(NOON + DAY).timestamp()}", verdict="ALLOW", image_index=1, box=MIDDLE,
                reference_id="r1", probability=0.75, screen_time=NOON + DAY,
            ),
        )  # fmt: skip
        assert [hit.listing_id for hit in rest] == ["c"]
        assert store.brand_hits("acme", reference_id="r2", limit=9) == ()
        assert store.hits_by_week("acme", [NOON - WEEK, NOON]) == (0, 2)

    def test_use_of_references_tells_what_people_let_stand(self, store: Store) -> None:
        """Of each reference's hits those count that a person decided on, and those of them that were allowed."""
        for number in range(3):
            see(store, f"l{number}", NOON, "r1")
        see(store, "m", NOON, "r2")
        for name, verdict in (("l0", "ALLOW"), ("l1", "TAKEDOWN")):
            settle(store, name, verdict)

        assert store.reference_use("acme") == (
            ReferenceUse(reference_id="r1", hits=3, decided=2, allowed=1),
            ReferenceUse(reference_id="r2", hits=1, decided=0, allowed=0),
        )

    def test_notices_of_a_brand_and_how_they_fared(self, store: Store) -> None:
        """An owner's reports are told with their fate; two about one listing that are decided together count once."""
        for name in "abc":
            see(store, name, NOON, "r1")
        report(store, 1, "a")
        report(store, 2, "a")
        report(store, 3, "b")
        report(store, 4, "c")
        report(store, 5, "c", brand_id="", reporter_id="buyer")
        settle(store, "a", "TAKEDOWN")
        settle(store, "b", "ALLOW")

        fates = store.brand_notices("acme", limit=10)

        assert [(one.report_id, one.state, one.decide_time is None) for one in fates] == [
            ("report-004", ReportState.RECEIVED, True), ("report-003", ReportState.DECLINED, False),
            ("report-002", ReportState.UPHELD, False), ("report-001", ReportState.UPHELD, False),
        ]  # fmt: skip
        assert store.notice_tally("acme") == NoticeTally(waiting=1, upheld=1, declined=1)
        assert store.notice_tally("bravo") == NoticeTally(waiting=0, upheld=0, declined=0)
        assert fates[2:] == store.brand_notices("acme", after=(fates[1].create_time, fates[1].report_id), limit=10)
        assert store.decide_time(store.get_report("report-001")) == fates[3].decide_time
        assert store.decide_time(store.get_report("report-004")) is None

    def test_reporter_counts_once_for_a_listing(self, store: Store) -> None:
        """Who reports one listing three times was right once, and the seller is reported once."""
        see(store, "a", NOON, "r1")
        for number in range(3):
            report(store, number, "a", reporter_id="zealot")
        settle(store, "a", "TAKEDOWN")

        assert store.reporter_records(["zealot", "nobody"]) == {"zealot": ReporterRecord(upheld=1)}
        assert store.reports_about_seller("s1") == 1

    def test_report_about_an_unknown_listing_waits_for_it(self, store: Store) -> None:
        """It is kept, once for its request, and joins the case that the listing gets once it is screened."""
        key = RequestKey(scope="Report by b1", request_id="k", request_sha256="x")

        kept = store.keep_report(a_report(1, "new"), request=key)
        again = store.keep_report(a_report(2, "new"), request=key)
        see(store, "new", NOON, "r1")

        assert kept == again == a_report(1, "new")
        assert store.get_case(store.get_report("report-001").case_id).listing_id == "new"
        assert [one.report_id for one in store.reports_about("new")] == ["report-001"]
        assert store.find_report("report-002") is None
        with pytest.raises(DecidedAnew):
            store.keep_report(a_report(3, "new"))

    def test_application_is_decided_once(self, store: Store) -> None:
        """Approval makes the brand and gives it to the applicant at once; another decision afterwards is refused."""
        wanted = Application(application_id="a1", applicant="ann", payload=b"x", create_time=NOON, note="mine")
        store.add_application(wanted)
        store.add_application(replace(wanted, application_id="a2", create_time=NOON + HOUR))
        approval = ApplicationRuling(
            state=ApplicationState.APPROVED, reason="", brand_id="acme", actor="lead", time=NOON + DAY
        )

        approved = store.decide_application("a1", approval, brand=BrandProfile(brand=ACME))
        again = store.decide_application("a1", approval, brand=BrandProfile(brand=ACME))

        assert approved == again == replace(
            wanted, state=ApplicationState.APPROVED, brand_id="acme", decided_by="lead", decide_time=NOON + DAY
        )  # fmt: skip
        assert store.get_brand("acme") == ACME
        assert store.brand_grants() == {"ann": frozenset({"acme"})}
        assert (store.waiting_applications("ann"), store.waiting_applications("ben")) == (1, 0)
        assert [one.application_id for one in store.applications(applicant="ann", limit=9)] == ["a1", "a2"]
        assert [one.application_id for one in store.applications(after=(NOON, "a1"), limit=9)] == ["a2"]
        assert [one.application_id for one in store.applications(state=ApplicationState.PENDING, limit=9)] == ["a2"]
        with pytest.raises(Conflict, match="approved by 'lead'"):
            store.decide_application("a1", replace(approval, state=ApplicationState.DECLINED, brand_id="", reason="no"))

    def test_brand_that_was_given_is_taken_back(self, store: Store) -> None:
        """Who loses a brand has it no longer, others keep theirs, and taking it back twice changes nothing."""
        store.put_brands([ACME])
        for holder in ("ann", "ben"):
            application = Application(
                application_id=f"a-{holder}", applicant=holder, payload=b"", note="", create_time=NOON
            )
            store.add_application(application)
            ruling = ApplicationRuling(
                state=ApplicationState.APPROVED, reason="", brand_id="acme", actor="lena", time=NOON
            )
            store.decide_application(application.application_id, ruling)

        had = [store.withdraw_grant("ann", "acme", actor="lena") for _ in range(2)]

        assert had == [True, False]
        assert store.brand_grants() == {"ben": frozenset({"acme"})}

    def test_approval_that_fails_leaves_nothing(self, store: Store) -> None:
        """A brand that is there already, or is not there, leaves the application waiting and nobody with a brand."""
        store.put_brands([ACME])
        store.add_application(Application(application_id="a1", applicant="ann", payload=b"", create_time=NOON))
        ruling = ApplicationRuling(state=ApplicationState.APPROVED, reason="", brand_id="acme", actor="lead", time=NOON)

        with pytest.raises(Conflict):
            store.decide_application("a1", ruling, brand=BrandProfile(brand=ACME))
        with pytest.raises(NotFound):
            store.decide_application("a1", replace(ruling, brand_id="no-such"))

        assert store.get_application("a1").state is ApplicationState.PENDING
        assert store.brand_grants() == {}


class TestSqlitePortal(OnSqlite, PortalStoreContract):
    """The embedded default."""


class TestPostgresPortal(OnPostgres, PortalStoreContract):
    """The database of an installation with several replicas."""
