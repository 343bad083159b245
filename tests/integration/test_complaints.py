"""Buyers report, sellers appeal, and moderators answer many at once, over gRPC."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from index.decision_records import RemovalReason
from index.errors import Conflict
from index.photos import PhotoOwner
from index.reports import ReporterType
from index.rulings import RequestKey
from serving.access.caller import Caller
from serving.app import Application
from serving.case_batches import CaseBatches
from serving.deadline import NEVER, Deadline
from serving.errors import DeadlineExceeded
from serving.photo_keeping import PhotoKeeper
from serving.wire.case import to_batch
from serving.wire.complaint import Complaint, Objection
from tests.integration.case_support import (
    ALLOW,
    TAKEDOWN,
    case_of,
    code_of,
    error_of,
    events,
    innocent,
    known_fake,
    person,
    suspicious,
)
from tests.integration.support import Service, Start, draw, violated_fields
from tests.integration.test_cases import with_rules
from touchstone.moderation.v1 import case_pb2, decision_pb2, listing_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import moderation_service_pb2 as mod

pytestmark = pytest.mark.usefixtures("acts_are_entered")

Code = grpc.StatusCode
VERDICT_ALLOW, VERDICT_TAKEDOWN = decision_pb2.VERDICT_ALLOW, decision_pb2.VERDICT_TAKEDOWN
NOTICE = case_pb2.Notice(
    urls=["https://shop.example/item/1"],
    right_id="EUTM-1",
    notifier_name="Aurora GmbH",
    notifier_email="ip@aurora.example",
    good_faith_statement=True,
    document_sha256s=["ab" * 32],
    jurisdiction="EU",
)


def test_two_buyers_open_a_case(own_service: Service) -> None:
    """One stranger's report waits; with the second one a listing that was allowed becomes a case with both reports."""
    decision = innocent(own_service, "fine")
    anybody = person(own_service)

    first = anybody.report("fine", reporter="b1", text="the zip broke")
    same = anybody.report("fine", reporter="b1")
    second = anybody.report("fine", reporter="b2")

    assert first.case_id == same.case_id == ""
    assert (first.report.state, first.report.reporter_type) == (
        case_pb2.REPORT_STATE_RECEIVED, case_pb2.REPORTER_TYPE_BUYER,
    )  # fmt: skip
    case = anybody.get(second.case_id)
    assert (case.origin, case.decision.decision_id) == (case_pb2.CASE_ORIGIN_REPORT, decision.decision_id)
    assert [report.reporter_id for report in case.reports] == ["b1", "b1", "b2"]
    assert case.HasField("due_time")


def test_who_was_wrong_before_weighs_less(own_service: Service) -> None:
    """Reporters whose reports were declined open no case together; the record is kept for the next decision."""
    anybody, ann = person(own_service), person(own_service, "ann")
    innocent(own_service, "fine")
    anybody.report("fine", reporter="b1")
    ann.resolve(anybody.report("fine", reporter="b2").case_id, ALLOW)
    innocent(own_service, "fine too")

    again = [anybody.report("fine too", reporter=name) for name in ("b1", "b2")]

    assert [report.case_id for report in again] == ["", ""]
    records = own_service.application.store.reports_about("fine too")
    assert [(one.reporter_id, one.upheld, one.declined) for one in records] == [("b1", 0, 1), ("b2", 0, 1)]


def test_resolution_settles_reports_and_undoing_opens_them(own_service: Service) -> None:
    """A takedown upholds the reports about the listing and counts for the seller; undone, they wait again."""
    anybody, ann = person(own_service), person(own_service, "ann")
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    assert anybody.report("odd").case_id == case_id

    done = ann.resolve(case_id, TAKEDOWN)
    upheld = own_service.application.store.reports_about_seller("s1")
    waiting = own_service.application.store.reports_about("odd")
    ann.undo(resolution_id=done.resolution.resolution_id)

    assert done.case.reports[0].state == case_pb2.REPORT_STATE_UPHELD
    assert (upheld, waiting) == (1, ())
    assert ann.get(case_id).reports[0].state == case_pb2.REPORT_STATE_RECEIVED
    assert own_service.application.store.reports_about_seller("s1") == 0


