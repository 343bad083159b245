"""People work on cases over gRPC: the queue, leases, resolutions, second reviews and their undoing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest

from serving.app import Application, make_case_answers
from serving.case_opening import CaseOpening
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
from tests.integration.support import Service, Start, violated_fields
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import moderation_service_pb2 as mod

pytestmark = pytest.mark.usefixtures("acts_are_entered")

Code = grpc.StatusCode
VERDICT_ALLOW, REVIEW, VERDICT_TAKEDOWN = (
    decision_pb2.VERDICT_ALLOW,
    decision_pb2.VERDICT_REVIEW,
    decision_pb2.VERDICT_TAKEDOWN,
)


def with_rules(application: Application, **changed: object) -> Application:
    """Give an application other rules about cases."""
    rules = application.cases.desk.rules.model_copy(update=changed)
    recorder = replace(application.moderation.recorder, opening=CaseOpening(application.store, rules))
    return replace(
        application,
        moderation=replace(application.moderation, recorder=recorder),
        cases=make_case_answers(application.store, rules, application.blobs, application.moderation.photos),
    )


def test_a_case_carries_its_decision(own_service: Service) -> None:
    """What a person must look at is a case; the list names its decision, and GetCase shows it whole."""
    innocent(own_service, "fine")
    decision = suspicious(own_service, "odd")

    listed = person(own_service).list()
    shown = person(own_service).get(listed.cases[0].case_id)

    assert listed.total_count == len(listed.cases) == 1
    assert decision.verdict == REVIEW
    brief = listed.cases[0].decision
    assert (brief.decision_id, brief.listing_id, brief.verdict, brief.counterfeit_probability) == (
        decision.decision_id, "odd", REVIEW, decision.counterfeit_probability,
    )  # fmt: skip
    assert not brief.evidence
    assert shown.decision == decision
    assert (shown.state, shown.origin, shown.seller_id) == (
        case_pb2.CASE_STATE_OPEN, case_pb2.CASE_ORIGIN_SCREENING, "s1",
    )  # fmt: skip
    assert "aurora" in shown.brand_ids
    assert shown.expected_harm >= decision.counterfeit_probability


def test_lease_is_renewed_by_its_holder_and_let_go(own_service: Service) -> None:
    """Its holder claims a case again and gets the same lease, renewed; nobody else sees the token or gets the case."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    ann, ben = person(own_service, "ann"), person(own_service, "ben")

    first = ann.claim(case_id, lease_duration_ms=10_000)
    again = ann.claim(case_id, lease_duration_ms=3_600_000)
    seen = ben.get(case_id)
    refused = code_of(lambda: ben.claim(case_id))
    not_his = code_of(lambda: ben.claim(case_id, action=pb.CLAIM_ACTION_RELEASE))
    released = ann.claim(case_id, action=pb.CLAIM_ACTION_RELEASE)
    twice = ann.claim(case_id, action=pb.CLAIM_ACTION_RELEASE)

    assert first.state == case_pb2.CASE_STATE_CLAIMED
    assert first.lease.lease_token == again.lease.lease_token != ""
    assert again.lease.expire_time.ToDatetime() > first.lease.expire_time.ToDatetime()
    assert int(again.etag) > int(first.etag)
    assert (seen.lease.holder, seen.lease.lease_token) == ("ann", "")
    assert refused == not_his == Code.ABORTED
    assert released == twice
    assert released.state == case_pb2.CASE_STATE_OPEN
    assert not released.HasField("lease")
    assert ben.claim(case_id).lease.holder == "ben"


def test_next_never_goes_to_two(own_service: Service) -> None:
    """Moderators who ask for the next case at the same time get different ones, and NOT_FOUND when none is left."""
    for number in range(6):
        suspicious(own_service, f"odd-{number}")
    queue = [case.case_id for case in person(own_service).list(pb.CASE_ORDER_EXPECTED_HARM).cases]

    def claim(number: int) -> str:
        request = pb.ClaimCaseRequest(next=pb.CaseFilter(seller_id="s1"))
        try:
            case_id: str = person(own_service, f"p{number}").call("ClaimCase", request).case.case_id
        except grpc.RpcError as error:
            return error.code().name
        return case_id

    with ThreadPoolExecutor(9) as pool:
        claimed = list(pool.map(claim, range(9)))

    assert sorted(claimed) == sorted([*queue, *["NOT_FOUND"] * 3])


