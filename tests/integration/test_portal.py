"""Brand owners see what became of their notices and references, and others apply for a brand, over gRPC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from index.portal_records import LEAST_DECIDED
from index.reports import ReportState
from index.store.store import Store
from index.store.tables.cases import reports
from serving.access.caller import ACTOR, BRANDS, ROLES
from serving.app import open_application
from tests.integration.access_support import access_file, bearer, issuer_at, token_rules
from tests.integration.brand_support import a_right, owner_of
from tests.integration.case_support import ALLOW, TAKEDOWN, case_of, code_of, error_of, person, suspicious
from tests.integration.support import (
    AURORA,
    BOREALIS,
    PATIENCE_S,
    Service,
    Start,
    draw,
    fill,
    settings_at,
    violated_fields,
)
from touchstone.moderation.v1 import brand_pb2, brand_service_pb2, case_pb2, decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import brand_portal_service_pb2 as pb
from touchstone.moderation.v1 import case_service_pb2 as cases
from touchstone.moderation.v1.brand_portal_service_pb2_grpc import PortalServiceStub
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub

Code = grpc.StatusCode


@dataclass(frozen=True)
class Visitor:
    """Somebody who calls the portal."""

    service: Service
    name: str = ""
    roles: str = ""
    brands: str = ""

    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """What the proxy says of them."""
        sent = ((ACTOR, self.name), (ROLES, self.roles), (BRANDS, self.brands))
        return tuple((key, value) for key, value in sent if value)

    def call(self, rpc: str, request: Any) -> Any:
        """Call an rpc by its name."""
        stub = PortalServiceStub(self.service.channel)
        return getattr(stub, rpc)(request, timeout=PATIENCE_S, metadata=self.metadata)

    def portal(self, brand_id: str = AURORA.brand_id) -> pb.GetPortalResponse:
        """Read a brand's figures."""
        answer: pb.GetPortalResponse = self.call("GetPortal", pb.GetPortalRequest(brand_id=brand_id))
        return answer

    def notify(self, listing_id: str, **more: Any) -> cases.ReportListingResponse:
        """Report a listing."""
        request = cases.ReportListingRequest(
            listing_id=listing_id, reporter_id=self.name, reason_code="COUNTERFEIT", **more
        )
        stub = CaseServiceStub(self.service.channel)
        answer: cases.ReportListingResponse = stub.ReportListing(request, timeout=PATIENCE_S, metadata=self.metadata)
        return answer

    def apply(self, name: str, *rights: brand_pb2.RightRecord, request_id: str = "") -> pb.BrandApplication:
        """Apply for a brand."""
        brand = brand_pb2.Brand(name=name, rights=rights or [a_right()])
        request = pb.ApplyForBrandRequest(brand=brand, note="I am its counsel.", request_id=request_id)
        application: pb.BrandApplication = self.call("ApplyForBrand", request).application
        return application

    def decide(self, application_id: str, decision: pb.ApplicationState.ValueType, **more: str) -> pb.BrandApplication:
        """Decide on an application."""
        request = pb.DecideApplicationRequest(application_id=application_id, decision=decision, **more)
        application: pb.BrandApplication = self.call("DecideApplication", request).application
        return application

    def applications(self, **more: Any) -> pb.ListApplicationsResponse:
        """List applications."""
        answer: pb.ListApplicationsResponse = self.call("ListApplications", pb.ListApplicationsRequest(**more))
        return answer


def owner(service: Service, *brand_ids: str) -> Visitor:
    """Give a brand owner a way to call."""
    return Visitor(service, f"owner of {brand_ids[0]}", "brand-owner", ",".join(brand_ids))


