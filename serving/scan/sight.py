"""What is seen of many listings' photos at once? Files read side by side, and embedded together in large batches.

The part of a scan before `serving.pipeline`: a group of photos passes finder and embedder in one go, less those that
were embedded before (`serving.scan.reuse`), and each listing is then shown its own as a `Sight`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.batching import BatchingEmbedder
from serving.deadline import NEVER
from serving.domain import ImageResult, Reason
from serving.stages import Stages
from serving.urgency import in_bulk
from serving.visual import Photo, Regions, embed_regions, read_photos
from vision.decode import DecodeLimits
from vision.errors import ImageFault, ModelError
from vision.regions import Region

log = logging.getLogger(__name__)

# The owner of the networks joins what waits: two photos at fault must not be asked for side by side with good ones.
_one_by_one = threading.Lock()


@dataclass(frozen=True, eq=False)
class PhotoRegions:
    """The regions of one photo, its middle first, and their vectors: float32 [len(regions), dim], unit rows."""

    regions: tuple[Region, ...]
    vectors: NDArray[np.float32]


class Reuse(Protocol):
    """Where embeddings of earlier scans are, by the sha256 of the image's file. Any number of threads may use it."""

    def find(self, sha256s: Sequence[str]) -> dict[str, PhotoRegions]:
        """Give those that are there."""

    def keep(self, seen: Mapping[str, PhotoRegions]) -> None:
        """Take new ones in."""


class NoReuse:
    """Remembers nothing."""

    def find(self, sha256s: Sequence[str]) -> dict[str, PhotoRegions]:  # noqa: ARG002
        """Find nothing."""
        return {}

    def keep(self, seen: Mapping[str, PhotoRegions]) -> None:
        """Keep nothing."""


@dataclass(frozen=True, kw_only=True)
class ReadImage:
    """One image of a listing: what became of it, its photo if it can be used, and its fault's code otherwise.

    The `photo` says `index` 0, whatever its place. `code` is that of a `ScanFault`, "" without a fault; `stage_faults`
    are of a decoder that failed.
    """

    result: ImageResult
    photo: Photo | None = None
    code: str = ""
    stage_faults: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Foreseen:
    """A `Sight` of what was read and embedded ahead, on vectors of length `dim`; `seen` lacks photos that failed."""

    images: Sequence[ReadImage]
    seen: Mapping[str, PhotoRegions]
    dim: int

    def photos(self, stages: Stages) -> tuple[tuple[ImageResult, ...], tuple[Photo, ...]]:
        """Give what was read."""
        for image in self.images:
            for fault in image.stage_faults:
                stages.note(fault)
        placed = ((place, image.photo) for place, image in enumerate(self.images))
        photos = tuple(replace(photo, index=place) for place, photo in placed if photo is not None)
        return tuple(image.result for image in self.images), photos

    def regions(self, photos: Sequence[Photo], stages: Stages) -> Regions:  # noqa: ARG002 - nothing is waited for
        """Put the photos' regions together as `embed_regions` does: all middles, then all marks."""
        if failed := [photo.image.sha256 for photo in photos if photo.image.sha256 not in self.seen]:
            raise ModelError(f"the networks failed on {', '.join(failed)}")
        of = [(photo.index, self.seen[photo.image.sha256]) for photo in photos]
        middles = [(index, seen.regions[0]) for index, seen in of]
        marks = [(index, region) for index, seen in of for region in seen.regions[1:]]
        none = np.empty((0, self.dim), np.float32)
        vectors = np.concatenate([none, *(seen.vectors[:1] for _, seen in of), *(seen.vectors[1:] for _, seen in of)])
        return Regions((*middles, *marks), vectors, len(middles))


def read_image(data: bytes, limits: DecodeLimits) -> ReadImage:
    """Decode one image."""
    stages = Stages(NEVER)
    (result,), photos = read_photos((data,), limits, stages)
    if result.fault is None:
        return ReadImage(result=result, photo=photos[0])
    return ReadImage(result=result, code="IMAGE_UNREADABLE", stage_faults=tuple(stages.faults))


def missing_image(error: OSError) -> ReadImage:
    """Say what stands where a file cannot be opened: an image without bytes."""
    message = f"the image cannot be opened: {error.strerror or error}"
    result = ImageResult(sha256="", fault=ImageFault.EMPTY, message=message)
    return ReadImage(result=result, code="IMAGE_MISSING" if _absent(error) else "IMAGE_UNREADABLE")


def embed_ahead(photos: Sequence[Photo], embedder: BatchingEmbedder, reuse: Reuse) -> dict[str, PhotoRegions]:
    """Find and embed the regions of photos, each file once and none that `reuse` has; by sha256.

    When that fails, each photo is embedded by itself, and only those at fault are left out.
    """
    by_digest = {photo.image.sha256: photo for photo in photos}
    seen = reuse.find(sorted(by_digest))
    new = [digest for digest in by_digest if digest not in seen]
    fresh: dict[str, PhotoRegions] = {}
    try:
        fresh = dict(zip(new, _embed([by_digest[digest] for digest in new], embedder), strict=True))
    except Exception:
        log.exception("embedding %d photos at once failed; they are embedded one by one", len(new))
        with _one_by_one:
            for digest in new:
                with contextlib.suppress(Exception):  # whose listing says that it failed
                    (fresh[digest],) = _embed([by_digest[digest]], embedder)
    reuse.keep(fresh)
    return seen | fresh


def _embed(photos: Sequence[Photo], embedder: BatchingEmbedder) -> list[PhotoRegions]:
    if not photos:
        return []
    with in_bulk():
        whole = embed_regions([replace(photo, index=row) for row, photo in enumerate(photos)], embedder, NEVER)
    rows: list[list[int]] = [[] for _ in photos]
    for row, (photo, _) in enumerate(whole.places):
        rows[photo].append(row)
    return [PhotoRegions(tuple(whole.places[row][1] for row in own), whole.vectors[own]) for own in rows]


def _absent(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
