"""What does a brand owner ask about references? BrandService's requests about them to domain values, and back.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised. What
is wrong inside a file is answered by `serving.new_reference`, which reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from index.brand_records import told_mark_id
from index.records import Provenance, Reference, ReferenceKind, ReferenceOrigin, ReferenceState
from index.store.reference_life import ReferenceFilter, ReferencePlace
from serving.domain import ImageResult
from serving.errors import FieldViolation
from serving.page_tokens import read_token, write_token
from serving.wire.case import refuse
from serving.wire.decision import from_box, from_image_result
from serving.wire.rules import (
    check_box,
    check_digests,
    check_etag,
    check_id,
    check_one_of,
    check_range,
    check_request_id,
    check_text,
    to_box,
)
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from vision.regions import Box

MAX_PAGE, DEFAULT_PAGE = 1_000, 100
MAX_REASON_CHARACTERS = 1_000
_MAX_FILTER_VALUES = 100
_PROVENANCE_LIMITS = {"source_id": 256, "file_name": 1_000, "licence": 200, "note": 1_000}

KINDS = {kind: evidence_pb2.ReferenceKind.Value(f"REFERENCE_KIND_{kind.name}") for kind in ReferenceKind}
STATES = {state: brand_pb2.ReferenceState.Value(f"REFERENCE_STATE_{state.name}") for state in ReferenceState}
ORIGINS = {
    origin: brand_pb2.REFERENCE_SOURCE_UNSPECIFIED
    if origin is ReferenceOrigin.UNKNOWN
    else brand_pb2.ReferenceSource.Value(f"REFERENCE_SOURCE_{origin.name}")
    for origin in ReferenceOrigin
}
KIND_OF = {number: kind for kind, number in KINDS.items()}
_STATES = {number: state for state, number in STATES.items()}
_ORIGINS = {number: origin for origin, number in ORIGINS.items()}
_WANTED = {
    pb.REVIEW_ACTION_ACTIVATE: ReferenceState.ACTIVE,
    pb.REVIEW_ACTION_QUARANTINE: ReferenceState.QUARANTINED,
    pb.REVIEW_ACTION_REJECT: ReferenceState.REJECTED,
}


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What a header says of the file that follows it."""

    brand_id: str
    mark_id: str
    kind: ReferenceKind
    box: Box | None
    bank_id: str
    provenance: Provenance
    content_sha256: str
    hold: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """The state that a person wants for a reference; `revision`, if given, is the one that the person saw."""

    reference_id: str
    wanted: ReferenceState
    reason: str
    revision: int | None


def to_upload(header: pb.UploadReferenceHeader) -> Upload:
    """Translate a header. Raises InvalidListing with every rule that it breaks."""
    refuse(_header_faults(header))
    sent = header.provenance
    return Upload(
        brand_id=header.brand_id,
        mark_id=header.mark_id,
        kind=KIND_OF[header.kind],
        box=to_box(header.box) if header.HasField("box") else None,
        bank_id=header.bank_id,
        provenance=Provenance(
            origin=_ORIGINS[sent.source], **{name: getattr(sent, name) for name in _PROVENANCE_LIMITS}
        ),
        content_sha256=header.content_sha256,
        hold=header.hold,
    )


def to_query(request: pb.ListReferencesRequest) -> tuple[ReferenceFilter, ReferencePlace | None, int]:
    """Translate which references to list, from where on and how many. Raises InvalidListing."""
    violations = [
        *check_id("brand_id", request.brand_id, required=True),
        *check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE),
        *_check_values("states", request.states, _STATES, brand_pb2.ReferenceState.Name),
        *_check_values("kinds", request.kinds, KIND_OF, evidence_pb2.ReferenceKind.Name),
        *check_id("bank_id", request.bank_id, required=False),
    ]
    refuse(violations)
    wanted = ReferenceFilter(
        brand_id=request.brand_id,
        states=tuple(_STATES[number] for number in request.states),
        kinds=tuple(KIND_OF[number] for number in request.kinds),
        bank_id=request.bank_id,
    )
    place = None
    if request.page_token:
        place = ReferencePlace(*read_token(_bound(request), request.page_token, datetime, str))
    return wanted, place, request.page_size or DEFAULT_PAGE


def to_next(request: pb.ListReferencesRequest, last: Reference) -> str:
    """Write down where the page begins that follows one whose last reference this is."""
    return write_token(_bound(request), _known(last.create_time), last.reference_id)


