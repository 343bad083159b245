"""InsightService as its callers meet it: a working day over gRPC, and who may ask what."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from serving.access.caller import ACTOR, BRANDS, ROLES
from tests.integration.case_support import TAKEDOWN, case_of, code_of, person, suspicious
from tests.integration.support import PATIENCE_S, Service
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from touchstone.moderation.v1 import insight_service_pb2 as pb
from touchstone.moderation.v1.insight_service_pb2_grpc import InsightServiceStub

EVERYTHING = {
    "GetVolumes": pb.GetVolumesRequest(),
    "GetPrecision": pb.GetPrecisionRequest(),
    "GetCalibration": pb.GetCalibrationRequest(),
    "ListThresholds": pb.ListThresholdsRequest(),
    "GetDrift": pb.GetDriftRequest(),
    "GetQueue": pb.GetQueueRequest(),
    "ListReviewers": pb.ListReviewersRequest(),
}


def ask(service: Service, rpc: str, request: Any, *, name: str = "ada", roles: str = "lead", brands: str = "") -> Any:
    """Call an rpc as somebody."""
    sent = ((ACTOR, name), (ROLES, roles), (BRANDS, brands))
    metadata = [(key, value) for key, value in sent if value]
    return getattr(InsightServiceStub(service.channel), rpc)(request, timeout=PATIENCE_S, metadata=metadata)


def test_a_working_day_is_told(own_service: Service) -> None:
    """A listing is screened and taken down by mia: the figures, her own and the seller's record say so."""
    decision = suspicious(own_service, "a1")
    suspicious(own_service, "a2")
    person(own_service, "mia").resolve(case_of(own_service, decision), TAKEDOWN)

    volumes = ask(own_service, "GetVolumes", pb.GetVolumesRequest(split=pb.VOLUME_SPLIT_VERDICT))
    queue = ask(own_service, "GetQueue", pb.GetQueueRequest())
    calibration = ask(own_service, "GetCalibration", pb.GetCalibrationRequest())
    drift = ask(own_service, "GetDrift", pb.GetDriftRequest())
    reviewers = ask(own_service, "ListReviewers", pb.ListReviewersRequest())
    mia = ask(own_service, "GetReviewer", pb.GetReviewerRequest(), name="mia", roles="moderator")
    seller = ask(own_service, "GetSeller", pb.GetSellerRequest(seller_id="s1"), name="mia", roles="moderator")

    (series,) = volumes.series
    assert series.key == "REVIEW"
    assert sum(one.decisions for one in series.volumes) == sum(one.cases_opened for one in series.volumes) == 2
    assert sum(one.cases_resolved for one in series.volumes) == 1
    assert (queue.waiting_count, queue.resolved_per_day) == (1, pytest.approx(1 / 7))
    assert calibration.count == 1
    assert sum(one.count for one in drift.drifts[0].scores.bins) == 2
    assert [(one.reviewer, one.answer_count) for one in reviewers.reviewers] == [(mia.reviewer, 1)]
    assert (mia.answer_count, mia.timed_count) == (1, 1)
    assert seller.verification == evidence_pb2.SELLER_VERIFICATION_UNVERIFIED
    assert (seller.strikes.listing_count, seller.strikes.strike_count) == (2, 1)
    told = [(one.listing_id, one.verdict, one.verdict_in_force) for one in seller.decisions]
    assert told == [
        ("a2", decision_pb2.VERDICT_REVIEW, decision_pb2.VERDICT_REVIEW),
        ("a1", decision_pb2.VERDICT_REVIEW, decision_pb2.VERDICT_TAKEDOWN),
    ]
    assert [one.counterfeit_probability for one in seller.decisions][1] == decision.counterfeit_probability


def test_only_those_who_answer_for_the_service_see_its_figures(service: Service) -> None:
    """Leads and auditors get every figure; moderators, pipelines and brand owners none of them."""
    for rpc, request in EVERYTHING.items():
        for roles in ("lead", "auditor"):
            ask(service, rpc, request, roles=roles)
        for roles, brands in (("moderator", ""), ("pipeline", ""), ("brand-owner", "aurora")):
            refused = code_of(lambda: ask(service, rpc, request, roles=roles, brands=brands))  # noqa: B023 - at once
            assert refused is grpc.StatusCode.PERMISSION_DENIED, (rpc, roles)


def test_a_moderator_sees_nobody_else(service: Service) -> None:
    """A moderator may ask by the own pseudonym, not by another's; a lead may ask about anybody."""
    own = ask(service, "GetReviewer", pb.GetReviewerRequest(), name="mia", roles="moderator").reviewer
    about_mia = pb.GetReviewerRequest(reviewer=own)

    assert ask(service, "GetReviewer", about_mia, name="mia", roles="moderator").reviewer == own
    assert ask(service, "GetReviewer", about_mia, name="lea", roles="lead").reviewer == own
    other = code_of(lambda: ask(service, "GetReviewer", about_mia, name="max", roles="moderator"))
    assert other is grpc.StatusCode.PERMISSION_DENIED
    nobody = code_of(lambda: ask(service, "GetReviewer", pb.GetReviewerRequest(), name="", roles="lead"))
    assert nobody is grpc.StatusCode.UNAUTHENTICATED


def test_a_brand_owner_never_sees_a_seller(service: Service) -> None:
    """Not as an owner, and not by another role beside it."""
    asked = pb.GetSellerRequest(seller_id="s1")

    for roles in ("brand-owner", "brand-owner,moderator", "brand-owner,lead"):
        refused = code_of(lambda: ask(service, "GetSeller", asked, roles=roles, brands="aurora"))  # noqa: B023 - at once
        assert refused is grpc.StatusCode.PERMISSION_DENIED, roles
