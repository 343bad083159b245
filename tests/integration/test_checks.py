"""Is somebody who is checked with a gold case none the wiser, and is nothing counted that was none? Over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from sqlalchemy import select, update

from index.store.tables import metadata
from index.store.tables.checks import check_answers
from serving.access.caller import ACTOR, ROLES
from serving.app import open_application
from tests.integration.case_support import (
    ALLOW,
    TAKEDOWN,
    Person,
    case_of,
    code_of,
    error_of,
    events,
    person,
)
from tests.integration.support import AURORA_SHOE, PATIENCE_S, Service, Start, draw, fill, listing, settings_at
from touchstone.moderation.v1 import case_pb2, decision_pb2, image_service_pb2, insight_service_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import moderation_service_pb2 as mod
from touchstone.moderation.v1 import statement_service_pb2 as legal
from touchstone.moderation.v1.image_service_pb2_grpc import ImageServiceStub
from touchstone.moderation.v1.insight_service_pb2_grpc import InsightServiceStub
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub
from touchstone.moderation.v1.statement_service_pb2_grpc import StatementServiceStub

pytestmark = pytest.mark.usefixtures("acts_are_entered")

STUBS: dict[str, Any] = {
    "image": ImageServiceStub,
    "insight": InsightServiceStub,
    "moderation": ModerationServiceStub,
    "statement": StatementServiceStub,
}
FIGURES: dict[str, Message] = {
    "GetVolumes": insight_service_pb2.GetVolumesRequest(split=insight_service_pb2.VOLUME_SPLIT_ORIGIN),
    "GetPrecision": insight_service_pb2.GetPrecisionRequest(),
    "GetCalibration": insight_service_pb2.GetCalibrationRequest(),
    "ListReviewers": insight_service_pb2.ListReviewersRequest(),
}
CLAIMED = case_pb2.CASE_STATE_CLAIMED
RESOLVED = case_pb2.CASE_STATE_RESOLVED
# Of checks alone, the keys of requests that came, and what is learnt by itself from the real verdicts before.
# The audit log is sealed meanwhile.
OWN_TABLES = {"checks", "check_answers", "case_requests", "secrets", "calibrations", "audit_entries", "audit_heads"}


@pytest.fixture(scope="module")
def checking(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve with every claim a check that can be one."""
    folder = tmp_path_factory.mktemp("checking")
    rules = folder / "rules.yaml"
    rules.write_text("{check_share: 1.0, second_review_harm: null}", encoding="utf-8")
    settings = settings_at(folder).model_copy(update={"points": "none", "case_rules": rules})
    with open_application(settings) as application:
        fill(application)
        with start(application) as running:
            yield running


@pytest.fixture
def seller(checking: Service, request: pytest.FixtureRequest) -> str:
    """Screen three listings of a seller of the test's own: the first is taken down by ann, and marked by lea."""
    name = f"seller-{request.node.name}"
    decisions = [screened(checking, name, number) for number in range(3)]
    case_id = case_of(checking, decisions[0])
    moderator(checking, "ann").resolve(case_id, TAKEDOWN)
    lead(checking).call("MarkGoldCase", pb.MarkGoldCaseRequest(case_id=case_id, note="The seams say it."))
    return name


def screened(service: Service, seller: str, number: int) -> decision_pb2.Decision:
    """Screen a listing that a person must look at."""
    offer = listing(
        draw(AURORA_SHOE), listing_id=f"{seller}-{number}", seller_id=seller, market="DE", title="Aurora 1:1 replica"
    )
    return service.screen(offer).decision


def moderator(service: Service, name: str = "ben") -> Person:
    """Somebody who decides, and may not see which cases are gold."""
    return person(service, name, "moderator")


def lead(service: Service) -> Person:
    """Somebody who marks cases."""
    return person(service, "lea", "lead")


def gold_of(service: Service, seller: str) -> str:
    """Name the gold case of a seller."""
    return lead(service).list(listing_id=f"{seller}-0", states=[RESOLVED]).cases[0].case_id


def take(who: Person, seller: str, **more: Any) -> case_pb2.Case:
    """Take the next case of a seller."""
    request = pb.ClaimCaseRequest(next=pb.CaseFilter(seller_id=seller, **more))
    case: case_pb2.Case = who.call("ClaimCase", request).case
    return case


def ask(service: Service, of: str, rpc: str, request: Message, *, name: str = "ben", roles: str = "moderator") -> Any:
    """Call an rpc of another service as somebody."""
    metadata = ((ACTOR, name), (ROLES, roles))
    return getattr(STUBS[of](service.channel), rpc)(request, timeout=PATIENCE_S, metadata=metadata)


