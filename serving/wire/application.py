"""Who applies for which brand? Applications' messages to the registry's records, and back.

An application has the rights that its applicant claims, each as a register could show it. Whether it does is for the
person to look up who decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from index.applications import Application, ApplicationState
from index.brand_records import RightType
from index.right_numbers import number_fault
from serving.errors import FieldViolation
from serving.wire.brand import to_new_brand
from serving.wire.case import refuse
from serving.wire.rights import to_right
from serving.wire.rules import check_id, check_one_of, check_range, check_request_id, check_text
from touchstone.moderation.v1 import brand_pb2
from touchstone.moderation.v1 import brand_portal_service_pb2 as pb
from touchstone.moderation.v1 import brand_service_pb2 as brands

MAX_RIGHTS = 20
MAX_NOTE_CHARACTERS, MAX_REASON_CHARACTERS = 2_000, 1_000
MAX_PAGE, DEFAULT_PAGE = 100, 50
_FIELDS = {"name", "aliases", "rights"}

STATES = {state: pb.ApplicationState.Value(f"APPLICATION_STATE_{state.name}") for state in ApplicationState}
_STATES = {number: state for state, number in STATES.items()}
_DECISIONS = (pb.APPLICATION_STATE_APPROVED, pb.APPLICATION_STATE_DECLINED)


def to_payload(request: pb.ApplyForBrandRequest) -> bytes:
    """Check an application, and return the brand that is applied for, serialised. Raises InvalidListing."""
    brand = request.brand
    refuse(
        [
            *check_request_id("request_id", request.request_id),
            *check_text("note", request.note, limit=MAX_NOTE_CHARACTERS),
            *_shape(brand),
        ]
    )
    to_new_brand(brands.CreateBrandRequest(brand=brand), lambda _: "free")  # by the rules of any brand
    refuse(_right_violations(brand))
    return brand.SerializeToString(deterministic=True)


def to_state(request: pb.ListApplicationsRequest) -> tuple[ApplicationState | None, int]:
    """Translate which applications to list, and how many. Raises InvalidListing."""
    refuse(
        [
            *check_one_of("state", request.state, (0, *_STATES), pb.ApplicationState.Name),
            *check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE),
        ]
    )
    return _STATES.get(request.state), request.page_size or DEFAULT_PAGE


def to_decision(request: pb.DecideApplicationRequest) -> ApplicationState:
    """Translate a decision. Raises InvalidListing."""
    violations = [
        *check_id("application_id", request.application_id, required=True),
        *check_id("brand_id", request.brand_id, required=False),
        *check_one_of("decision", request.decision, _DECISIONS, pb.ApplicationState.Name),
        *check_text("reason", request.reason, limit=MAX_REASON_CHARACTERS),
    ]
    if request.decision == pb.APPLICATION_STATE_DECLINED:
        if not request.reason.strip():
            violations.append(FieldViolation("reason", "is empty; say why, for the applicant"))
        if request.brand_id:
            violations.append(FieldViolation("brand_id", "is for approving; leave it out"))
    refuse(violations)
    return _STATES[request.decision]


def from_application(application: Application) -> pb.BrandApplication:
    """Translate an application."""
    message = pb.BrandApplication(
        application_id=application.application_id,
        brand=brand_pb2.Brand.FromString(application.payload),
        note=application.note,
        applicant=application.applicant,
        state=STATES[application.state],
        reason=application.reason,
        brand_id=application.brand_id,
    )
    message.create_time.FromDatetime(application.create_time)
    if application.decide_time is not None:
        message.decide_time.FromDatetime(application.decide_time)
    return message


def _shape(brand: brand_pb2.Brand) -> Iterator[FieldViolation]:
    for field, _ in brand.ListFields():
        if field.name not in _FIELDS:
            yield FieldViolation(f"brand.{field.name}", "is set once the brand is there; leave it out")
    if not 1 <= len(brand.rights) <= MAX_RIGHTS:
        yield FieldViolation("brand.rights", f"has {len(brand.rights)} values; send 1 to {MAX_RIGHTS}")


def _right_violations(brand: brand_pb2.Brand) -> Iterator[FieldViolation]:
    """Check what a right lacks that somebody could look up; the records themselves are sound by now."""
    for index, message in enumerate(brand.rights):
        field, right = f"brand.rights[{index}]", to_right(message, right_id=message.right_id)
        if not right.owner_name.strip():
            yield FieldViolation(f"{field}.owner_name", "is empty; name the owner, as registered")
        if right.type is RightType.COPYRIGHT:
            continue
        if not right.office_code:
            yield FieldViolation(f"{field}.office_code", "is empty; send the register's WIPO ST.3 code, such as EM")
        if not (right.application_number or right.registration_number):
            yield FieldViolation(f"{field}.registration_number", "is empty, and so is application_number; send one")
        if not right.territories:
            yield FieldViolation(f"{field}.territories", "is empty; say where the right holds")
        if right.type in (RightType.WORD_MARK, RightType.FIGURATIVE_MARK) and not right.nice_classes:
            yield FieldViolation(f"{field}.nice_classes", "is empty; a mark is registered for classes of goods")
        if fault := number_fault(right):
            yield FieldViolation(f"{field}.registration_number", fault)
