"""What do decoding, the networks alone and a naive pipeline come to? Measured in this process, without the service.

All three see the same photos and the same regions: those that the finder names, cut out once. The forward is the path
that is in force (`forward` of the settings) over batches; beside it stand the same weights eager in float32, and the
naive pipeline: Pillow, one crop at a time through that, and a flat search.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from serving.app import load_embedder, load_finder
from serving.bench.figures import Forward
from serving.bench.timing import median_seconds
from serving.embedders import path_of
from serving.settings import Settings
from serving.visual import SURROUNDINGS
from vision.decode import decode
from vision.embedder import Embedder
from vision.finder import Finder
from vision.forward import EAGER
from vision.measuring import gflop_of
from vision.regions import Box, Region, crop, middle

Crops = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Networks:
    """What looks at photos, by one path."""

    embedder: Embedder
    finder: Finder

    @classmethod
    def load(cls, settings: Settings) -> Networks:
        """Load what the settings name. Raises ModelError, CheckpointError."""
        return cls(load_embedder(settings), load_finder(settings))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Photos in pixels with what is embedded of each: its middle and its marks, as the service cuts them."""

    photos: Crops
    boxes: Sequence[Sequence[Box]]

    @classmethod
    def by(cls, finder: Finder, photos: Crops) -> Seen:
        """Let a finder name the regions."""
        return cls(photos=photos, boxes=[[_widened(region) for region in regions] for regions in finder.find(photos)])

    def first(self, count: int) -> Seen:
        """Give the first photos."""
        return replace(self, photos=self.photos[:count], boxes=self.boxes[:count])

    def look(self, networks: Networks) -> NDArray[np.float32]:
        """Pass all of it through the networks, as large as batches get: float32 [n, dim]."""
        networks.finder.find(self.photos)
        middles = networks.embedder.embed([middle(photo) for photo in self.photos])
        cuts = [crop(photo, box) for photo, boxes in zip(self.photos, self.boxes, strict=True) for box in boxes]
        return np.concatenate([middles, networks.embedder.embed_marks(cuts)])


def measure_forward(settings: Settings, photos: Crops, *, batch: int, repeats: int) -> Forward:
    """Measure the path in force at `batch` photos and at 16, and the same eager in float32."""
    networks = Networks.load(settings)
    seen = Seen.by(networks.finder, [photos[number % len(photos)] for number in range(batch)])
    sixteen = seen.first(16)
    rows = seen.look(networks)
    measured = Forward(
        model=networks.embedder.fingerprint,
        path=path_of(settings) or settings.embedder,
        img_s=batch / median_seconds(lambda: seen.look(networks), repeats),
        batch_16_ms=1_000 * median_seconds(lambda: sixteen.look(networks), repeats) * 16 / len(sixteen.photos),
    )
    if settings.embedder != "torch":
        return measured
    plain, one = Networks.load(settings.model_copy(update={"forward": EAGER})), seen.first(1)
    expected = seen.look(plain)
    return replace(
        measured,
        eager_img_s=batch / median_seconds(lambda: seen.look(plain), repeats),
        least_cosine=float(np.einsum("ij,ij->i", rows, expected).min()),
        gflop_per_image=gflop_of(lambda: one.look(plain)),
    )


def measure_naive(
    settings: Settings, files: Sequence[bytes], references: NDArray[np.float32], *, repeats: int
) -> float:
    """Measure the naive pipeline over files, against references float32 [n, dim]: photos a second."""
    plain = Networks.load(settings.model_copy(update={"forward": EAGER}))
    boxes = [Seen.by(plain.finder, [decode(data).pixels]).boxes[0] for data in files]

    def run() -> None:
        for data, regions in zip(files, boxes, strict=True):
            _naively(data, regions, plain, references)

    run()
    return len(files) / median_seconds(run, repeats)


def measure_decode(files: Sequence[bytes], *, threads: int, seconds: float, repeats: int) -> float:
    """Measure `vision.decode` by so many threads: photos a second."""
    rates = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            began, done = time.perf_counter(), 0
            while time.perf_counter() - began < seconds:
                done += len(list(pool.map(decode, files)))
            rates.append(done / (time.perf_counter() - began))
    return statistics.median(rates)


def _naively(data: bytes, boxes: Sequence[Box], plain: Networks, references: NDArray[np.float32]) -> None:
    """Do what a first script would: the whole photo decoded, each crop by itself, each compared with everything."""
    photo = Pillow.open(io.BytesIO(data)).convert("RGB")
    plain.finder.find([np.asarray(photo)])
    embed: list[tuple[Callable[[Crops], NDArray[np.float32]], Pillow.Image]] = [(plain.embedder.embed, photo)]
    width, height = photo.size
    for box in boxes:
        cut = photo.crop((box.x1 * width, box.y1 * height, box.x2 * width, box.y2 * height))
        embed.append((plain.embedder.embed_marks, cut))
    for see, cut in embed:
        (vector,) = see([np.asarray(cut)])
        np.argsort(-(references @ vector))


def _widened(region: Region) -> Box:
    return region.box.grown(SURROUNDINGS)