def record(service: Service, name: str = "ben", roles: str = "moderator", reviewer: str = "") -> Any:
    """Read how somebody decides."""
    request = insight_service_pb2.GetReviewerRequest(reviewer=reviewer)
    return ask(service, "insight", "GetReviewer", request, name=name, roles=roles)


def let_time_pass(service: Service) -> None:
    """Make every answer to a check an hour older, so that it is told."""
    store = service.application.store
    with store._database.write("pass the time") as connection:
        for row in connection.execute(select(check_answers)).all():
            this = check_answers.c.resolution_id == row.resolution_id
            earlier = row.answer_time - timedelta(hours=1)
            connection.execute(update(check_answers).where(this).values(answer_time=earlier))


def kept(service: Service) -> dict[str, list[str]]:
    """Read every table but those of checks."""
    with service.application.store._database.read("compare") as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table.name not in OWN_TABLES
        }


def shape(message: Message) -> Any:
    """Name the fields of a message that are set, however deep, without values; not `drawn`, which is by chance."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == "drawn":
            continue
        one = value[0] if field.is_repeated else value
        found[field.name] = shape(one) if isinstance(one, Message) else type(one)
    return found


def test_nothing_is_counted_and_nothing_follows(checking: Service, seller: str) -> None:
    """A check is claimed, let go, claimed, decided, undone and decided: every figure, event and row is as before."""
    ben = moderator(checking)
    before, figures, cursor = kept(checking), figures_of(checking), checking.application.store.event_head()
    waiting = lead(checking).list(seller_id=seller).total_count

    check = take(ben, seller)
    ben.claim(check.case_id, action=pb.CLAIM_ACTION_RELEASE)
    made = ben.resolve(check.case_id, ALLOW).resolution
    ben.undo(resolution_id=made.resolution_id)
    ben.resolve(check.case_id, TAKEDOWN)

    assert check.case_id != gold_of(checking, seller)
    assert kept(checking) == before
    assert figures_of(checking) == figures
    assert not events(checking, str(cursor))
    assert lead(checking).list(seller_id=seller).total_count == waiting == 2
    let_time_pass(checking)
    assert kept(checking) == before


def figures_of(service: Service) -> dict[str, Message]:
    """Read what leads see of the service, but for the shares of checks."""
    found: dict[str, Any] = {}
    for rpc, request in FIGURES.items():
        answer = ask(service, "insight", rpc, request, name="lea", roles="lead")
        for one in getattr(answer, "reviewers", ()):
            one.ClearField("checks")
        found[rpc] = answer
    queue = ask(service, "insight", "GetQueue", insight_service_pb2.GetQueueRequest(), name="lea", roles="lead")
    found["GetQueue"] = queue.waiting_count, queue.resolved_per_day, queue.opened_per_day, queue.states, queue.origins
    return found


def test_a_check_looks_like_a_case(checking: Service, seller: str) -> None:
    """Same fields, plausible ids and times; the listing's past, its decision, photos and seller say nothing else."""
    ben = moderator(checking)
    (usual, *_) = ben.list(seller_id=seller, order=pb.CASE_ORDER_EXPECTED_HARM).cases
    real = lead(checking).get(gold_of(checking, seller))

    check = take(ben, seller)
    plain = ben.claim(usual.case_id)
    image = ask(checking, "image", "ListImages", image_service_pb2.ListImagesRequest(case_id=check.case_id))
    seen = [ben.get(check.case_id), *ben.list(seller_id=seller, states=[CLAIMED]).cases]

    assert check.decision.listing_id == real.decision.listing_id
    assert shape(check) == shape(plain)
    assert {type(check).FromString(one.SerializeToString()).lease.lease_token for one in seen} - {
        plain.lease.lease_token
    } == {check.lease.lease_token}
    assert (check.state, check.etag, list(check.resolutions), check.drawn) == (CLAIMED, "1", [], usual.drawn)
    assert len(check.case_id) == len(check.decision.decision_id) == 32
    assert {check.case_id, check.decision.decision_id}.isdisjoint({real.case_id, real.decision.decision_id})
    assert usual.expected_harm < check.expected_harm < usual.expected_harm * 1.001 + 1e-5
    opened, now = check.create_time.ToDatetime(), usual.create_time.ToDatetime()
    assert now - timedelta(minutes=1) <= opened <= now
    assert abs(check.decision.create_time.ToDatetime() - opened) < timedelta(seconds=5)
    assert check.decision.model_fingerprint == plain.decision.model_fingerprint

    decision = ask(
        checking, "moderation", "GetDecision", mod.GetDecisionRequest(decision_id=check.decision.decision_id)
    )
    assert decision.decision == check.decision
    assert abs(image.images[0].create_time.ToDatetime() - opened) < timedelta(seconds=5)
    by_decision = image_service_pb2.ListImagesRequest(decision_id=check.decision.decision_id)
    assert ask(checking, "image", "ListImages", by_decision) == image
    photo = image_service_pb2.ImagePlace(id=check.case_id, image_index=0)
    assert ask(checking, "image", "GetImage", image_service_pb2.GetImageRequest(case_image=photo)).content
    everything = [*case_pb2.CaseState.values()][1:]
    of_listing = ben.list(listing_id=check.decision.listing_id, states=everything).cases
    assert [case.case_id for case in of_listing] == [check.case_id]
    assert len(moderator(checking, "eve").list(listing_id=check.decision.listing_id, states=everything).cases) == 1
    told = ask(checking, "insight", "GetSeller", insight_service_pb2.GetSellerRequest(seller_id=seller)).decisions
    assert {one.verdict_in_force for one in told} == {decision_pb2.VERDICT_REVIEW}
    assert check.decision.decision_id in {one.decision_id for one in told}
    assert real.decision.decision_id not in {one.decision_id for one in told}
    for case in (check, plain):
        request = legal.GetStatementRequest(case_id=case.case_id)
        refused = error_of(lambda: ask(checking, "statement", "GetStatement", request))  # noqa: B023 - at once
        assert (
            refused.details() == f"Nothing is taken down by the decision {case.decision.decision_id!r}: it is REVIEW."
        )
    clocks = [
        ask(checking, "statement", "GetLegalClock", legal.GetLegalClockRequest(case_id=case.case_id))
        for case in (check, plain)
    ]
    assert clocks[0] == clocks[1]


