"""How does one reference of an owner get on record? Checked, read, embedded, assessed, its file kept, then recorded.

Blocking, from header and file to the reference as it is recorded. The file is kept before the transaction that holds
the rest, so that a reference on record always has its own; one that was kept in vain is swept up by the blob store.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from index.blobs import BlobStore
from index.brand_records import told_mark_id
from index.errors import Conflict, NotFound
from index.records import Mark, Provenance, Reference, ReferenceEmbedding, ReferenceOrigin, ReferenceState
from index.reference_states import following
from index.rulings import RequestKey
from index.store.store import Store
from serving.access.caller import BRAND_OWNER, Caller
from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.decoding import Decoder, decode_here
from serving.errors import FieldViolation, InvalidListing
from serving.narrowing import unless_narrowed
from serving.new_reference import NewReference, read_picture, reference_id_of
from serving.registry import described_by, embedded
from serving.rejections import unless_rejected_before
from serving.scoping import Assessor, as_sent_by
from serving.visibility import visible_brand
from serving.wire.reference import Upload, to_upload
from touchstone.moderation.v1 import brand_service_pb2 as pb

# What the operator and moderators bring in: evidence would name a source that was never there.
_NOT_AN_OWNERS = (ReferenceOrigin.SEED, ReferenceOrigin.REMOVED_LISTING)

_HELD = "Held back at the uploader's wish, to be previewed first."


@dataclass(frozen=True)
class Uploads:
    """Takes in references one by one; any number of threads may."""

    store: Store
    blobs: BlobStore
    embedder: BatchingEmbedder
    assessor: Assessor
    decoder: Decoder = decode_here

    def upload(
        self, header: pb.UploadReferenceHeader, content: bytes, caller: Caller, *, deadline: Deadline
    ) -> Reference:
        """Take one reference in, and return it as it is on record: durable, and of the same id for the same content.

        Raises:
            InvalidListing: the header breaks a rule, or the file is not the one that it announces.
            NotFound: there is no such brand or mark, or the caller may not see it.
            Conflict: it was rejected or retired before, which is final.
            KeyReused: the `request_id` came before with another reference.
            ImageError, RenderError, ReferenceTooSmall: the file cannot be used.
            Overloaded, DeadlineExceeded: there is no time or room for it; nothing was recorded.
            BlobError, StoreError: it cannot be kept.

        """
        wanted = to_upload(header)
        brand = visible_brand(self.store, wanted.brand_id, caller)
        mark = self._mark(wanted)
        digest = _checked_digest(content, wanted)
        request = _key(header, digest, caller)
        if request is not None and (made := self.store.find_request(request)) is not None:
            return self.store.get_reference(made)
        known = self._known(reference_id_of(brand.brand_id, wanted.kind, digest, wanted.box))
        if known is not None and self.store.embeddings_of(known.reference_id, self.embedder.fingerprint):
            self.blobs.put(content)  # an older release kept no files
            if request is None:
                return known
            return self.store.record_reference(known, request=request, actor=caller.name)
        new = NewReference(
            brand=brand,
            mark=mark,
            kind=wanted.kind,
            picture=read_picture(content, wanted.box, decoder=self.decoder, deadline=deadline),
            box=wanted.box,
            provenance=_provenance(wanted.provenance, caller),
            bank_id=wanted.bank_id,
        )
        deadline.check("embedding")
        ((reference, embeddings),) = embedded([new], self.embedder, deadline=deadline)
        reference = self._judged(reference, embeddings, caller, hold=wanted.hold)
        deadline.check("recording")
        self.blobs.put(content)
        points = [described_by(new)]
        recorded = self.store.record_reference(reference, embeddings, points, request=request, actor=caller.name)
        return _not_final(recorded)

    def _judged(
        self, reference: Reference, embeddings: list[ReferenceEmbedding], caller: Caller, *, hold: bool
    ) -> Reference:
        """Say in which state it begins."""
        if hold:
            return replace(reference, state=ReferenceState.PENDING, state_reason=_HELD)
        vectors = np.stack([embedding.vector for embedding in embeddings])
        found = self.assessor.assess(reference.brand_id, vectors, marks=reference.shows_mark)
        found = as_sent_by(caller, reference.kind, found)
        model = self.embedder.fingerprint
        found = unless_rejected_before(found, reference, vectors, store=self.store, fingerprint=model)
        found = unless_narrowed(found, reference.brand_id, caller, store=self.store)
        return replace(reference, state=found.state, state_reason=found.reason, scope=found.scope)

    def _mark(self, wanted: Upload) -> Mark | None:
        if not wanted.mark_id:
            return None
        for mark in self.store.list_marks(wanted.brand_id):
            if told_mark_id(wanted.brand_id, mark.mark_id) == wanted.mark_id:
                return mark
        raise NotFound(f"The brand {wanted.brand_id!r} has no mark with the id {wanted.mark_id!r}; check the id.")

    def _known(self, reference_id: str) -> Reference | None:
        try:
            return _not_final(self.store.get_reference(reference_id))
        except NotFound:
            return None


def _checked_digest(content: bytes, wanted: Upload) -> str:
    digest = hashlib.sha256(content).hexdigest()
    if wanted.content_sha256 not in ("", digest):
        fault = f"is not the file's, {digest}; send the file again, whole"
        raise InvalidListing((FieldViolation("header.content_sha256", fault),))
    return digest


def _not_final(reference: Reference) -> Reference:
    """Refuse to take one for accepted that a person rejected or retired: the same file shall not come in again."""
    if not following(reference.state):
        why = f" ({reference.state_reason})" if reference.state_reason else ""
        raise Conflict(
            f"This very file was uploaded before, as {reference.reference_id!r}, and is {reference.state}{why}; "
            "that is final: send another picture of the mark."
        )
    return reference


def _provenance(sent: Provenance, caller: Caller) -> Provenance:
    origin = sent.origin
    if BRAND_OWNER in caller.roles:
        if origin in _NOT_AN_OWNERS:
            fault = "is not a brand owner's to claim; say BRAND_OWNER, NOTICE or TEST_PURCHASE, or leave it unset"
            raise InvalidListing((FieldViolation("header.provenance.source", fault),))
        origin = ReferenceOrigin.BRAND_OWNER if origin is ReferenceOrigin.UNKNOWN else origin
    return replace(sent, origin=origin, uploaded_by=caller.name)


def _key(header: pb.UploadReferenceHeader, digest: str, caller: Caller) -> RequestKey | None:
    if not header.request_id:
        return None
    request = hashlib.sha256(header.SerializeToString(deterministic=True) + digest.encode()).hexdigest()
    return RequestKey(
        scope=f"{header.DESCRIPTOR.name} by {caller.name}", request_id=header.request_id, request_sha256=request
    )
