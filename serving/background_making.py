"""How is a background made? Photos embedded as the pipeline embeds a listing's, and shapes that nobody owns, drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.errors import CatalogueError
from index.manifest import ListingRow
from serving.batching import BatchingEmbedder
from serving.deadline import NEVER
from serving.shapes import common_shapes
from serving.visual import Photo, embed_regions
from vision.background import Background
from vision.decode import decode
from vision.errors import ImageError
from vision.hashing import pdq

_BATCH = 16


def make_background(photos: Iterable[Photo], embedder: BatchingEmbedder, *, source: str) -> Background:
    """Embed the photos, and the shapes beside them; `source` says what they are."""
    wholes, regions, owners = [np.empty((0, embedder.dim), np.float32)], [np.empty((0, embedder.dim), np.float32)], []
    count = 0
    for batch in _batches(photos):
        found = embed_regions(batch, embedder, NEVER)
        places = {photo.index: count + place for place, photo in enumerate(batch)}
        of_marks = [places[index] for index, _ in found.places[found.photos :]]
        order = np.argsort(of_marks, kind="stable")
        wholes.append(found.vectors[: found.photos])
        regions.append(found.vectors[found.photos :][order])
        owners.extend(np.asarray(of_marks)[order].tolist())
        count += len(batch)
    names, pictures = zip(*common_shapes(), strict=True)
    return Background(
        fingerprint=embedder.fingerprint,
        photos=np.concatenate(wholes),
        regions=np.concatenate(regions),
        owners=np.asarray(owners, np.int64),
        shapes=_embedded(pictures, embedder),
        names=names,
        source=source,
    )


def photos_of(rows: Iterable[ListingRow]) -> Iterable[Photo]:
    """Read the first photo of each listing, numbered; one that cannot be used is passed over."""
    for index, row in enumerate(rows):
        photo = _read(index, row.images[0]) if row.images else None
        if photo is not None:
            yield photo


def _read(index: int, path: Path) -> Photo | None:
    try:
        image = decode(path.read_bytes())
    except ImageError:
        return None
    except OSError as error:
        raise CatalogueError(f"{path}: the image cannot be read: {error.strerror or error}.") from error
    return Photo(index, image, pdq(image.pixels))


def _embedded(pictures: Sequence[NDArray[np.uint8]], embedder: BatchingEmbedder) -> NDArray[np.float32]:
    parts = [embedder.embed_marks(pictures[start : start + _BATCH]) for start in range(0, len(pictures), _BATCH)]
    return np.concatenate(parts)


def _batches(photos: Iterable[Photo]) -> Iterable[list[Photo]]:
    batch: list[Photo] = []
    for photo in photos:
        batch.append(photo)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