def test_the_answer_looks_like_a_resolution(checking: Service, seller: str) -> None:
    """Same fields as in a case; a form that is sent twice answers once, and one that lacks something is refused."""
    ben = moderator(checking)
    check = take(ben, seller)
    usual = ben.list(seller_id=seller).cases[0].case_id
    bare = case_pb2.Outcome(verdict=decision_pb2.VERDICT_TAKEDOWN, reason_code="COUNTERFEIT")
    token = check.lease.lease_token

    lacking = code_of(lambda: ben.resolve(check.case_id, bare, token=token))
    stale = code_of(lambda: ben.resolve(check.case_id, TAKEDOWN, token=token, etag="0"))
    wrong = code_of(lambda: ben.resolve(check.case_id, TAKEDOWN, token="no"))
    answers = [ben.resolve(check.case_id, TAKEDOWN, token=token, request_id="k") for _ in range(2)]
    plain = ben.resolve(usual, TAKEDOWN)

    assert [code.name for code in (lacking, stale, wrong)] == ["INVALID_ARGUMENT", "ABORTED", "ABORTED"]
    assert answers[0] == answers[1]
    assert shape(answers[0]) == shape(plain)
    assert answers[0].case.state == RESOLVED
    assert code_of(lambda: ben.resolve(check.case_id, TAKEDOWN, token=token)) is grpc.StatusCode.ABORTED


def test_what_was_right_is_told_once_it_cannot_be_undone(checking: Service, seller: str) -> None:
    """Then it stands in the own record, and in a lead's view of it; before, nothing does."""
    ben, name = moderator(checking, "bea"), "bea"
    check = take(ben, seller)
    first = ben.resolve(check.case_id, TAKEDOWN).resolution
    undone = ben.undo(resolution_id=first.resolution_id)
    second = ben.resolve(check.case_id, ALLOW).resolution
    early = record(checking, name)

    let_time_pass(checking)
    own = record(checking, name)
    seen = record(checking, "lea", "lead", own.reviewer)
    take(ben, seller)
    reviewers = ask(checking, "insight", "ListReviewers", FIGURES["ListReviewers"], name="lea", roles="lead").reviewers

    assert undone.undone_count == 1
    assert (undone.cases[0].state, len(undone.cases[0].resolutions)) == (case_pb2.CASE_STATE_OPEN, 1)
    assert (early.checks.count, len(early.check_answers), early.answer_count) == (0, 0, 0)
    assert (own.checks.count, own.checks.hit_count, own.checks.value, own.answer_count) == (1, 0, 0.0, 0)
    assert own.checks.high == pytest.approx(0.975)
    (told,) = own.check_answers
    assert (told.case_id, told.listing_id, told.gold_case_id) == (check.case_id, f"{seller}-0", "")
    assert (told.verdict, told.right_verdict) == (decision_pb2.VERDICT_ALLOW, decision_pb2.VERDICT_TAKEDOWN)
    assert told.note == "The seams say it."
    assert seen.check_answers[0].gold_case_id == gold_of(checking, seller)
    late = error_of(lambda: ben.undo(resolution_id=second.resolution_id))
    assert late.code() is grpc.StatusCode.ABORTED
    assert own.reviewer not in {one.reviewer for one in reviewers}