def test_takedown_comes_into_force_at_once(own_service: Service) -> None:
    """One transaction resolves the case, makes the photos known, tells the pipeline and writes down the verdict."""
    decision = suspicious(own_service, "odd")
    case_id = case_of(own_service, decision)
    cursor = events(own_service)[-1].cursor

    done = person(own_service, "ann").resolve(case_id, TAKEDOWN)

    assert done.case.state == case_pb2.CASE_STATE_RESOLVED
    assert not done.case.HasField("lease")
    assert list(done.case.resolutions) == [done.resolution]
    told = done.resolution.outcome.statement
    assert (told.automated_detection, told.automated_decision) == (True, False)
    assert done.resolution.reviewer.startswith("reviewer-")
    (event,) = events(own_service, cursor)
    assert (event.listing_id, event.verdict, event.cause, event.case_id) == (
        "odd", VERDICT_TAKEDOWN, mod.VERDICT_CAUSE_CASE_RESOLVED, case_id,
    )  # fmt: skip
    assert event.decision == decision
    store = own_service.application.store
    assert [image.listing_id for image in store.iter_removed_images()] == ["odd"]
    (verdict,) = store.verdicts_after(0)
    assert (verdict.infringing, verdict.source, verdict.machine_verdict) == (True, "review", "REVIEW")
    assert verdict.probability == decision.counterfeit_probability
    assert verdict.uncalibrated_probability == decision.uncalibrated_probability


def test_undoing_brings_back_what_was_in_force(own_service: Service) -> None:
    """After an undoing the service's own verdict holds again, photos are forgotten, and the case is open."""
    decision = suspicious(own_service, "odd")
    case_id = case_of(own_service, decision)
    ann = person(own_service, "ann")
    done = ann.resolve(case_id, TAKEDOWN)
    cursor = events(own_service)[-1].cursor

    first = ann.undo(resolution_id=done.resolution.resolution_id)
    again = ann.undo(resolution_id=done.resolution.resolution_id)

    assert (first.undone_count, again.undone_count) == (1, 0)
    assert first.cases[0].state == case_pb2.CASE_STATE_OPEN
    (undone,) = first.cases[0].resolutions
    assert undone.undo_reason == "a mistake"
    assert undone.undone_by == undone.reviewer
    assert undone.HasField("undo_time")
    (event,) = events(own_service, cursor)
    assert (event.verdict, event.cause) == (REVIEW, mod.VERDICT_CAUSE_RESOLUTION_UNDONE)
    store = own_service.application.store
    assert list(store.iter_removed_images()) == []
    assert [verdict.undone for verdict in store.verdicts_after(0)] == [False, True]


def test_of_two_who_resolve_one_is_aborted(own_service: Service) -> None:
    """A lease proves one resolution: whoever comes second with it, or without one, is ABORTED."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    ann, ben = person(own_service, "ann"), person(own_service, "ben")
    token = ann.claim(case_id).lease.lease_token

    stolen = code_of(lambda: ben.resolve(case_id, ALLOW, token=token))
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(ann.resolve, case_id, ALLOW, token=token) for _ in range(2)]
        errors = [one.exception() for one in both]

    assert stolen == Code.ABORTED
    (failed,) = [error for error in errors if error is not None]
    assert isinstance(failed, grpc.RpcError)
    assert failed.code() is Code.ABORTED
    assert len(ann.get(case_id).resolutions) == 1


def test_etag_stands_for_what_was_read(own_service: Service) -> None:
    """A case that a report has reached since it was read is not resolved over it."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    ann = person(own_service, "ann")
    claimed = ann.claim(case_id)
    person(own_service).report("odd")

    stale = code_of(lambda: ann.resolve(case_id, ALLOW, token=claimed.lease.lease_token, etag=claimed.etag))
    now = ann.get(case_id)
    done = ann.resolve(case_id, ALLOW, token=now.lease.lease_token, etag=now.etag)

    assert stale == Code.ABORTED
    assert done.case.reports[0].state == case_pb2.REPORT_STATE_DECLINED


