"""What would a reference hit, on the wire? PreviewReference's request to domain values, and the answer back.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised. What
is wrong inside the image is answered by whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from index.listings import ListingMatch
from index.records import ReferenceKind
from serving.access.caller import Caller
from serving.domain import ImageResult
from serving.errors import FieldViolation
from serving.scoping import Assessment, Collision
from serving.wire.case import refuse
from serving.wire.decision import from_image_result
from serving.wire.find import from_match
from serving.wire.reference import KIND_OF, STATES
from serving.wire.requests import MAX_IMAGE_BYTES
from serving.wire.rules import check_box, check_id, check_one_of, check_range, to_box
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from vision.regions import Box

MAX_RESULTS, DEFAULT_RESULTS = 100, 20


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A reference that was not uploaded; `box` None means all of the image."""

    brand_id: str
    kind: ReferenceKind
    image: bytes
    box: Box | None


def to_subject(request: pb.PreviewReferenceRequest) -> str | Draft:
    """Translate what to preview: a reference's id, or a draft. Raises InvalidListing with every rule it breaks."""
    violations = list(check_range("max_results", request.max_results, low=1, high=MAX_RESULTS, default=DEFAULT_RESULTS))
    match request.WhichOneof("subject"):
        case "reference_id":
            refuse([*violations, *check_id("reference_id", request.reference_id, required=True)])
            return request.reference_id
        case "draft":
            draft = request.draft
            refuse([*violations, *_draft_violations(draft)])
            box = to_box(draft.box) if draft.HasField("box") else None
            return Draft(brand_id=draft.brand_id, kind=KIND_OF[draft.kind], image=draft.image.content, box=box)
        case _:
            refuse([*violations, FieldViolation("subject", "is missing; send a reference_id or a draft")])
            raise AssertionError("a violation is always refused")


def from_assessment(
    found: Assessment, image: ImageResult, hits: Sequence[ListingMatch], caller: Caller, *, most: int
) -> pb.PreviewReferenceResponse:
    """Translate what a reference would hit, as the caller may know it: at most `most` collisions."""
    return pb.PreviewReferenceResponse(
        image_result=from_image_result(image),
        scope=brand_pb2.ReferenceScope(
            expected_false_matches_per_million=found.scope.false_matches_per_million,
            background_image_count=found.scope.background_images,
            collision_count=found.scope.collisions,
        ),
        listing_hits=[from_match(match, names_seller=caller.knows_sellers) for match in hits],
        collisions=[_collision(collision, caller) for collision in found.collisions[:most]],
        expected_state=STATES[found.state],
        expected_state_reason=found.reason,
    )


def _collision(collision: Collision, caller: Caller) -> pb.ReferenceCollision:
    return pb.ReferenceCollision(
        reference_id=collision.reference_id if caller.sees(collision.brand_id) else "",
        brand=collision.brand,
        similarity=collision.similarity,
    )


def _draft_violations(draft: pb.ReferenceDraft) -> Iterator[FieldViolation]:
    yield from check_id("draft.brand_id", draft.brand_id, required=True)
    yield from check_one_of("draft.kind", draft.kind, KIND_OF, evidence_pb2.ReferenceKind.Name)
    if not draft.HasField("image"):
        yield FieldViolation("draft.image", "is missing; send one image")
    if (size := len(draft.image.content)) > MAX_IMAGE_BYTES:
        yield FieldViolation("draft.image", f"has {size} bytes; send at most {MAX_IMAGE_BYTES}")
    if draft.HasField("box"):
        yield from check_box("draft.box", draft.box)
