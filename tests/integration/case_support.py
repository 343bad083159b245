"""What do the suites about cases share? People who call, listings that become cases, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from serving.access.caller import ACTOR, ROLES
from tests.integration.support import AURORA_SHOE, KNOWN_FAKE, PATIENCE_S, Service, draw, listing
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import moderation_service_pb2 as mod
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub

ALLOW = case_pb2.Outcome(verdict=decision_pb2.VERDICT_ALLOW, reason_code="GENUINE")
TAKEDOWN = case_pb2.Outcome(
    verdict=decision_pb2.VERDICT_TAKEDOWN,
    reason_code="COUNTERFEIT",
    note="seams",
    statement=case_pb2.StatementOfReasons(
        ground=case_pb2.STATEMENT_GROUND_ILLEGAL_CONTENT,
        ground_reference="Regulation (EU) 2017/1001, Article 9",
        explanation="The goods carry a mark without the owner's consent.",
        facts="The seams and the label differ from the genuine goods.",
        territories=["DE", "FR"],
    ),
)


@dataclass(frozen=True)
class Person:
    """Somebody who calls CaseService; without a name, nobody in particular."""

    stub: CaseServiceStub
    name: str = ""
    roles: str = ""

    def call(self, rpc: str, request: Any) -> Any:
        """Call an rpc by its name."""
        metadata = [(key, value) for key, value in ((ACTOR, self.name), (ROLES, self.roles)) if value]
        return getattr(self.stub, rpc)(request, timeout=PATIENCE_S, metadata=metadata)

    def get(self, case_id: str) -> case_pb2.Case:
        """Look a case up."""
        case: case_pb2.Case = self.call("GetCase", pb.GetCaseRequest(case_id=case_id)).case
        return case

    def list(self, order: pb.CaseOrder.ValueType = pb.CASE_ORDER_OLDEST, **wanted: Any) -> pb.ListCasesResponse:
        """List cases that fit."""
        request = pb.ListCasesRequest(filter=pb.CaseFilter(**wanted), order=order)
        response: pb.ListCasesResponse = self.call("ListCases", request)
        return response

    def claim(self, case_id: str, **more: Any) -> case_pb2.Case:
        """Claim a case."""
        case: case_pb2.Case = self.call("ClaimCase", pb.ClaimCaseRequest(case_id=case_id, **more)).case
        return case

    def resolve(
        self, case_id: str, outcome: case_pb2.Outcome, *, token: str | None = None, **more: Any
    ) -> pb.ResolveCaseResponse:
        """Claim a case, unless a token is given, and resolve it."""
        token = self.claim(case_id).lease.lease_token if token is None else token
        request = pb.ResolveCaseRequest(case_id=case_id, outcome=outcome, lease_token=token, **more)
        response: pb.ResolveCaseResponse = self.call("ResolveCase", request)
        return response

    def undo(self, reason: str = "a mistake", **target: str) -> pb.UndoResolutionResponse:
        """Undo a resolution or a batch."""
        request = pb.UndoResolutionRequest(reason=reason, **target)
        response: pb.UndoResolutionResponse = self.call("UndoResolution", request)
        return response

    def report(self, listing_id: str, *, reporter: str = "buyer", **more: Any) -> pb.ReportListingResponse:
        """Report a listing as a counterfeit."""
        request = pb.ReportListingRequest(
            listing_id=listing_id, reporter_id=reporter, reason_code="COUNTERFEIT", **more
        )
        response: pb.ReportListingResponse = self.call("ReportListing", request)
        return response

    def appeal(self, decision_id: str, *, seller: str = "s1") -> pb.AppealDecisionResponse:
        """Appeal against a decision."""
        request = pb.AppealDecisionRequest(decision_id=decision_id, appellant_id=seller, statement="It is genuine.")
        response: pb.AppealDecisionResponse = self.call("AppealDecision", request)
        return response


def person(service: Service, name: str = "", roles: str = "") -> Person:
    """Give somebody a way to call."""
    return Person(CaseServiceStub(service.channel), name, roles)


def innocent(service: Service, listing_id: str) -> decision_pb2.Decision:
    """Screen a listing against which nothing speaks."""
    return service.screen(listing(listing_id=listing_id, seller_id="s1", market="DE")).decision


def suspicious(
    service: Service, listing_id: str, *, market: str = "DE", picture: int = AURORA_SHOE, brand: str = "Aurora"
) -> decision_pb2.Decision:
    """Screen a listing that a person must look at."""
    title = f"{brand} 1:1 replica"
    offer = listing(draw(picture), listing_id=listing_id, seller_id="s1", market=market, title=title)
    return service.screen(offer).decision


def known_fake(service: Service, listing_id: str) -> decision_pb2.Decision:
    """Screen a listing that is taken down without a person."""
    return service.screen(listing(draw(KNOWN_FAKE), listing_id=listing_id, seller_id="s1", market="DE")).decision


def case_of(service: Service, decision: decision_pb2.Decision) -> str:
    """Name the open case of a decision."""
    (case,) = person(service).list(listing_id=decision.listing_id).cases
    assert case.decision.decision_id == decision.decision_id
    return case.case_id


def events(service: Service, after: str = "") -> Sequence[mod.WatchDecisionsResponse]:
    """Read the events that are there, from a cursor on."""
    head = service.application.store.event_head()
    found: list[mod.WatchDecisionsResponse] = []
    if int(after or 0) >= head:
        return found
    watch = service.stub.WatchDecisions(mod.WatchDecisionsRequest(cursor=after), timeout=PATIENCE_S)
    for event in watch:
        found.append(event)
        if int(event.cursor) >= head:
            break
    watch.cancel()
    return found


def code_of(call: Any) -> grpc.StatusCode:
    """Call, and return the code of the error that comes back."""
    return error_of(call).code()


def error_of(call: Any) -> grpc.RpcError:
    """Call, and return the error that comes back."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("no error came back")