def test_request_id_resolves_once(own_service: Service) -> None:
    """The same request again returns the first resolution; the same key for another request is refused."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    ann = person(own_service, "ann")
    token = ann.claim(case_id).lease.lease_token

    first = ann.resolve(case_id, ALLOW, token=token, request_id="r1")
    again = ann.resolve(case_id, ALLOW, token=token, request_id="r1")
    other = error_of(lambda: ann.resolve(case_id, TAKEDOWN, token=token, request_id="r1"))

    assert first == again
    assert (other.code(), violated_fields(other)) == (Code.INVALID_ARGUMENT, {"request_id"})


def test_takedown_says_why(own_service: Service) -> None:
    """A takedown needs a reason of the list, in the EEA a statement, and a statement what the law puts into it."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    abroad = case_of(own_service, suspicious(own_service, "abroad", market="US"))
    ann = person(own_service, "ann")
    bare = case_pb2.Outcome(verdict=VERDICT_TAKEDOWN, reason_code="COUNTERFEIT")
    hollow = case_pb2.Outcome(
        verdict=VERDICT_TAKEDOWN,
        statement=case_pb2.StatementOfReasons(explanation="x" * 2_001, territories=["Germany"]),
    )

    missing = error_of(lambda: ann.resolve(case_id, bare))
    faulty = error_of(lambda: ann.resolve(case_id, hollow))
    undecided = error_of(lambda: ann.resolve(case_id, case_pb2.Outcome(verdict=REVIEW)))

    assert (missing.code(), violated_fields(missing)) == (Code.INVALID_ARGUMENT, {"outcome.statement"})
    assert violated_fields(faulty) == {
        "outcome.reason_code",
        *(f"outcome.statement.{name}" for name in ("ground", "ground_reference", "explanation", "facts")),
        "outcome.statement.territories[0]",
    }
    assert violated_fields(undecided) == {"outcome.verdict"}
    assert ann.resolve(abroad, bare).case.state == case_pb2.CASE_STATE_RESOLVED


def test_high_impact_waits_for_a_second_person(own_application: Application, start: Start) -> None:
    """A grave takedown is nobody's alone: the first cannot confirm it, and it holds when another person does."""
    with start(with_rules(own_application, second_review_harm=0.001)) as service:
        case_id = case_of(service, suspicious(service, "odd"))
        ann, ben = person(service, "ann"), person(service, "ben")
        cursor = events(service)[-1].cursor

        first = ann.resolve(case_id, TAKEDOWN)
        quiet = events(service, cursor)
        own = code_of(lambda: ann.resolve(case_id, TAKEDOWN))
        ann.claim(case_id, action=pb.CLAIM_ACTION_RELEASE)
        not_offered = code_of(lambda: ann.call("ClaimCase", pb.ClaimCaseRequest(next=pb.CaseFilter())))
        offered = ben.call("ClaimCase", pb.ClaimCaseRequest(next=pb.CaseFilter())).case
        second = ben.resolve(case_id, TAKEDOWN, token=offered.lease.lease_token, request_id="r")
        again = ben.resolve(case_id, TAKEDOWN, token=offered.lease.lease_token, request_id="r")

        assert first.case.state == case_pb2.CASE_STATE_AWAITING_SECOND_REVIEW
        assert quiet == []
        assert (own, not_offered) == (Code.PERMISSION_DENIED, Code.NOT_FOUND)
        assert offered.case_id == case_id
        assert second.case.state == case_pb2.CASE_STATE_RESOLVED
        assert second.resolution.resolution_id == first.resolution.resolution_id == again.resolution.resolution_id
        assert second.resolution.reviewer == first.resolution.reviewer != second.resolution.second_reviewer != ""
        assert [event.verdict for event in events(service, cursor)] == [VERDICT_TAKEDOWN]


def test_second_person_may_overrule(own_application: Application, start: Start) -> None:
    """Without two who agree nothing is taken down: the second person's ALLOW holds, and the first is on record."""
    with start(with_rules(own_application, second_review_harm=0.001)) as service:
        case_id = case_of(service, suspicious(service, "odd"))
        person(service, "ann").resolve(case_id, TAKEDOWN)
        cursor = events(service)[-1].cursor

        done = person(service, "ben").resolve(case_id, ALLOW)

        assert [one.outcome.verdict for one in done.case.resolutions] == [VERDICT_TAKEDOWN, VERDICT_ALLOW]
        assert [one.HasField("undo_time") for one in done.case.resolutions] == [True, False]
        assert [event.verdict for event in events(service, cursor)] == [VERDICT_ALLOW]