def test_notice_opens_a_case_at_once(own_service: Service) -> None:
    """A notice becomes a case whoever gives it; what a role proves is believed, what none proves is a buyer's."""
    innocent(own_service, "n1")
    innocent(own_service, "n2")
    owner = case_pb2.REPORTER_TYPE_RIGHTS_OWNER

    notice = person(own_service).report("n1", notice=NOTICE, text="It bears our mark.", reporter_type=owner)
    proven = person(own_service, "aurora", "rights-owner").report("n2", reporter_type=owner)

    shown = person(own_service, "ann").get(notice.case_id).reports[0]
    assert (shown.notice, shown.reporter_type) == (NOTICE, case_pb2.REPORTER_TYPE_BUYER)
    told = person(own_service).get(notice.case_id).reports[0].notice
    assert (told.urls, told.notifier_name, told.notifier_email) == (NOTICE.urls, "", "")
    assert proven.case_id
    assert proven.report.reporter_type == owner


def test_report_on_what_was_taken_down_opens_nothing(own_service: Service) -> None:
    """Nothing is left to decide about a listing that a person took down."""
    ann = person(own_service, "ann")
    ann.resolve(case_of(own_service, suspicious(own_service, "odd")), TAKEDOWN)

    report = ann.report("odd", notice=NOTICE, text="It bears our mark.")

    assert report.case_id == ""
    assert ann.list(listing_id="odd").total_count == 0


def test_reports_survive_a_new_decision(own_service: Service) -> None:
    """Deciding a listing anew does not shake off what was reported: the case follows, with its reports."""
    innocent(own_service, "fine")
    anybody = person(own_service)
    old = anybody.report("fine", notice=NOTICE, text="It bears our mark.").case_id

    newer = innocent(own_service, "fine")

    new = case_of(own_service, newer)
    assert anybody.get(old).state == case_pb2.CASE_STATE_SUPERSEDED
    assert (new != old, anybody.get(new).origin) == (True, case_pb2.CASE_ORIGIN_REPORT)
    assert events(own_service)[-1].case_id == new


def test_images_of_a_report_answer_for_themselves(own_service: Service) -> None:
    """Photos that a reporter adds are decoded under the limits; a bad one is named and the report stands."""
    innocent(own_service, "fine")
    images = [listing_pb2.Image(content=content) for content in (draw(7), b"", b"no picture")]

    report = person(own_service).report("fine", images=images)

    assert [one.status for one in report.image_results] == [
        decision_pb2.IMAGE_STATUS_OK, decision_pb2.IMAGE_STATUS_EMPTY, decision_pb2.IMAGE_STATUS_UNSUPPORTED_FORMAT,
    ]  # fmt: skip
    (recorded,) = own_service.application.store.listing_reports("fine")
    assert recorded.image_sha256s == tuple(one.sha256 for one in report.image_results)


def test_pictures_of_a_listing_screened_meanwhile_are_its_sellers(own_service: Service) -> None:
    """Somebody reports a listing that nobody knows while it is screened: its pictures are the seller's all the same."""
    kept = own_service.application.cases.complaints

    class Slow(PhotoKeeper):
        def keep(self, *given: Any, **more: Any) -> Any:
            innocent(own_service, "fine")
            return super().keep(*given, **more)

    complaint = Complaint(
        listing_id="fine",
        reporter_id="buyer-7",
        claimed=ReporterType.BUYER,
        reason_code="COUNTERFEIT",
        text="",
        images=(draw(7),),
        notice=None,
        of_any_listing=True,
    )

    with Slow(own_service.application.blobs) as slow:
        report, _ = replace(kept, photos=slow).report(complaint, Caller(""), deadline=NEVER)

    (picture,) = kept.store.photos_of(PhotoOwner.REPORT, report.report_id)
    assert picture.seller_id == "s1"


