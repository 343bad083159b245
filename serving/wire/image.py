"""Which picture is asked for, and how is it to be shown? ImageService's requests to domain values, and its answers.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from index.photos import Photo, PhotoState
from serving.errors import FieldViolation, InvalidListing
from serving.image_access import Subject
from serving.image_views import DEFAULT_EDGE, MAX_EDGE, MIN_EDGE, Shown, View
from serving.wire.requests import MAX_IMAGES
from serving.wire.rules import check_box, check_id, check_range, check_text, to_box
from touchstone.moderation.v1 import image_service_pb2 as pb

_MAX_PADDING = 4.0
_MAX_ETAG = 200
_PLACES = {"case_image": "case", "decision_image": "decision", "report_image": "report"}
# What makes another picture of a file than its own.
_MAKING = ("region", "max_edge", "padding", "aligned_to_reference_id", "matched_frame")
STATES = {
    PhotoState.KEPT: pb.STORED_IMAGE_STATE_KEPT,
    PhotoState.LOST: pb.STORED_IMAGE_STATE_LOST,
    PhotoState.EXPIRED: pb.STORED_IMAGE_STATE_EXPIRED,
    PhotoState.FORGOTTEN: pb.STORED_IMAGE_STATE_FORGOTTEN,
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A picture that is asked for: the photo at `position` of `subject`, or else the reference `reference_id`."""

    view: View
    subject: Subject | None = None
    position: int = 0
    reference_id: str = ""
    aligned_to: str = ""
    matched_frame: bool = False
    original: bool = False
    known_etag: str = ""


def to_subject(request: pb.ListImagesRequest) -> Subject:
    """Translate whose photos are asked for. Raises InvalidListing."""
    named = request.WhichOneof("subject")
    if named is None:
        raise InvalidListing((FieldViolation("subject", "is missing; send a case_id, a decision_id or a report_id"),))
    value = getattr(request, named)
    if violations := tuple(check_id(named, value, required=True)):
        raise InvalidListing(violations)
    return Subject(named.removesuffix("_id"), value)


def to_wanted(request: pb.GetImageRequest) -> Wanted:
    """Translate a request for a picture. Raises InvalidListing with every rule that it breaks."""
    if violations := tuple(_violations(request)):
        raise InvalidListing(violations)
    source = str(request.WhichOneof("source"))
    place = getattr(request, source) if source in _PLACES else None
    return Wanted(
        view=View(
            edge=request.max_edge or DEFAULT_EDGE,
            region=to_box(request.region) if request.HasField("region") else None,
            padding=request.padding,
        ),
        subject=None if place is None else Subject(_PLACES[source], place.id),
        position=0 if place is None else place.image_index,
        reference_id=request.reference_id,
        aligned_to=request.aligned_to_reference_id,
        matched_frame=request.matched_frame,
        original=request.original,
        known_etag=request.if_none_match,
    )


def from_photo(photo: Photo, *, names_file: bool) -> pb.StoredImage:
    """Translate what is known of a photo; its digest is for those who may know."""
    image = pb.StoredImage(
        image_index=photo.position,
        state=STATES[photo.state],
        sha256=photo.sha256 if names_file else "",
        size_bytes=photo.size,
    )
    image.create_time.FromDatetime(photo.create_time)
    return image


def from_shown(shown: Shown, etag: str) -> pb.GetImageResponse:
    """Translate a picture."""
    return pb.GetImageResponse(
        content=shown.content, media_type=shown.media_type, width=shown.width, height=shown.height, etag=etag
    )


def _violations(request: pb.GetImageRequest) -> Iterator[FieldViolation]:
    source = request.WhichOneof("source")
    if source is None:
        yield FieldViolation("source", "is missing; send case_image, decision_image, report_image or reference_id")
    elif source == "reference_id":
        yield from check_id(source, request.reference_id, required=True)
    else:
        place: pb.ImagePlace = getattr(request, source)
        yield from check_id(f"{source}.id", place.id, required=True)
        if not 0 <= place.image_index < MAX_IMAGES:
            fault = f"{place.image_index} is out of range; send 0 to {MAX_IMAGES - 1}"
            yield FieldViolation(f"{source}.image_index", fault)
    yield from check_range("max_edge", request.max_edge, low=MIN_EDGE, high=MAX_EDGE, default=DEFAULT_EDGE)
    if request.HasField("region"):
        yield from check_box("region", request.region)
    if not (math.isfinite(request.padding) and 0.0 <= request.padding <= _MAX_PADDING):
        yield FieldViolation("padding", f"{request.padding} is out of range; send 0 to {_MAX_PADDING:g}")
    yield from check_id("aligned_to_reference_id", request.aligned_to_reference_id, required=False)
    yield from check_text("if_none_match", request.if_none_match, limit=_MAX_ETAG)
    yield from _contradictions(request, source)


def _contradictions(request: pb.GetImageRequest, source: str | None) -> Iterator[FieldViolation]:
    """Name what cannot be asked for together."""
    if request.aligned_to_reference_id and source not in ("case_image", "decision_image"):
        yield FieldViolation("aligned_to_reference_id", "goes with case_image or decision_image only; leave it out")
    if request.matched_frame and source != "reference_id":
        yield FieldViolation("matched_frame", "goes with reference_id only; leave it out")
    if request.HasField("region") and (request.matched_frame or request.aligned_to_reference_id):
        yield FieldViolation("region", "goes neither with matched_frame nor with aligned_to_reference_id; leave it out")
    if request.original and (set_ := [name for name in _MAKING if _is_set(request, name)]):
        yield FieldViolation("original", f"is the file as it came, so {', '.join(set_)} cannot go with it; leave out")


def _is_set(request: pb.GetImageRequest, name: str) -> bool:
    return request.HasField("region") if name == "region" else bool(getattr(request, name))