def test_new_decision_overtakes_the_open_case(own_service: Service) -> None:
    """A listing that is decided anew has one open case, of the newest decision; the old one cannot be resolved."""
    old = case_of(own_service, suspicious(own_service, "odd"))
    ann = person(own_service, "ann")
    token = ann.claim(old).lease.lease_token

    new = case_of(own_service, suspicious(own_service, "odd"))

    assert new != old
    assert ann.get(old).state == case_pb2.CASE_STATE_SUPERSEDED
    assert code_of(lambda: ann.resolve(old, ALLOW, token=token)) == Code.ABORTED
    assert code_of(lambda: ann.claim(old)) == Code.ABORTED


def test_listing_that_ended_leaves_the_queue(own_service: Service) -> None:
    """A listing that the marketplace removed is nobody's work any more; the verdict in force stays what it was."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))

    own_service.stub.RemoveListing(
        mod.RemoveListingRequest(listing_id="odd", reason=mod.REMOVAL_REASON_ENDED_BY_SELLER)
    )

    assert person(own_service).get(case_id).state == case_pb2.CASE_STATE_SUPERSEDED
    assert events(own_service)[-1].verdict == REVIEW


def test_undo_waits_for_what_rests_on_it(own_service: Service) -> None:
    """A resolution under a later one or an appeal cannot be undone; the later one can."""
    decision = known_fake(own_service, "fake")
    case_id = case_of(own_service, decision)
    ann, ben = person(own_service, "ann"), person(own_service, "ben")
    first = ann.resolve(case_id, TAKEDOWN).resolution.resolution_id
    person(own_service).appeal(decision.decision_id)

    under_appeal = code_of(lambda: ann.undo(resolution_id=first))
    granted = ben.resolve(case_id, ALLOW).resolution.resolution_id
    under_another = code_of(lambda: ann.undo(resolution_id=first))
    cursor = events(own_service)[-1].cursor
    undone = ann.undo(resolution_id=granted)

    assert under_appeal == under_another == Code.ABORTED
    assert undone.cases[0].state == case_pb2.CASE_STATE_APPEALED
    assert [(event.verdict, event.cause) for event in events(own_service, cursor)] == [
        (VERDICT_TAKEDOWN, mod.VERDICT_CAUSE_RESOLUTION_UNDONE)
    ]
    assert ann.get(case_id).appeals[0].state == case_pb2.APPEAL_STATE_RECEIVED


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("ClaimCase", pb.ClaimCaseRequest(case_id="c")),
        ("ResolveCase", pb.ResolveCaseRequest(case_id="c", outcome=ALLOW, lease_token="t")),
        ("BatchResolveCases", pb.BatchResolveCasesRequest(filter=pb.CaseFilter(), outcome=ALLOW)),
        ("UndoResolution", pb.UndoResolutionRequest(resolution_id="r", reason="why")),
    ],
)
def test_who_acts_has_a_name(service: Service, rpc: str, request_: object) -> None:
    """Whatever changes a case is UNAUTHENTICATED without a name, and with two of them."""
    nobody = error_of(lambda: person(service).call(rpc, request_))
    method = getattr(person(service).stub, rpc)
    twice = error_of(lambda: method(request_, metadata=[("touchstone-actor", "ann"), ("touchstone-actor", "ben")]))

    assert nobody.code() is twice.code() is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("GetCase", pb.GetCaseRequest(case_id="c")),
        ("ClaimCase", pb.ClaimCaseRequest(case_id="c")),
        ("ClaimCase", pb.ClaimCaseRequest(next=pb.CaseFilter(seller_id="nobody"))),
        ("ResolveCase", pb.ResolveCaseRequest(case_id="c", outcome=ALLOW, lease_token="t")),
        ("UndoResolution", pb.UndoResolutionRequest(resolution_id="r", reason="why")),
        ("UndoResolution", pb.UndoResolutionRequest(batch_id="b", reason="why")),
        ("ReportListing", pb.ReportListingRequest(listing_id="l", reporter_id="r", reason_code="COUNTERFEIT")),
        ("AppealDecision", pb.AppealDecisionRequest(decision_id="d", appellant_id="s", statement="no")),
    ],
)
def test_what_is_not_there_is_not_found(service: Service, rpc: str, request_: object) -> None:
    """Ids that are nothing's are NOT_FOUND."""
    assert code_of(lambda: person(service, "ann").call(rpc, request_)) == Code.NOT_FOUND


