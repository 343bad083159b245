"""What is there to look at in a case? Its photos, what was found in each, and the references beside them.

Places are shares of a photo's width and height, as in the evidence, and are drawn over it as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from serving.console.drawing import enum_name
from serving.console.pages.images import aligned_address, part_address, photo_address, reference_address
from touchstone.moderation.v1 import case_pb2, decision_pb2, evidence_pb2
from touchstone.moderation.v1.image_service_pb2 import STORED_IMAGE_STATE_KEPT, StoredImage

_CORNERS = 4
# Matches tell as much as they are probable.
_TELLS = {"copy": 1.0, "writing": 0.5}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that was found in a photo.

    `kind` is "match", "copy" or "writing", `points` an SVG polygon's, in thousandths of width and height. `left` and
    `right` are the addresses of what is compared; `overlaid` tells whether both have the same frame.
    """

    kind: str
    number: int
    points: str = ""
    message: evidence_pb2.VisualMatch | evidence_pb2.Duplicate | evidence_pb2.TextHit
    left: str = ""
    right: str = ""
    overlaid: bool = False

    @property
    def strength(self) -> float:
        """How much it tells: a copy all, a match as it is probable, writing something; more if it can be laid over."""
        alone = self.message.probability if isinstance(self.message, evidence_pb2.VisualMatch) else _TELLS[self.kind]
        return alone + self.overlaid


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo. `src` is "" where its file cannot be shown, for the reason `state`."""

    index: int
    result: decision_pb2.ImageResult
    state: str
    src: str = ""
    thumb: str = ""
    findings: Sequence[Finding] = field(default_factory=tuple)


def photos_of(case: case_pb2.Case, stored: Iterable[StoredImage]) -> list[Photo]:
    """Put together the photos of a case's listing. `stored` says which files are kept."""
    kept = {image.image_index: image for image in stored}
    found = _findings(case)
    return [
        _photo(case.case_id, index, result, kept.get(index), found.get(index, ()))
        for index, result in enumerate(case.decision.image_results)
    ]


def chosen(photos: Sequence[Photo], query: Mapping[str, str]) -> tuple[Photo | None, Finding | None]:
    """Return the photo that an address asks for and the finding in it; else those that tell the most."""
    if not photos:
        return None, None
    telling = max(photos, key=lambda photo: max((one.strength for one in photo.findings), default=-1.0))
    photo = next((one for one in photos if str(one.index) == query.get("photo")), telling)
    first = next(iter(photo.findings), None)
    return photo, next((one for one in photo.findings if str(one.number) == query.get("finding")), first)


def _photo(
    case_id: str, index: int, result: decision_pb2.ImageResult, stored: StoredImage | None, found: Sequence[Finding]
) -> Photo:
    if stored is None or stored.state != STORED_IMAGE_STATE_KEPT:
        state = "ABSENT" if stored is None else enum_name(stored, "state")
        return Photo(index=index, result=result, state=state, findings=found)
    addresses = {"src": photo_address(case_id, index), "thumb": photo_address(case_id, index, "thumb")}
    return Photo(index=index, result=result, state="KEPT", findings=found, **addresses)


def _findings(case: case_pb2.Case) -> dict[int, list[Finding]]:
    found: dict[int, list[Finding]] = {}
    for number, evidence in enumerate(case.decision.evidence):
        match evidence.WhichOneof("kind"):
            case "visual_match":
                found.setdefault(evidence.visual_match.image_index, []).append(
                    _match(case.case_id, number, evidence.visual_match)
                )
            case "duplicate":
                found.setdefault(evidence.duplicate.image_index, []).append(
                    _copy(case.case_id, number, evidence.duplicate)
                )
            case "text" if evidence.text.HasField("image_index"):
                hit = evidence.text
                points = _rectangle(hit.box) if hit.HasField("box") else ""
                finding = Finding(kind="writing", number=number, points=points, message=hit)
                found.setdefault(hit.image_index, []).append(finding)
    return {index: sorted(each, key=lambda one: -one.strength) for index, each in found.items()}


def _match(case_id: str, number: int, match: evidence_pb2.VisualMatch) -> Finding:
    if outline := _outline(match.verification):
        left, right = _laid_over(case_id, match.image_index, match.reference_id)
        return Finding(
            kind="match", number=number, points=outline, message=match, left=left, right=right, overlaid=True
        )
    left = part_address(case_id, match.image_index, match.box)
    right = reference_address(match.reference_id)
    return Finding(kind="match", number=number, points=_rectangle(match.box), message=match, left=left, right=right)


def _copy(case_id: str, number: int, copy: evidence_pb2.Duplicate) -> Finding:
    if copy.source == evidence_pb2.DUPLICATE_SOURCE_REMOVED_LISTING:  # which has a case, not a reference
        return Finding(kind="copy", number=number, points=_outline(copy.verification), message=copy)
    if outline := _outline(copy.verification):
        left, right = _laid_over(case_id, copy.image_index, copy.source_id)
        return Finding(kind="copy", number=number, points=outline, message=copy, left=left, right=right, overlaid=True)
    left, right = photo_address(case_id, copy.image_index), reference_address(copy.source_id)
    return Finding(kind="copy", number=number, message=copy, left=left, right=right)


def _laid_over(case_id: str, image_index: int, reference_id: str) -> tuple[str, str]:
    return aligned_address(case_id, image_index, reference_id), reference_address(reference_id, frame=True)


def _outline(verification: evidence_pb2.Verification) -> str:
    return _points((point.x, point.y) for point in verification.outline) if _whole(verification) else ""


def _whole(verification: evidence_pb2.Verification) -> bool:
    return len(verification.outline) == _CORNERS


def _rectangle(box: evidence_pb2.Box) -> str:
    return _points(((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2)))


def _points(corners: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x * 1000:.1f},{y * 1000:.1f}" for x, y in corners)
