"""What does BrandService answer about what a reference would hit? Blocking, from request to response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.errors import NotFound
from index.listings import ListingMatch, ListingSource
from index.records import ReferenceKind, shows_mark
from index.store.store import Store
from serving.access.caller import Caller
from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.decoding import Decoder, decode_here
from serving.domain import ImageResult
from serving.evidence import SEEN
from serving.narrowing import unless_narrowed
from serving.new_reference import read_picture
from serving.scoping import Assessor, as_sent_by
from serving.urgency import in_bulk
from serving.verifying import SHOWN
from serving.visibility import visible_brand, visible_reference
from serving.wire.preview import DEFAULT_RESULTS, Draft, from_assessment, to_subject
from touchstone.moderation.v1 import brand_service_pb2 as pb
from vision.calibration import MatchCalibration
from vision.regions import middle


@dataclass(frozen=True, eq=False, kw_only=True)
class _Subject:
    """What is previewed: `views` are float32 [n, dim] unit rows."""

    brand_id: str
    kind: ReferenceKind
    marks: bool
    views: NDArray[np.float32]
    image: ImageResult


@dataclass(frozen=True)
class PreviewAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client.

    Without `listings`, no listing is ever hit.
    """

    store: Store
    embedder: BatchingEmbedder
    assessor: Assessor
    calibration: MatchCalibration
    listings: ListingSource | None = None
    decoder: Decoder = decode_here

    def preview(
        self, request: pb.PreviewReferenceRequest, caller: Caller, *, deadline: Deadline
    ) -> pb.PreviewReferenceResponse:
        """Answer PreviewReference. Nothing of it is kept.

        Raises:
            InvalidListing, ImageError, RenderError, ReferenceTooSmall: the request breaks a rule, or its image cannot
                be used.
            NotFound: there is no such brand or reference, or none that the caller sees, or none embedded by this model.
            DeadlineExceeded, Overloaded, ListingIndexError: it cannot be done now.

        """
        wanted, most = to_subject(request), request.max_results or DEFAULT_RESULTS
        subject = self._subject(wanted, caller, deadline)
        deadline.check("comparing the reference")
        found = self.assessor.assess(subject.brand_id, subject.views, marks=subject.marks)
        found = as_sent_by(caller, subject.kind, found)
        found = unless_narrowed(found, subject.brand_id, caller, store=self.store)
        deadline.check("searching the listings")
        hits = self._hits(subject, most)
        deadline.check("answering")
        return from_assessment(found, subject.image, hits, caller, most=most)

    def _subject(self, wanted: str | Draft, caller: Caller, deadline: Deadline) -> _Subject:
        return self._draft(wanted, caller, deadline) if isinstance(wanted, Draft) else self._recorded(wanted, caller)

    def _draft(self, draft: Draft, caller: Caller, deadline: Deadline) -> _Subject:
        brand = visible_brand(self.store, draft.brand_id, caller)
        picture = read_picture(draft.image, draft.box, decoder=self.decoder, deadline=deadline)
        deadline.check("embedding")
        marks = shows_mark(draft.kind, draft.box)
        with in_bulk():  # nobody's upload waits for a preview
            if marks:
                views = self.embedder.embed_marks(picture.views, deadline=deadline)
            else:
                views = self.embedder.embed([middle(view) for view in picture.views], deadline=deadline)
        image = ImageResult(sha256=picture.sha256, width=picture.width, height=picture.height)
        return _Subject(brand_id=brand.brand_id, kind=draft.kind, marks=marks, views=views, image=image)

    def _recorded(self, reference_id: str, caller: Caller) -> _Subject:
        reference = visible_reference(self.store, reference_id, caller)
        embeddings = self.store.embeddings_of(reference_id, self.embedder.fingerprint)
        if not embeddings:
            raise NotFound(
                f"The reference {reference_id!r} is not embedded by the model {self.embedder.fingerprint}; "
                "upload its image again."
            )
        return _Subject(
            brand_id=reference.brand_id,
            kind=reference.kind,
            marks=reference.shows_mark,
            views=np.stack([embedding.vector for embedding in embeddings]),
            image=ImageResult(sha256=reference.image_sha256, width=reference.width, height=reference.height),
        )

    def _hits(self, subject: _Subject, most: int) -> Sequence[ListingMatch]:
        """Find the listings in which the service would see the brand by this reference alone."""
        if self.listings is None:
            return ()
        at_least = self.calibration.curves[SHOWN[subject.kind]].score_at(SEEN)
        return self.listings.find_listings(subject.views, marks=subject.marks, at_least=at_least, most=most)