@pytest.mark.parametrize(
    ("rpc", "request_", "fields"),
    [
        ("ListCases", pb.ListCasesRequest(page_size=1_001), {"page_size"}),
        ("ListCases", pb.ListCasesRequest(page_size=-1, order=9), {"page_size", "order"}),  # type: ignore[arg-type]
        ("ListCases", pb.ListCasesRequest(page_token="guess"), {"page_token"}),
        ("ListCases", pb.ListCasesRequest(filter=pb.CaseFilter(states=[0], verdicts=[9])),  # type: ignore[list-item]
         {"filter.states[0]", "filter.verdicts[0]"}),
        ("GetCase", pb.GetCaseRequest(), {"case_id"}),
        ("ClaimCase", pb.ClaimCaseRequest(lease_duration_ms=9_999), {"case_id", "lease_duration_ms"}),
        ("ClaimCase", pb.ClaimCaseRequest(next=pb.CaseFilter(), action=pb.CLAIM_ACTION_RELEASE), {"next"}),
        ("ResolveCase", pb.ResolveCaseRequest(), {"case_id", "outcome", "lease_token"}),
        ("BatchResolveCases", pb.BatchResolveCasesRequest(outcome=TAKEDOWN), {"case_ids"}),
        ("BatchResolveCases", pb.BatchResolveCasesRequest(
            filter=pb.CaseFilter(), outcome=case_pb2.Outcome(verdict=VERDICT_ALLOW), max_cases=10_001),
         {"outcome.reason_code", "max_cases"}),
        ("BatchResolveCases", pb.BatchResolveCasesRequest(
            case_ids=pb.CaseIds(case_ids=["a", "b"]), outcome=ALLOW, max_cases=1), {"case_ids"}),
        ("BatchResolveCases", pb.BatchResolveCasesRequest(
            filter=pb.CaseFilter(seller_id="nobody"), outcome=ALLOW), {"filter"}),
        ("UndoResolution", pb.UndoResolutionRequest(), {"resolution_id", "reason"}),
        ("UndoResolution", pb.UndoResolutionRequest(batch_id="b", reason="x" * 1_001), {"reason"}),
    ],
)  # fmt: skip
def test_every_field_at_fault_is_named(service: Service, rpc: str, request_: object, fields: set[str]) -> None:
    """A request that breaks rules is INVALID_ARGUMENT, with all the fields that do."""
    error = error_of(lambda: person(service, "ann").call(rpc, request_))

    assert (error.code(), violated_fields(error)) == (Code.INVALID_ARGUMENT, fields)


def test_pages_follow_each_other(own_service: Service) -> None:
    """Pages give every case once, in order; a token is good for its own filter and order only."""
    for number in range(5):
        suspicious(own_service, f"odd-{number}")
    anybody = person(own_service)

    for order in (pb.CASE_ORDER_EXPECTED_HARM, pb.CASE_ORDER_OLDEST, pb.CASE_ORDER_NEWEST, pb.CASE_ORDER_DUE):
        request = pb.ListCasesRequest(order=order, page_size=2)
        pages = [anybody.call("ListCases", request)]
        while pages[-1].next_page_token:
            request.page_token = pages[-1].next_page_token
            pages.append(anybody.call("ListCases", request))
        seen = [case.case_id for page in pages for case in page.cases]
        assert [len(page.cases) for page in pages] == [2, 2, 1]
        assert {page.total_count for page in pages} == {5}
        assert len(set(seen)) == 5
        assert seen == [case.case_id for case in anybody.list(order).cases]

    foreign = pb.ListCasesRequest(order=pb.CASE_ORDER_OLDEST, page_token=request.page_token)
    error = error_of(lambda: anybody.call("ListCases", foreign))
    assert (error.code(), violated_fields(error)) == (Code.INVALID_ARGUMENT, {"page_token"})
