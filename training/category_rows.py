"""Which photos of a labelled manifest can be used, and how do they look to the model? Shared by fit and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.errors import CatalogueError
from index.manifest import ListingRow, read_listings
from training.progress import Progress
from vision.classify import product_views
from vision.decode import decode
from vision.embedder import Embedder
from vision.errors import ImageError
from vision.regions import middle

Seen = Callable[[Embedder, Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
"""Embeds photos, uint8 [H, W, 3], as somebody needs them seen: float32 [n, width], unit rows."""

_BATCH = 32  # listings whose photos pass the network together: beyond it a CPU gains nothing


@dataclass(frozen=True, kw_only=True)
class LabelledRow:
    """A listing with its true category, as the data set names it."""

    listing_id: str
    images: tuple[Path, ...]
    label: str


def read_labelled(manifest: Path) -> list[LabelledRow]:
    """Read the listings of `manifest` that have a photo and `labels.category`.

    Raises:
        CatalogueError: the manifest cannot be read, or no listing of it is labelled.

    """
    rows = [row for listing in read_listings(manifest) if (row := _labelled(listing)) is not None]
    if not rows:
        raise CatalogueError(f"{manifest}: no listing has images and labels.category; give a labelled manifest.")
    return rows


def as_products(embedder: Embedder, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """See photos as a category head does: [n, 2 dim]."""
    return product_views(as_photos(embedder, photos), embedder.embed_marks(photos))


def as_photos(embedder: Embedder, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """See photos as words and attributes do, in the space that both share: [n, dim]."""
    return embedder.embed([middle(pixels) for pixels in photos])


def embed_rows(
    rows: Sequence[LabelledRow], embedder: Embedder, progress: Progress, *, seen: Seen = as_products
) -> NDArray[np.float32]:
    """Embed each listing as the pipeline does, all its photos averaged: float32 [n, width of `seen`], unit rows.

    A listing without a readable photo gets a row of zeros: its answer will be wrong, as it should be.
    """
    vectors = np.zeros((len(rows), seen(embedder, ()).shape[1]), np.float32)
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        photos = [
            (place, pixels)
            for place, row in enumerate(batch, start)
            for path in row.images
            if (pixels := read_pixels(path)) is not None
        ]
        if photos:
            np.add.at(vectors, [place for place, _ in photos], seen(embedder, [pixels for _, pixels in photos]))
        progress(start + len(batch), len(rows))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: NDArray[np.float32] = vectors / lengths
    return unit


def read_pixels(path: Path) -> NDArray[np.uint8] | None:
    """Decode a photo, uint8 [H, W, 3]; None if it is broken.

    Raises:
        CatalogueError: there is no such file, or it may not be read.

    """
    try:
        return decode(path.read_bytes()).pixels
    except ImageError:
        return None
    except OSError as error:
        raise CatalogueError(f"{path}: the image cannot be read: {error.strerror or error}.") from error


def spoken(label: str) -> str:
    """Say a data set's label in words, as a prompt does: "Sour-Milk" is "sour milk"."""
    return label.replace("-", " ").lower()


def _labelled(listing: ListingRow) -> LabelledRow | None:
    if not listing.images or listing.labels.category is None:
        return None
    return LabelledRow(listing_id=listing.listing_id, images=listing.images, label=listing.labels.category)
