"""What does CaseService answer when one field of a good request is bad? What the API promises; never INTERNAL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from tests.integration.case_support import ALLOW, TAKEDOWN, case_of, known_fake, person, suspicious
from tests.integration.support import Service, draw, violated_fields
from touchstone.moderation.v1 import case_pb2, listing_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb

Code = grpc.StatusCode
EXPECTED = {Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.ABORTED, Code.PERMISSION_DENIED}
STRINGS = ("", "\0", " x", "a\nb", "é" * 300, "x" * 20_000, "'; --", "9" * 9, "9" * 30, "\U0010ffff", "\N{BOM}")
NUMBERS = (-1, 0, 1, 99, 2**31 - 1, -(2**31))
TIMES = ((0, -1), (-62135596800, 0), (253402300799, 999_999_999), (253402300800, 0), (-(2**63), 0), (0, 2**31 - 1))
NOTICE = case_pb2.Notice(
    urls=["https://shop.example/item/1"],
    notifier_name="Ann",
    notifier_email="ann@example.org",
    good_faith_statement=True,
    jurisdiction="CN",
    right_id="r",
    document_sha256s=["ab" * 32],
)
FILTER = pb.CaseFilter(states=[case_pb2.CASE_STATE_OPEN], brand_ids=["aurora"], seller_id="s1", listing_id="odd")
GOOD: dict[str, Callable[[str, str], Any]] = {
    "ListCases": lambda *_: pb.ListCasesRequest(filter=FILTER, page_size=1),
    "GetCase": lambda case, *_: pb.GetCaseRequest(case_id=case),
    "ClaimCase": lambda *_: pb.ClaimCaseRequest(next=FILTER, lease_duration_ms=10_000),
    "ResolveCase": lambda case, token: pb.ResolveCaseRequest(
        case_id=case, outcome=TAKEDOWN, lease_token=token, request_id="k", etag="0"
    ),
    "BatchResolveCases": lambda case, *_: pb.BatchResolveCasesRequest(
        case_ids=pb.CaseIds(case_ids=[case, "gone"]), outcome=ALLOW, max_cases=2, preview_only=True
    ),
    "UndoResolution": lambda *_: pb.UndoResolutionRequest(resolution_id="gone", reason="a mistake"),
    "ReportListing": lambda *_: pb.ReportListingRequest(
        listing_id="odd",
        reporter_id="b",
        reason_code="COUNTERFEIT",
        text="It is a copy.",
        notice=NOTICE,
        images=[listing_pb2.Image(content=draw(7, edge=32))],
    ),
    "AppealDecision": lambda *_: pb.AppealDecisionRequest(
        decision_id="gone", appellant_id="s1", statement="It is genuine.", document_sha256s=["ab" * 32]
    ),
    "MarkGoldCase": lambda case, *_: pb.MarkGoldCaseRequest(case_id=case, note="The seams."),
    "UnmarkGoldCase": lambda case, *_: pb.UnmarkGoldCaseRequest(case_id=case),
    "ListGoldCases": lambda *_: pb.ListGoldCasesRequest(page_size=1),
}


@pytest.mark.parametrize("rpc", GOOD)
def test_a_bad_field_is_answered_as_promised(own_service: Service, rpc: str) -> None:
    """Whatever a field holds, the caller is served or told what is wrong with it."""
    case_id = case_of(own_service, suspicious(own_service, "odd"))
    known_fake(own_service, "fake")
    ann = person(own_service, "ann", "authority,moderator,lead")
    token = ann.claim(case_id).lease.lease_token
    answers = {}

    for number, (what, request) in enumerate(spoilt(GOOD[rpc](case_id, token))):
        if rpc == "ReportListing":
            request.reporter_type = request.reporter_type or case_pb2.REPORTER_TYPE_AUTHORITY
        try:
            ann.call(rpc, request)
            answers[number, what] = Code.OK
        except grpc.RpcError as error:
            answers[number, what] = error.code()

    assert len(answers) >= len(STRINGS)
    assert {what: code for what, code in answers.items() if code not in EXPECTED} == {}


def test_a_thousand_bad_fields_are_named_as_far_as_they_fit(own_service: Service) -> None:
    """A request with more faults than a status can hold gets INVALID_ARGUMENT and the first of them."""
    wanted = pb.CaseFilter(brand_ids=[" \N{PILE OF POO}"] * 1000)
    wanted.states.extend([99] * 1000)  # type: ignore[list-item]

    with pytest.raises(grpc.RpcError) as refused:
        person(own_service).call("ListCases", pb.ListCasesRequest(filter=wanted))

    assert refused.value.code() is Code.INVALID_ARGUMENT
    assert "filter.states[0]" in violated_fields(refused.value)


def spoilt(good: Any) -> Iterator[tuple[str, Any]]:
    """Yield copies of a request with one field, however deep, changed."""

    def walk(path: tuple[str, ...], message: Any) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
        for field in message.DESCRIPTOR.fields:
            if field.message_type is None or field.message_type.full_name == "google.protobuf.Timestamp":
                yield path, field
            elif not field.is_repeated and message.HasField(field.name):
                yield from walk((*path, field.name), getattr(message, field.name))

    for path, field in walk((), good):
        for value in _values(field):
            copy = type(good)()
            copy.CopyFrom(good)
            target = copy
            for name in path:
                target = getattr(target, name)
            if field.message_type is not None:
                getattr(target, field.name).seconds, getattr(target, field.name).nanos = value
            elif field.is_repeated:
                getattr(target, field.name).extend([value] * 3)
            else:
                setattr(target, field.name, value)
            yield f"{'.'.join((*path, field.name))} = {value!r:.40}", copy


def _values(field: FieldDescriptor) -> tuple[Any, ...]:
    if field.message_type is not None:
        return TIMES
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return STRINGS
    return (True, False) if kind == FieldDescriptor.CPPTYPE_BOOL else NUMBERS