def test_report_is_made_once(own_service: Service) -> None:
    """The same request again returns the first report; its key for another one is refused."""
    innocent(own_service, "fine")
    anybody = person(own_service)

    first = anybody.report("fine", request_id="r1")
    again = anybody.report("fine", request_id="r1")
    other = error_of(lambda: anybody.report("fine", request_id="r1", text="more"))

    assert first == again
    assert (other.code(), violated_fields(other)) == (Code.INVALID_ARGUMENT, {"request_id"})


def test_who_reports_too_often_waits(own_application: Application, start: Start) -> None:
    """A reporter over the limit is RESOURCE_EXHAUSTED until the first report is a day old; others are not."""
    with start(with_rules(own_application, reports_per_day=2)) as service:
        innocent(service, "fine")
        anybody = person(service)
        for _ in range(2):
            anybody.report("fine", reporter="b1")

        error = error_of(lambda: anybody.report("fine", reporter="b1"))

        assert error.code() is Code.RESOURCE_EXHAUSTED
        status, retry = rpc_status.from_call(error), RetryInfo()
        assert status is not None
        assert status.details[0].Unpack(retry)
        assert timedelta(hours=23) < retry.retry_delay.ToTimedelta() <= timedelta(hours=24)
        assert anybody.report("fine", reporter="b2").report.report_id
        flagger = person(service, "flag", "trusted-flagger")
        proven = case_pb2.REPORTER_TYPE_TRUSTED_FLAGGER
        for _ in range(3):
            assert flagger.report("fine", reporter="flag", reporter_type=proven).case_id


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"listing_id": "", "reporter_id": "", "reason_code": "RUDE"}, {"listing_id", "reporter_id", "reason_code"}),
        ({"text": "x" * 5_001, "reporter_type": 9}, {"text", "reporter_type"}),
        ({"images": [listing_pb2.Image(content=b"x")] * 11}, {"images"}),
        ({"notice": case_pb2.Notice(), "text": ""},
         {"text", "notice.urls", "notice.notifier_name", "notice.notifier_email", "notice.good_faith_statement",
          "notice.jurisdiction"}),
        ({"notice": case_pb2.Notice(urls=["shop.example/1"], notifier_name="A", notifier_email="nobody",
                                    good_faith_statement=True, jurisdiction="Europe", document_sha256s=["AB"])},
         {"notice.urls[0]", "notice.notifier_email", "notice.jurisdiction", "notice.document_sha256s[0]"}),
        ({"notice": case_pb2.Notice(urls=["https://s.example/1"], notifier_name="A", notifier_email="a@b.example",
                                    good_faith_statement=True, jurisdiction="CN")},
         {"notice.right_id", "notice.document_sha256s"}),
    ],
)  # fmt: skip
def test_report_without_what_it_needs_is_refused(
    service: Service, changed: dict[str, object], fields: set[str]
) -> None:
    """A report or notice that lacks something is INVALID_ARGUMENT with every field that does."""
    whole = {"listing_id": "l", "reporter_id": "r", "reason_code": "COUNTERFEIT", "text": "why"}
    request = pb.ReportListingRequest(**whole | changed)  # type: ignore[arg-type]

    error = error_of(lambda: person(service).call("ReportListing", request))

    assert (error.code(), violated_fields(error)) == (Code.INVALID_ARGUMENT, fields)


