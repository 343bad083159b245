"""Which of the stored embeddings can be searched? Rows that no model makes are left out of a catalogue, by name.

A row that is damaged, or was written by something else than this service, must not keep every later upload from being
matched. So `index.columns` lays out what is left; the log says with each renewal what is not, and so does `touchstone
index verify`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.decision_records import RemovedImage
from index.records import Reference, ReferenceEmbedding
from index.vectors import rows_off_unit_norm

logger = logging.getLogger(__name__)

Embedded = tuple[Reference, Sequence[ReferenceEmbedding]]

_BLOCK_ROWS = 4_096
_NAMED = 5  # of what is left out; the rest is counted


@dataclass(frozen=True, kw_only=True)
class Usable:
    """References and removed photos with the embeddings that can be searched, all of one length; some may have none.

    `left_out` are the ids of the references and the removed listings that lack some of theirs.
    """

    references: list[Embedded]
    photos: list[RemovedImage]
    left_out: frozenset[str]


def usable(references: Iterable[Embedded], photos: Iterable[RemovedImage], fingerprint: str, *, dim: int = 0) -> Usable:
    """Leave out the embeddings by the model `fingerprint` that are no unit rows of `dim` values, and log an error.

    With `dim` 0 the length that most of them have is the right one.
    """
    references, photos = list(references), list(photos)
    views = [view for _, of_reference in references for view in of_reference]
    wholes = {place: comparable(photo, fingerprint) for place, photo in enumerate(photos)}
    seen = {place: vector for place, vector in wholes.items() if vector is not None}
    faults = _faults([*(view.vector for view in views), *seen.values()], dim)
    if not faults:
        return Usable(references=references, photos=photos, left_out=frozenset())
    bad_views = {id(views[row]): fault for row, fault in faults.items() if row < len(views)}
    bad_photos = {place: faults[len(views) + row] for row, place in enumerate(seen) if len(views) + row in faults}
    _tell(views, bad_views, photos, bad_photos, fingerprint)
    named = {view.reference_id for view in views if id(view) in bad_views}
    return Usable(
        references=[(one, [view for view in of_one if id(view) not in bad_views]) for one, of_one in references],
        photos=[replace(one, embedding=None) if place in bad_photos else one for place, one in enumerate(photos)],
        left_out=frozenset(named.union(photos[place].listing_id for place in bad_photos)),
    )


def comparable(photo: RemovedImage, fingerprint: str) -> NDArray[np.float16] | None:
    """Give what a removed photo looks like to the model `fingerprint`, float16 [dim]; None when that is not known.

    Bytes that are no row of float16 make one of no values.
    """
    if photo.embedding is None or photo.fingerprint != fingerprint:
        return None
    return np.frombuffer(photo.embedding if len(photo.embedding) % 2 == 0 else b"", "<f2")


def _faults(vectors: Sequence[NDArray[Any]], dim: int) -> dict[int, str]:
    """Say what is wrong with vectors, by row."""
    sizes = Counter(vector.size for vector in vectors if vector.size)
    dim = dim or max(sizes, key=lambda size: (sizes[size], size), default=0)
    faults = {
        row: f"has {vector.size} values and others {dim}" for row, vector in enumerate(vectors) if vector.size != dim
    }
    fitting = [row for row in range(len(vectors)) if row not in faults]
    for start in range(0, len(fitting), _BLOCK_ROWS):
        rows = fitting[start : start + _BLOCK_ROWS]
        block = np.stack([vectors[row] for row in rows]).astype(np.float32, copy=False)
        for faulty in rows_off_unit_norm(block):
            faults[rows[faulty]] = f"has norm {np.linalg.norm(block[faulty]):.6g}, not 1"
    return faults


def _tell(
    views: Sequence[ReferenceEmbedding],
    bad_views: Mapping[int, str],
    photos: Sequence[RemovedImage],
    bad_photos: Mapping[int, str],
    fingerprint: str,
) -> None:
    sentences = [
        f"embedding {view.variant} of reference {view.reference_id} {bad_views[id(view)]}"
        for view in views
        if id(view) in bad_views
    ]
    sentences += [
        f"the embedding of removed listing {photos[place].listing_id} (photo {photos[place].sha256}) {fault}"
        for place, fault in bad_photos.items()
    ]
    logger.error(
        "%d embeddings by %s are LEFT OUT of the index and match nothing: %s%s. Everything else is searched. Put back "
        "a backup of the store, or delete these references' rows of reference_embeddings and send the pictures again.",
        len(sentences),
        fingerprint,
        "; ".join(sentences[:_NAMED]),
        "; ..." if len(sentences) > _NAMED else "",
    )