def test_a_lead_sees_the_shares_of_those_who_decide(checking: Service, seller: str) -> None:
    """Beside the answers in cases, which checks are none of."""
    ben = moderator(checking, "bob")
    ben.resolve(take(ben, seller).case_id, TAKEDOWN)
    ben.resolve(take(ben, seller).case_id, TAKEDOWN)
    let_time_pass(checking)
    pseudonym = record(checking, "bob").reviewer

    answer = ask(checking, "insight", "ListReviewers", FIGURES["ListReviewers"], name="lea", roles="lead")

    (own,) = (one for one in answer.reviewers if one.reviewer == pseudonym)
    assert (own.answer_count, own.checks.count, own.checks.hit_count) == (1, 1, 1)


def test_skipped_it_waits_in_its_place(checking: Service, seller: str) -> None:
    """Passed over it is not given again; then it is what comes next, and it is listed where it stands."""
    ben = moderator(checking)
    check = take(ben, seller)

    passed = take(ben, seller, except_case_ids=[check.case_id])
    ben.claim(check.case_id, action=pb.CLAIM_ACTION_RELEASE)
    waiting = ben.list(pb.CASE_ORDER_EXPECTED_HARM, seller_id=seller)
    again = take(ben, seller)

    assert passed.case_id != check.case_id
    assert (waiting.cases[0].case_id, waiting.total_count) == (check.case_id, 2)
    assert moderator(checking, "eve").list(seller_id=seller).total_count == 1
    assert again.case_id == check.case_id


def test_who_could_know_is_given_cases_alone(checking: Service, seller: str) -> None:
    """Leads, who see what is gold; callers without a role, whom nothing holds; and ann, who decided on it."""
    gold, listed = gold_of(checking, seller), {case.case_id for case in lead(checking).list(seller_id=seller).cases}
    people = [lead(checking), person(checking, "max"), person(checking, "adi", "admin"), moderator(checking, "ann")]

    for who in people:
        case = take(who, seller)
        assert case.case_id in listed, who
        who.claim(case.case_id, action=pb.CLAIM_ACTION_RELEASE)
    assert take(moderator(checking), seller).case_id not in {gold, *listed}


def test_an_empty_queue_gives_no_check(checking: Service, seller: str) -> None:
    """Who is told that nothing waits must not be given something."""
    for case in moderator(checking, "ann").list(seller_id=seller).cases:
        moderator(checking, "ann").resolve(case.case_id, ALLOW)

    assert code_of(lambda: take(moderator(checking), seller)) is grpc.StatusCode.NOT_FOUND


def test_by_default_checks_are_rare_and_without_gold_there_are_none(own_service: Service) -> None:
    """The rules that ship draw three in a hundred; a service without gold cases draws none."""
    assert own_service.application.cases.desk.rules.check_share == 0.03
    decision = screened(own_service, "s", 0)

    assert take(moderator(own_service), "s").case_id == case_of_held(own_service, decision)


def case_of_held(service: Service, decision: decision_pb2.Decision) -> str:
    """Name the claimed case of a decision."""
    (case,) = lead(service).list(listing_id=decision.listing_id, states=[CLAIMED]).cases
    return case.case_id


def test_a_check_is_one_persons(checking: Service, seller: str) -> None:
    """Others see it held, as a case; who claims it once it is free ends it, and sees a case that was overtaken."""
    ben, eve = moderator(checking), moderator(checking, "eve")
    check = take(ben, seller)

    assert eve.get(check.case_id).lease.holder == "ben"
    assert not eve.get(check.case_id).lease.lease_token
    held = error_of(lambda: eve.claim(check.case_id))
    ben.claim(check.case_id, action=pb.CLAIM_ACTION_RELEASE)
    free = error_of(lambda: eve.claim(check.case_id))

    assert (held.code(), "Somebody else holds" in str(held.details())) == (grpc.StatusCode.ABORTED, True)
    assert (free.code(), "is superseded" in str(free.details())) == (grpc.StatusCode.ABORTED, True)
    assert ben.get(check.case_id).state == case_pb2.CASE_STATE_SUPERSEDED
    assert check.case_id not in {case.case_id for case in ben.list(seller_id=seller).cases}