def test_appeal_is_decided_by_somebody_else(own_service: Service) -> None:
    """Whoever took the listing down cannot answer the appeal; granted, the listing is allowed again everywhere."""
    anybody, ann, ben = (person(own_service, name) for name in ("", "ann", "ben"))
    decision = suspicious(own_service, "odd")
    case_id = case_of(own_service, decision)
    anybody.report("odd")
    ann.resolve(case_id, TAKEDOWN)

    first = anybody.appeal(decision.decision_id)
    again = anybody.appeal(decision.decision_id)
    own = code_of(lambda: ann.resolve(case_id, ALLOW))
    ann.claim(case_id, action=pb.CLAIM_ACTION_RELEASE)
    done = ben.resolve(case_id, ALLOW)
    late = code_of(lambda: anybody.appeal(decision.decision_id))

    assert first == again
    assert first.case_id == case_id
    assert first.appeal.due_time.ToDatetime() - first.appeal.create_time.ToDatetime() == timedelta(days=14)
    assert (own, late) == (Code.PERMISSION_DENIED, Code.ABORTED)
    (appeal,) = done.case.appeals
    assert (appeal.state, appeal.reviewer) == (case_pb2.APPEAL_STATE_GRANTED, done.resolution.reviewer)
    assert done.case.reports[0].state == case_pb2.REPORT_STATE_DECLINED
    event = events(own_service)[-1]
    assert (event.verdict, event.cause) == (VERDICT_ALLOW, mod.VERDICT_CAUSE_APPEAL_DECIDED)
    store = own_service.application.store
    assert list(store.iter_removed_images()) == []
    assert [(one.source, one.infringing) for one in store.verdicts_after(0)] == [("review", True), ("appeal", False)]


def test_appeal_against_the_service_itself(own_service: Service) -> None:
    """A takedown without a person is appealed against in its open case; denied, the seller reads why."""
    decision = known_fake(own_service, "fake")
    assert decision.verdict == VERDICT_TAKEDOWN
    own_service.application.store.remove_listing("fake", RemovalReason.COUNTERFEIT, datetime.now(UTC))

    appeal = person(own_service).appeal(decision.decision_id)
    done = person(own_service, "ann").resolve(appeal.case_id, TAKEDOWN)

    (decided,) = done.case.appeals
    assert decided.state == case_pb2.APPEAL_STATE_DENIED
    assert decided.answer == TAKEDOWN.statement.explanation
    assert decided.HasField("decide_time")
    assert events(own_service)[-1].verdict == VERDICT_TAKEDOWN


def test_what_cannot_be_appealed_against(own_application: Application, start: Start) -> None:
    """A decision that takes nothing down, a stranger's appeal, an empty one, and one that comes too late."""
    with start(with_rules(own_application, appeal_days=1)) as service:
        anybody = person(service)
        allowed, fake = innocent(service, "fine"), known_fake(service, "fake")
        wordless = pb.AppealDecisionRequest(decision_id="d", appellant_id="", statement=" ", document_sha256s=["x"])

        nothing = error_of(lambda: anybody.appeal(allowed.decision_id))
        stranger = error_of(lambda: anybody.appeal(fake.decision_id, seller="s2"))
        empty = error_of(lambda: anybody.call("AppealDecision", wordless))

        assert violated_fields(nothing) == {"decision_id"}
        assert violated_fields(stranger) == {"appellant_id"}
        assert violated_fields(empty) == {"appellant_id", "statement", "document_sha256s[0]"}
        assert {nothing.code(), stranger.code(), empty.code()} == {Code.INVALID_ARGUMENT}
        complaints = service.application.cases.complaints
        later = replace(complaints, clock=lambda: complaints.clock() + timedelta(days=2))
        objection = Objection(decision_id=fake.decision_id, appellant_id="s1", statement="no", document_sha256s=())
        with pytest.raises(Conflict, match="was over on"):
            later.appeal(objection)