@pytest.fixture(scope="module")
def office(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for this suite."""
    with open_application(settings_at(tmp_path_factory.mktemp("office"))) as application:
        fill(application)
        with start(application) as running:
            yield running


def test_an_owner_follows_its_notices(own_service: Service) -> None:
    """What an owner reports is listed with its fate and counted; a buyer's report is not, nor another owner's."""
    mine, ann = owner(own_service, AURORA.brand_id), person(own_service, "ann", "lead")
    decisions = [suspicious(own_service, f"n{number}") for number in range(3)]
    for number in range(3):
        mine.notify(f"n{number}")
    person(own_service).report("n0")
    owner(own_service, BOREALIS.brand_id).notify("n0")
    ann.resolve(case_of(own_service, decisions[0]), TAKEDOWN)
    ann.resolve(case_of(own_service, decisions[1]), ALLOW)

    figures = mine.portal().notices
    first = mine.call("ListNotices", pb.ListNoticesRequest(brand_id=AURORA.brand_id, page_size=2))
    rest = mine.call(
        "ListNotices", pb.ListNoticesRequest(brand_id=AURORA.brand_id, page_token=first.next_page_token, page_size=2)
    )

    assert (figures.waiting_count, figures.upheld_count, figures.declined_count) == (1, 1, 1)
    assert figures.acceptance_low < figures.acceptance_rate == 0.5 < figures.acceptance_high
    assert not figures.narrowed
    fates = [*first.notices, *rest.notices]
    assert [(fate.listing_id, fate.state) for fate in fates] == [
        ("n2", case_pb2.REPORT_STATE_RECEIVED), ("n1", case_pb2.REPORT_STATE_DECLINED),
        ("n0", case_pb2.REPORT_STATE_UPHELD),
    ]  # fmt: skip
    assert [fate.HasField("decide_time") for fate in fates] == [False, True, True]
    assert rest.next_page_token == ""


def test_an_owner_of_several_brands_says_for_which(office: Service) -> None:
    """With one brand it goes without saying; with two it must be said, for a notice of none would not count."""
    suspicious(office, "whose")
    both = owner(office, AURORA.brand_id, BOREALIS.brand_id)

    unsaid = error_of(lambda: both.notify("whose"))
    before = both.portal(BOREALIS.brand_id).notices.waiting_count
    both.notify("whose", brand_id=BOREALIS.brand_id)

    assert violated_fields(unsaid) == {"brand_id"}
    assert (before, both.portal(BOREALIS.brand_id).notices.waiting_count) == (0, 1)
    refused = error_of(lambda: Visitor(office, "ann", "moderator").notify("whose", brand_id=AURORA.brand_id))
    assert violated_fields(refused) == {"brand_id"}


def test_hits_are_shown_without_their_sellers(own_service: Service) -> None:
    """A listing in which the brand was seen is a hit, with box, reference and the verdict in force by now."""
    mine, ann = owner(own_service, AURORA.brand_id), person(own_service, "ann", "lead")
    decisions = [suspicious(own_service, f"h{number}") for number in range(3)]
    ann.resolve(case_of(own_service, decisions[2]), TAKEDOWN)

    page = mine.call("ListHits", pb.ListHitsRequest(brand_id=AURORA.brand_id, page_size=2))
    rest = mine.call(
        "ListHits", pb.ListHitsRequest(brand_id=AURORA.brand_id, page_size=2, page_token=page.next_page_token)
    )
    figures = mine.portal()

    hits = [*page.hits, *rest.hits]
    assert [hit.listing_id for hit in hits] == ["h2", "h1", "h0"]
    assert [hit.verdict for hit in hits] == [
        decision_pb2.VERDICT_TAKEDOWN, decision_pb2.VERDICT_REVIEW, decision_pb2.VERDICT_REVIEW,
    ]  # fmt: skip
    matches = [each.visual_match for each in decisions[0].evidence if each.HasField("visual_match")]
    match = max((each for each in matches if each.brand_id == AURORA.brand_id), key=lambda each: each.probability)
    assert (hits[2].box, hits[2].reference_id) == (match.box, match.reference_id)
    assert hits[2].probability == pytest.approx(match.probability)
    assert "s1" not in str(page) + str(rest) + str(figures)
    assert [week.hit_count for week in figures.weeks] == [0] * 11 + [3]
    assert all(week.start_time.ToDatetime().weekday() == 0 for week in figures.weeks)
    assert [(use.reference_id, use.hit_count, use.decided_count, use.allowed_count) for use in figures.references] == [
        (match.reference_id, 3, 1, 0)
    ]


def reports_on_record(store: Store, numbers: Iterable[int], state: ReportState) -> None:
    """Put decided notices of Aurora's owner on record, each about a listing of its own; deciding them takes seconds."""
    row: dict[str, Any] = dict.fromkeys(("seller_id", "text", "case_id", "settled_by"), "")
    row |= {"brand_id": AURORA.brand_id, "filed_by": "owner", "reporter_id": "owner", "reporter_type": "BUYER"}
    row |= {"reason_code": "COUNTERFEIT", "notice": None, "image_sha256s": [], "state": str(state)}
    with store._database.write("put notices on record") as connection:
        for number in numbers:
            own = {"report_id": f"r{number}", "listing_id": f"l{number}", "decision_id": f"d{number}"}
            time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            connection.execute(reports.insert().values(**row, **own, create_time=time))


def test_self_service_is_narrowed_while_notices_are_mostly_wrong(own_service: Service) -> None:
    """Of twenty decided notices two too many were declined: new references wait for a person, and the owner reads why.

    A lead's upload is active at once, and so is the owner's again when more notices were upheld.
    """
    mine, registry = owner(own_service, AURORA.brand_id), owner_of(own_service, AURORA.brand_id)

    def notices(first: int, count: int, state: ReportState) -> None:
        reports_on_record(own_service.application.store, range(first, first + count), state)

    def upload(seed: int, caller: Visitor, *, hold: bool = False) -> brand_pb2.Reference:
        header = brand_service_pb2.UploadReferenceHeader(
            brand_id=AURORA.brand_id, kind=evidence_pb2.REFERENCE_KIND_PRODUCT, hold=hold
        )
        requests = [
            brand_service_pb2.UploadReferenceRequest(header=header),
            brand_service_pb2.UploadReferenceRequest(chunk=draw(seed)),
        ]
        stub = BrandServiceStub(own_service.channel)
        (result,) = stub.UploadReference(iter(requests), timeout=PATIENCE_S, metadata=caller.metadata).results
        return result.reference

    notices(0, 3, ReportState.DECLINED)
    notices(3, LEAST_DECIDED - 4, ReportState.UPHELD)
    early = upload(701, mine)
    notices(LEAST_DECIDED - 1, 1, ReportState.UPHELD)
    narrowed, leads = upload(702, mine), upload(703, Visitor(own_service, "lead", "lead"))
    held = upload(704, mine, hold=True)
    activate = brand_service_pb2.ReviewReferenceRequest(
        reference_id=held.reference_id, action=brand_service_pb2.REVIEW_ACTION_ACTIVATE
    )
    bypass = registry.call("ReviewReference", activate).reference
    draft = brand_service_pb2.ReferenceDraft(
        brand_id=AURORA.brand_id, kind=evidence_pb2.REFERENCE_KIND_PRODUCT, image=listing_pb2.Image(content=draw(705))
    )
    preview = registry.call("PreviewReference", brand_service_pb2.PreviewReferenceRequest(draft=draft))
    figures = mine.portal().notices
    notices(LEAST_DECIDED, 10, ReportState.UPHELD)
    later = upload(706, mine)

    assert [each.state for each in (early, leads, later)] == [brand_pb2.REFERENCE_STATE_ACTIVE] * 3
    assert [each.state for each in (narrowed, bypass)] == [brand_pb2.REFERENCE_STATE_QUARANTINED] * 2
    assert "17 (85%) were upheld" in narrowed.state_reason
    assert "90%" in narrowed.state_reason
    assert narrowed.state_reason == figures.narrowed_reason
    assert figures.narrowed
    assert preview.expected_state == brand_pb2.REFERENCE_STATE_QUARANTINED


def test_an_application_travels_to_a_brand_of_ones_own(start: Start, office: Service) -> None:
    """Who signs in without any role applies, a lead approves, and the applicant keeps the brand from then on."""
    folder = office.application.settings.data_dir
    issuer = issuer_at(folder)
    update = {"access": access_file(folder, tokens=token_rules()), "refresh_s": 0.05}
    settings = office.application.settings.model_copy(update=update)
    with start(replace(office.application, settings=settings)) as guarded:
        stub, brands = PortalServiceStub(guarded.channel), BrandServiceStub(guarded.channel)
        newcomer = bearer(issuer.token("counsel of Zephyr", roles=[]))
        lead = bearer(issuer.token("lea", roles=["lead"]))
        wanted = pb.ApplyForBrandRequest(brand=brand_pb2.Brand(name="Zephyr", rights=[a_right(mark_text="ZEPHYR")]))

        application = stub.ApplyForBrand(wanted, timeout=PATIENCE_S, metadata=newcomer).application
        own = stub.ListApplications(pb.ListApplicationsRequest(), timeout=PATIENCE_S, metadata=newcomer).applications
        decide = pb.DecideApplicationRequest(
            application_id=application.application_id, decision=pb.APPLICATION_STATE_APPROVED
        )
        refused = code_of(lambda: stub.DecideApplication(decide, timeout=PATIENCE_S, metadata=newcomer))
        closed = code_of(
            lambda: brands.GetBrand(
                brand_service_pb2.GetBrandRequest(brand_id="zephyr"), timeout=PATIENCE_S, metadata=newcomer
            )
        )
        approved = stub.DecideApplication(decide, timeout=PATIENCE_S, metadata=lead).application
        seen = _once_let_in(brands, newcomer)

    assert (application.state, application.applicant) == (pb.APPLICATION_STATE_PENDING, "counsel of Zephyr")
    assert [one.application_id for one in own] == [application.application_id]
    assert refused is closed is Code.PERMISSION_DENIED
    assert (approved.state, approved.brand_id) == (pb.APPLICATION_STATE_APPROVED, "zephyr")
    assert [right.mark_text for right in seen.rights] == ["ZEPHYR"]


def _once_let_in(brands: BrandServiceStub, who: Any) -> brand_pb2.Brand:
    """Read the new brand as soon as the server has learnt of the grant."""
    request = brand_service_pb2.GetBrandRequest(brand_id="zephyr")
    for _ in range(2_000):
        try:
            return brands.GetBrand(request, timeout=PATIENCE_S, metadata=who).brand
        except grpc.RpcError as error:
            if error.code() is not Code.PERMISSION_DENIED:
                raise
    raise AssertionError("the grant never reached the server")


def test_an_application_is_declined_with_a_reason(office: Service) -> None:
    """The applicant reads it, no brand is made, and the decision stands."""
    applicant, lead = Visitor(office, "dora"), Visitor(office, "lea", "lead")
    application = applicant.apply("Dorado")

    unsaid = error_of(lambda: lead.decide(application.application_id, pb.APPLICATION_STATE_DECLINED))
    declined = lead.decide(application.application_id, pb.APPLICATION_STATE_DECLINED, reason="the right has ended")

    assert violated_fields(unsaid) == {"reason"}
    assert [one.reason for one in applicant.applications().applications] == ["the right has ended"]
    assert declined.brand_id == ""
    assert office.application.store.find_brand("Dorado") is None
    assert code_of(lambda: lead.decide(application.application_id, pb.APPLICATION_STATE_APPROVED)) is Code.ABORTED


def test_a_name_that_is_taken_is_approved_for_the_brand_there_is(office: Service) -> None:
    """Approving it as a new brand is refused and leaves it waiting; for the brand that is there it goes through."""
    lead = Visitor(office, "lea", "lead")
    application = Visitor(office, "bo").apply(BOREALIS.name)

    refused = code_of(lambda: lead.decide(application.application_id, pb.APPLICATION_STATE_APPROVED))
    approved = lead.decide(application.application_id, pb.APPLICATION_STATE_APPROVED, brand_id=BOREALIS.brand_id)

    assert refused is Code.ABORTED
    assert approved.brand_id == BOREALIS.brand_id
    assert office.application.store.brand_grants()["bo"] == {BOREALIS.brand_id}


def test_applicants_see_their_own_applications_only(office: Service) -> None:
    """Those who decide see all, in pages; five may wait, and the same request is one."""
    applicant, other = Visitor(office, "eve"), Visitor(office, "fay")
    made = [applicant.apply(f"Brand of Eve {number}", request_id=f"k{number}") for number in range(5)]

    again = applicant.apply("Brand of Eve 0", request_id="k0")
    refused = code_of(lambda: applicant.apply("Brand of Eve 6"))
    first = applicant.applications(page_size=3)
    rest = applicant.applications(page_size=3, page_token=first.next_page_token)

    assert again == made[0]
    assert refused is Code.RESOURCE_EXHAUSTED
    assert [*first.applications, *rest.applications] == made
    assert not other.applications().applications
    waiting = Visitor(office, "lea", "lead").applications(state=pb.APPLICATION_STATE_PENDING, page_size=100)
    assert {one.application_id for one in made} <= {one.application_id for one in waiting.applications}


def test_staff_make_brands_themselves(office: Service) -> None:
    """Who works here is refused as an applicant: a grant would hold them to single brands."""
    assert code_of(lambda: Visitor(office, "max", "moderator").apply("Max")) is Code.PERMISSION_DENIED
    assert code_of(lambda: Visitor(office).apply("Nobody's")) is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("right", "field"),
    [
        (a_right(owner_name=" "), "owner_name"),
        (a_right(office_code="", application_number=""), "office_code"),
        (a_right(application_number="", registration_number=""), "registration_number"),
        (a_right(registration_number="4176"), "registration_number"),
        (a_right(application_number="EM5000"), "application_number"),
        (a_right(territories=[]), "territories"),
        (a_right(nice_classes=[]), "nice_classes"),
        (a_right(nice_classes=[46]), "nice_classes[0]"),
        (a_right(office_code="ZZ"), "office_code"),
    ],
)
def test_a_right_must_be_one_that_can_be_looked_up(office: Service, right: brand_pb2.RightRecord, field: str) -> None:
    """What no register could show, or what nobody could find there, is named."""
    refused = error_of(lambda: Visitor(office, "gil").apply("Gilt", right))

    assert f"brand.rights[0].{field}" in violated_fields(refused)