def test_nothing_is_put_on_record_of_its_listing(checking: Service, seller: str) -> None:
    """Neither an evidence package nor a step of the law's procedures: both are refused as if the case had changed."""
    check = take(moderator(checking), seller)
    before = kept(checking)
    step = legal.RecordLegalStepRequest(case_id=check.case_id, kind=legal.LEGAL_STEP_KIND_NOTICE_FORWARDED)
    step.time.GetCurrentTime()

    package = code_of(
        lambda: moderator(checking).call("ExportEvidence", pb.ExportEvidenceRequest(case_id=check.case_id))
    )
    recorded = code_of(lambda: ask(checking, "statement", "RecordLegalStep", step))

    assert (package, recorded) == (grpc.StatusCode.ABORTED, grpc.StatusCode.ABORTED)
    assert kept(checking) == before


def test_leads_mark_and_auditors_look(checking: Service, seller: str) -> None:
    """Others may do neither and are not told what is gold; a mark needs a resolved case and a note."""
    gold, waiting = gold_of(checking, seller), lead(checking).list(seller_id=seller).cases[0].case_id
    mark, unmark = pb.MarkGoldCaseRequest(case_id=gold, note="n"), pb.UnmarkGoldCaseRequest(case_id=gold)
    rpcs = {"MarkGoldCase": mark, "UnmarkGoldCase": unmark, "ListGoldCases": pb.ListGoldCasesRequest()}

    for roles in ("moderator", "pipeline", "brand-owner", "auditor", "moderator,trusted-flagger"):
        who = person(checking, "x", roles)
        for rpc, request in rpcs.items():
            if (roles, rpc) != ("auditor", "ListGoldCases"):
                refused = code_of(lambda: who.call(rpc, request))  # noqa: B023 - at once
                assert refused is grpc.StatusCode.PERMISSION_DENIED, (roles, rpc)
    assert code_of(lambda: lead(checking).call("MarkGoldCase", pb.MarkGoldCaseRequest(case_id=gold))).name == (
        "INVALID_ARGUMENT"
    )
    on_open = pb.MarkGoldCaseRequest(case_id=waiting, note="n")
    assert code_of(lambda: lead(checking).call("MarkGoldCase", on_open)) is grpc.StatusCode.ABORTED
    nobody = pb.MarkGoldCaseRequest(case_id="no-such", note="n")
    assert code_of(lambda: lead(checking).call("MarkGoldCase", nobody)) is grpc.StatusCode.NOT_FOUND
    assert code_of(lambda: person(checking, "", "lead").call("MarkGoldCase", mark)) is grpc.StatusCode.UNAUTHENTICATED
    assert lead(checking).get(gold).gold.note == "The seams say it."
    assert not moderator(checking).get(gold).HasField("gold")


def test_marks_are_listed_and_taken_away(checking: Service, seller: str) -> None:
    """Page by page with how people answered; what is unmarked is gone, and so is what was counted of it."""
    gold, ben = gold_of(checking, seller), moderator(checking, "bix")
    ben.resolve(take(ben, seller).case_id, TAKEDOWN)
    let_time_pass(checking)
    auditor = person(checking, "aud", "auditor")

    listed: list[pb.GoldCase] = []
    token = ""
    while not listed or token:
        page = auditor.call("ListGoldCases", pb.ListGoldCasesRequest(page_size=2, page_token=token))
        listed += page.gold_cases
        token = page.next_page_token
    counted = record(checking, "bix").checks.count
    done = [lead(checking).call("UnmarkGoldCase", pb.UnmarkGoldCaseRequest(case_id=gold)).unmarked for _ in range(2)]

    (own,) = (one for one in listed if one.case.case_id == gold)
    assert (own.answer_count, own.agreed_count, own.case.gold.verdict) == (1, 1, decision_pb2.VERDICT_TAKEDOWN)
    assert len({one.case.case_id for one in listed}) == len(listed)
    assert (counted, done, record(checking, "bix").checks.count) == (1, [True, False], 0)