def test_batch_is_previewed_resolved_and_undone(own_service: Service) -> None:
    """A preview changes nothing; the batch leaves alone what others hold; undone, its cases are open again."""
    for number in range(3):
        suspicious(own_service, f"odd-{number}")
    ann, ben = person(own_service, "ann"), person(own_service, "ben")
    ids = [case.case_id for case in ann.list().cases]
    ben.claim(ids[0])
    request = pb.BatchResolveCasesRequest(
        case_ids=pb.CaseIds(case_ids=[*ids, "nothing"]), outcome=TAKEDOWN, request_id="b1"
    )
    preview = pb.BatchResolveCasesRequest(case_ids=request.case_ids, outcome=TAKEDOWN, preview_only=True)

    would = ann.call("BatchResolveCases", preview)
    before = ann.list().total_count
    done = ann.call("BatchResolveCases", request)
    again = ann.call("BatchResolveCases", request)
    undone = ann.undo(batch_id=done.batch_id)

    assert (would.batch_id, would.resolved_count, before) == ("", 2, 2)
    assert [one.WhichOneof("result") for one in would.results] == ["error", "resolution", "resolution", "error"]
    assert not would.results[1].resolution.resolution_id
    assert done == again
    assert [one.WhichOneof("result") for one in done.results] == ["error", "resolution", "resolution", "error"]
    assert [one.error.code for one in done.results] == [Code.ABORTED.value[0], 0, 0, Code.NOT_FOUND.value[0]]
    assert [one.listing_id for one in done.results] == ["odd-0", "odd-1", "odd-2", ""]
    assert {one.resolution.batch_id for one in done.results if one.HasField("resolution")} == {done.batch_id}
    assert undone.undone_count == 2
    assert {case.state for case in undone.cases} == {case_pb2.CASE_STATE_OPEN}
    assert ann.undo(batch_id=done.batch_id).undone_count == 0


def test_batch_by_filter_has_a_cap(own_service: Service) -> None:
    """More cases than asked for are refused, and nothing is resolved; a batch that fits takes them all."""
    for number in range(3):
        suspicious(own_service, f"odd-{number}", market="US")
    ann = person(own_service, "ann")
    request = pb.BatchResolveCasesRequest(filter=pb.CaseFilter(seller_id="s1"), outcome=ALLOW, max_cases=2)

    refused = error_of(lambda: ann.call("BatchResolveCases", request))
    left = ann.list().total_count
    request.max_cases = 3
    done = ann.call("BatchResolveCases", request)

    assert (refused.code(), violated_fields(refused), left) == (Code.INVALID_ARGUMENT, {"filter"}, 3)
    assert done.resolved_count == 3
    assert ann.list().total_count == 0


class PassesAfter(Deadline):
    """A deadline that passes after some checks, whatever the clock says."""

    def __init__(self, *, checks: int) -> None:
        super().__init__()
        self._left = iter(range(checks))

    def check(self, stage: str) -> None:
        """Let some checks through."""
        if next(self._left, None) is None:
            raise DeadlineExceeded(stage)


def test_batch_that_ran_out_of_time_goes_on(own_service: Service) -> None:
    """After DEADLINE_EXCEEDED the same request finishes the batch, and resolves nothing twice."""
    for number in range(3):
        suspicious(own_service, f"odd-{number}")
    ann = person(own_service, "ann")
    desk, ids = own_service.application.cases.desk, [case.case_id for case in ann.list().cases]
    request = pb.BatchResolveCasesRequest(case_ids=pb.CaseIds(case_ids=ids), outcome=ALLOW, request_id="b1")

    caller = Caller("ann")
    selection, outcome = to_batch(request, desk.rules)
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
    key = RequestKey(scope="BatchResolveCasesRequest by ann", request_id="b1", request_sha256=digest)
    with pytest.raises(DeadlineExceeded):
        CaseBatches(desk).resolve(selection, outcome, caller, request=key, deadline=PassesAfter(checks=1))
    between = ann.list().total_count
    done = ann.call("BatchResolveCases", request)

    assert between == 2
    assert done.resolved_count == 3
    assert len(own_service.application.store.verdicts_after(0)) == 3
