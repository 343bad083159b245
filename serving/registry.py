"""How are references put on record? Embedded, described by keypoints and stored, whichever way they came.

`serving.reference_sources` brings those of the seed catalogue and of manifests, `serving.uploads` those that owners
send. A reference's id is derived from what it shows, so that seeding or importing again adds nothing. The index is not
touched: it is rebuilt from the store, here or on a replica that follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from index.records import Reference, ReferenceEmbedding, ReferenceFeatures
from index.store.store import Store
from serving.batching import BatchingEmbedder
from serving.deadline import NEVER, Deadline
from serving.new_reference import NewReference, compared_view
from serving.verifying import SHOWN
from vision.calibration import Shown
from vision.hashing import pdq
from vision.keypoints import reference_features
from vision.regions import middle

# References whose views go through the embedder at once.
_BATCH = 64


def add_references(store: Store, embedder: BatchingEmbedder, references: Iterable[NewReference]) -> int:
    """Embed and store references with their brands and marks; skip those on record. Returns how many are new.

    One on record that this model has not embedded yet, another model having been in use, gets its embeddings, and one
    that an older release recorded without keypoints gets those.
    """
    lacking = frozenset(each.reference_id for each in store.references_without_embedding(embedder.fingerprint))
    added = 0
    for batch in _batches(references):
        distinct = {reference.reference_id: reference for reference in batch}
        known = store.known_references(distinct)
        fresh = [reference for key, reference in distinct.items() if key not in known]
        store.put_brands(reference.brand for reference in fresh)
        store.put_marks(reference.mark for reference in fresh if reference.mark)
        added += store.add_references(embedded(fresh, embedder))
        again = [reference for key, reference in distinct.items() if key in lacking]
        store.add_embeddings(each for _, embeddings in embedded(again, embedder) for each in embeddings)
        described = store.known_features(distinct)
        store.add_features(described_by(each) for key, each in distinct.items() if key not in described)
    return added


def embedded(
    references: Sequence[NewReference], embedder: BatchingEmbedder, *, deadline: Deadline = NEVER
) -> Iterator[tuple[Reference, list[ReferenceEmbedding]]]:
    """Make the records of references, with a vector for each view. Raises what the embedder raises."""
    vectors = iter(_embed_views(references, embedder, deadline))
    for each in references:
        embeddings = [
            ReferenceEmbedding(
                reference_id=each.reference_id,
                variant=variant,
                fingerprint=embedder.fingerprint,
                vector=next(vectors),
            )
            for variant in range(len(each.picture.views))
        ]
        yield _record(each), embeddings


def described_by(each: NewReference) -> ReferenceFeatures:
    """Find the keypoints by which photos are compared with a reference; of a mark that is no cut-out, its drawing."""
    view, drawn = compared_view(each.picture, each.box), each.box is None and SHOWN[each.kind] is Shown.MARK
    return ReferenceFeatures(reference_id=each.reference_id, features=reference_features(view, drawn=drawn))


def _record(each: NewReference) -> Reference:
    picture, first = each.picture, pdq(each.picture.views[0])
    return Reference(
        reference_id=each.reference_id,
        brand_id=each.brand.brand_id,
        mark_id=each.mark.mark_id if each.mark else None,
        kind=each.kind,
        image_sha256=picture.sha256,
        box=each.box,
        pdq=first.bits if first.reliable else None,
        pdq_mirrored=first.mirrored if first.reliable else None,
        provenance=each.provenance,
        bank_id=each.bank_id,
        width=picture.width,
        height=picture.height,
        image_format=picture.image_format,
    )


def _embed_views(
    references: Sequence[NewReference], embedder: BatchingEmbedder, deadline: Deadline
) -> Iterator[NDArray[np.float32]]:
    """Embed every view as what a listing's regions are compared with: whole pictures, or marks."""
    photos = [view for each in references if not each.shows_mark for view in each.picture.views]
    drawn = [view for each in references if each.shows_mark for view in each.picture.views]
    whole = iter(embedder.embed([middle(view) for view in photos], deadline=deadline))
    marks = iter(embedder.embed_marks(drawn, deadline=deadline))
    for each in references:
        yield from islice(marks if each.shows_mark else whole, len(each.picture.views))


def _batches(references: Iterable[NewReference]) -> Iterator[list[NewReference]]:
    source = iter(references)
    while batch := list(islice(source, _BATCH)):
        yield batch