def test_an_application_holds_name_and_rights_only(office: Service) -> None:
    """Without rights, or with what is set later, it is refused; a copyright needs no register."""
    applicant = Visitor(office, "hal")
    early = pb.ApplyForBrandRequest(brand=brand_pb2.Brand(name="Halo", brand_id="nike", keywords=["x"]))

    refused = error_of(lambda: applicant.call("ApplyForBrand", early))
    drawn = brand_pb2.RightRecord(type=brand_pb2.RIGHT_TYPE_COPYRIGHT, owner_name="Hal")

    assert violated_fields(refused) == {"brand.brand_id", "brand.keywords", "brand.rights"}
    assert applicant.apply("Halo", drawn).brand.rights[0].owner_name == "Hal"


def test_the_portal_of_another_brand_is_not_there(office: Service) -> None:
    """Moderators read every brand's portal, an owner its own; pages of one brand are not turned in another's."""
    theirs = owner(office, BOREALIS.brand_id)

    assert code_of(lambda: theirs.portal(AURORA.brand_id)) is Code.NOT_FOUND
    assert Visitor(office, "ann", "moderator").portal(AURORA.brand_id).brand_id == AURORA.brand_id
    for rpc, request in (("ListHits", pb.ListHitsRequest), ("ListNotices", pb.ListNoticesRequest)):
        bad = request(brand_id=BOREALIS.brand_id, page_token="x", page_size=1)
        assert violated_fields(error_of(lambda: theirs.call(rpc, bad))) == {"page_token"}  # noqa: B023
