"""What does ImageService answer? Blocking, from request to response: who may see it is asked first, then it is made.

What was made last is kept in memory, within a bound in bytes, by an etag that names the file and the view; whether a
photo may still be shown is asked of the store each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from index.blobs import BlobStore
from index.errors import NotFound
from index.photos import Photo, PhotoState
from index.store.store import Store
from serving.access.caller import Caller
from serving.access.permissions import GRANTS, Permission, entitled
from serving.decoding import Decoder, decode_here
from serving.errors import PermissionDenied
from serving.image_access import SeenPhotos, reads_cases, visible_photos
from serving.image_views import (
    Shown,
    etag_of,
    original,
    shown_aligned,
    shown_frame,
    shown_photo,
    shown_reference,
)
from serving.recent import Recent
from serving.visibility import visible_reference
from serving.wire.image import Wanted, from_photo, from_shown, to_subject, to_wanted
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from touchstone.moderation.v1 import image_service_pb2 as pb
from vision.regions import Point

# A thumbnail of 320 pixels has about 10 kB, a photo of 1,280 about 150 kB.
_CACHE_BYTES = 64 * 2**20
_WHY_NOT = {
    PhotoState.LOST: "it could not be kept when the decision was recorded",
    PhotoState.EXPIRED: "the time for which it was kept is over",
    PhotoState.FORGOTTEN: "it was erased",
}

Outline = tuple[Point, ...]


def _made_recently() -> Recent[str, Shown]:
    return Recent(_CACHE_BYTES, weigh=lambda shown: len(shown.content))


@dataclass(frozen=True)
class ImageAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    blobs: BlobStore
    recent: Recent[str, Shown] = field(default_factory=_made_recently)
    decoder: Decoder = decode_here

    def list(self, request: pb.ListImagesRequest, caller: Caller) -> pb.ListImagesResponse:
        """Answer ListImages."""
        seen = visible_photos(self.store, to_subject(request), caller)
        names_file = reads_cases(caller)
        return pb.ListImagesResponse(images=[from_photo(photo, names_file=names_file) for photo in seen.photos])

    def get(self, request: pb.GetImageRequest, caller: Caller) -> pb.GetImageResponse:
        """Answer GetImage.

        Raises:
            InvalidListing: the request breaks a rule.
            PermissionDenied: the caller may not take originals out.
            NotFound: there is no such picture, or none that the caller sees, or the reference was not found in it.
            ImageError, RenderError: a reference's file can no longer be read.
            BlobError: the file cannot be read at the moment.

        """
        wanted = to_wanted(request)
        if wanted.original and not entitled(caller, Permission.EXPORT_EVIDENCE):
            roles = ", ".join(sorted(GRANTS[Permission.EXPORT_EVIDENCE]))
            raise PermissionDenied(
                f"Originals are for those who may take evidence out ({roles}); leave `original` out."
            )
        etag, make = self._reference(wanted, caller) if wanted.subject is None else self._photo(wanted, caller)
        if etag == wanted.known_etag:
            return pb.GetImageResponse(etag=etag, not_modified=True)
        if wanted.original:  # up to 25 MiB, and hardly asked for twice
            return from_shown(make(), etag)
        return from_shown(self.recent.get([etag], lambda _: {etag: make()})[etag], etag)

    def _reference(self, wanted: Wanted, caller: Caller) -> tuple[str, Callable[[], Shown]]:
        """Name a reference's picture, and say how it is made."""
        reference = visible_reference(self.store, wanted.reference_id, caller)
        sha256, view = reference.image_sha256, wanted.view
        if wanted.original:
            return sha256, lambda: original(self.blobs.get(sha256), self.decoder)
        if wanted.matched_frame:
            box = reference.box
            frame = partial(shown_frame, box=box, view=view, decoder=self.decoder)
            return etag_of(sha256, "frame", box, view), lambda: frame(self.blobs.get(sha256))
        whole = partial(shown_reference, view=view, decoder=self.decoder)
        return etag_of(sha256, "reference", view), lambda: whole(self.blobs.get(sha256))

    def _photo(self, wanted: Wanted, caller: Caller) -> tuple[str, Callable[[], Shown]]:
        """Name a photo's picture, and say how it is made."""
        assert wanted.subject is not None
        seen = visible_photos(self.store, wanted.subject, caller)
        photo, view = _kept(seen, wanted), wanted.view
        if wanted.original:
            return photo.sha256, lambda: original(self.blobs.get(photo.sha256), self.decoder)
        if not wanted.aligned_to:
            whole = partial(shown_photo, view=view, decoder=self.decoder)
            return etag_of(photo.sha256, "photo", view), lambda: whole(self.blobs.get(photo.sha256))
        reference = visible_reference(self.store, wanted.aligned_to, caller)
        outline = outline_of(seen.decision, photo.position, reference.reference_id)
        sha256, box = reference.image_sha256, reference.box

        def make() -> Shown:
            kept, frame = self.blobs.get(photo.sha256), self.blobs.get(sha256)
            return shown_aligned(kept, outline, frame, box, view, self.decoder)

        return etag_of(photo.sha256, "aligned", sha256, box, outline, view), make


def outline_of(decision: decision_pb2.Decision | None, position: int, reference_id: str) -> Outline:
    """Return where a decision's evidence found a reference's corners in a photo. Raises NotFound."""
    for evidence in () if decision is None else decision.evidence:
        kind = evidence.WhichOneof("kind")
        found: evidence_pb2.VisualMatch | evidence_pb2.Duplicate
        if kind == "visual_match":
            found, source = evidence.visual_match, evidence.visual_match.reference_id
        elif kind == "duplicate":
            found, source = evidence.duplicate, evidence.duplicate.source_id
        else:
            continue
        corners = found.verification.outline
        if source == reference_id and found.image_index == position and corners:
            return tuple((point.x, point.y) for point in corners)
    raise NotFound(
        f"The evidence does not say where the reference {reference_id!r} is in photo {position}; "
        "show both side by side instead."
    )


def _kept(seen: SeenPhotos, wanted: Wanted) -> Photo:
    assert wanted.subject is not None
    of = f"of the {wanted.subject.kind} {wanted.subject.id!r}"
    for photo in seen.photos:
        if photo.position == wanted.position:
            if photo.state is PhotoState.KEPT:
                return photo
            raise NotFound(f"Photo {photo.position} {of} is not kept: {_WHY_NOT[photo.state]}.")
    raise NotFound(f"There is no photo {wanted.position} {of}; ListImages says which there are.")