def to_review(request: pb.ReviewReferenceRequest) -> Change:
    """Translate a review. Raises InvalidListing with every rule that it breaks."""
    violations = [
        *_change_faults(request.reference_id, request.reason, request.etag),
        *check_one_of("action", request.action, _WANTED, pb.ReviewAction.Name),
    ]
    if request.action in (pb.REVIEW_ACTION_QUARANTINE, pb.REVIEW_ACTION_REJECT) and not request.reason.strip():
        violations.append(FieldViolation("reason", "is empty; say why, for the brand owner reads it"))
    refuse(violations)
    return _to_change(request.reference_id, _WANTED[request.action], request.reason, request.etag)


def to_retirement(request: pb.RetireReferenceRequest) -> Change:
    """Translate a retirement. Raises InvalidListing with every rule that it breaks."""
    refuse(_change_faults(request.reference_id, request.reason, request.etag))
    return _to_change(request.reference_id, ReferenceState.RETIRED, request.reason, request.etag)


def from_reference(reference: Reference) -> brand_pb2.Reference:
    """Translate a reference to the wire."""
    provenance, scope = reference.provenance, reference.scope
    message = brand_pb2.Reference(
        reference_id=reference.reference_id,
        brand_id=reference.brand_id,
        mark_id=told_mark_id(reference.brand_id, reference.mark_id or ""),
        kind=KINDS[reference.kind],
        box=None if reference.box is None else from_box(reference.box),
        bank_id=reference.bank_id,
        state=STATES[reference.state],
        state_reason=reference.state_reason,
        image_result=from_image_result(
            ImageResult(sha256=reference.image_sha256, width=reference.width, height=reference.height)
        ),
        provenance=brand_pb2.ReferenceProvenance(
            source=ORIGINS[provenance.origin],
            uploaded_by=provenance.uploaded_by,
            **{name: getattr(provenance, name) for name in _PROVENANCE_LIMITS},
        ),
        etag=str(reference.revision),
        create_time=_from_time(reference.create_time),
        update_time=_from_time(reference.update_time),
    )
    if scope is not None:
        message.scope.expected_false_matches_per_million = scope.false_matches_per_million
        message.scope.background_image_count = scope.background_images
        message.scope.collision_count = scope.collisions
    return message


def _header_faults(header: pb.UploadReferenceHeader) -> Iterator[FieldViolation]:
    yield from check_id("header.brand_id", header.brand_id, required=True)
    yield from check_id("header.mark_id", header.mark_id, required=False)
    yield from check_one_of("header.kind", header.kind, KIND_OF, evidence_pb2.ReferenceKind.Name)
    if header.HasField("box"):
        yield from check_box("header.box", header.box)
    yield from check_id("header.bank_id", header.bank_id, required=False)
    yield from check_request_id("header.request_id", header.request_id)
    if header.content_sha256:
        yield from check_digests("header.content_sha256", [header.content_sha256], limit=1)
    sent = header.provenance
    yield from check_one_of("header.provenance.source", sent.source, _ORIGINS, brand_pb2.ReferenceSource.Name)
    for name, limit in _PROVENANCE_LIMITS.items():
        yield from check_text(f"header.provenance.{name}", getattr(sent, name), limit=limit)


def _change_faults(reference_id: str, reason: str, etag: str) -> Iterator[FieldViolation]:
    yield from check_id("reference_id", reference_id, required=True)
    yield from check_text("reason", reason, limit=MAX_REASON_CHARACTERS)
    yield from check_etag("etag", etag)


def _to_change(reference_id: str, wanted: ReferenceState, reason: str, etag: str) -> Change:
    revision = int(etag) if etag else None
    return Change(reference_id=reference_id, wanted=wanted, reason=reason.strip(), revision=revision)


def _check_values(
    field: str, values: Sequence[int], allowed: Iterable[int], name: Callable[[Any], str]
) -> Iterator[FieldViolation]:
    if len(values) > _MAX_FILTER_VALUES:
        yield FieldViolation(field, f"has {len(values)} values; send at most {_MAX_FILTER_VALUES}")
        return
    for index, value in enumerate(values):
        yield from check_one_of(f"{field}[{index}]", value, allowed, name)


def _bound(request: pb.ListReferencesRequest) -> pb.ListReferencesRequest:
    """Leave of a request what all its pages have in common."""
    bound = pb.ListReferencesRequest()
    bound.CopyFrom(request)
    bound.ClearField("page_token")
    bound.ClearField("page_size")
    return bound


def _from_time(time: datetime | None) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(_known(time))
    return message


def _known(time: datetime | None) -> datetime:
    assert time is not None, "what comes from the store has its times"
    return time
