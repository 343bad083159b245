"""Where do a listing's photos come from? Its own files, looked at one by one, or what a scan looked at ahead.

`serving.pipeline` asks a `Sight` for photos and for their embedded regions; everything that follows is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from serving.batching import BatchingEmbedder
from serving.decoding import Decoder, decode_here
from serving.domain import ImageResult
from serving.stages import Stages
from serving.visual import Photo, Regions, embed_regions, read_photos
from vision.decode import DecodeLimits


class Sight(Protocol):
    """What is seen of one listing."""

    def photos(self, stages: Stages) -> tuple[tuple[ImageResult, ...], tuple[Photo, ...]]:
        """Say what became of each image, and give those that could be read; faults go to `stages`."""

    def regions(self, photos: Sequence[Photo], stages: Stages) -> Regions:
        """Give the regions of these photos with their embeddings. May raise: the caller runs it as a stage."""


@dataclass(frozen=True)
class OwnFiles:
    """The encoded files that came with the listing."""

    images: Sequence[bytes]
    limits: DecodeLimits
    embedder: BatchingEmbedder
    decoder: Decoder = decode_here

    def photos(self, stages: Stages) -> tuple[tuple[ImageResult, ...], tuple[Photo, ...]]:
        """Decode each image by itself."""
        return read_photos(self.images, self.limits, stages, self.decoder)

    def regions(self, photos: Sequence[Photo], stages: Stages) -> Regions:
        """Find and embed the regions of the listing's photos."""
        return embed_regions(photos, self.embedder, stages.deadline)
