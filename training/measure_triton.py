"""How much does a Triton server cost or gain against the networks in the service's own process? Both in one run.

    touchstone export-triton models/ && tritonserver --model-repository models/
    python -m training.measure_triton --url 127.0.0.1:8001

Rounds alternate between the two, so that what else the machine does falls on both. On one machine they share its
processors: what the server gains by looking at one batch while the next is made ready, it may lose to exchange.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

import click
import numpy as np
from numpy.typing import NDArray

from serving.cli.common import print_json
from vision.embedder import Embedder

_CROPS = 64  # what the service's queue passes on at most


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """Crops a second, medians over the rounds; and the median of the rounds' ratios."""

    here_photos_s: float
    triton_photos_s: float
    photos_ratio: float
    here_marks_s: float
    triton_marks_s: float
    marks_ratio: float


def measure(here: Embedder, there: Embedder, *, rounds: int = 5, batches: int = 1) -> Speeds:
    """Time both on the same crops of 448 pixels, `batches` times 64 in each of `rounds` rounds."""
    crops = _crops()
    for embedder in (here, there):  # warm
        embedder.embed(crops)
        embedder.embed_marks(crops)
    photos = [[_speed(one, crops, batches, marks=False) for one in (here, there)] for _ in range(rounds)]
    marks = [[_speed(one, crops, batches, marks=True) for one in (here, there)] for _ in range(rounds)]
    return Speeds(
        here_photos_s=median(one for one, _ in photos),
        triton_photos_s=median(other for _, other in photos),
        photos_ratio=median(other / one for one, other in photos),
        here_marks_s=median(one for one, _ in marks),
        triton_marks_s=median(other for _, other in marks),
        marks_ratio=median(other / one for one, other in marks),
    )


def measure_server(url: str, *, model: str, device: str = "auto", threads: int = 0, rounds: int = 5) -> Speeds:
    """Measure the server at `url` against `model` in this process. Raises ModelError, ModelUnavailable."""
    from vision.clip import load_embedder
    from vision.networks import load_network
    from vision.triton.connection import Connection, Server
    from vision.triton.embedder import TritonEmbedder

    connection = Connection(Server(url=url, timeout_s=60.0))
    there = TritonEmbedder(load_network(model, downloads=False), connection)
    return measure(load_embedder(model, device=device, threads=threads or None), there, rounds=rounds)


def _speed(embedder: Embedder, crops: Sequence[NDArray[np.uint8]], batches: int, *, marks: bool) -> float:
    embed = embedder.embed_marks if marks else embedder.embed
    begun = time.perf_counter()
    for _ in range(batches):
        embed(crops)
    return batches * len(crops) / (time.perf_counter() - begun)


def _crops() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (448, 448, 3), np.uint8) for _ in range(_CROPS)]


@click.command()
@click.option("--url", required=True, metavar="HOST:PORT", help="The server's gRPC.")
@click.option("--model", default="touchstone-s", show_default=True)
@click.option("--device", default="auto", show_default=True, help="Of the networks in this process.")
@click.option("--threads", type=click.IntRange(min=0), default=0, show_default=True, help="CPU threads; 0: one a core.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(url: str, model: str, device: str, threads: int, rounds: int) -> None:
    """Measure a Triton server against the networks here."""
    print_json(asdict(measure_server(url, model=model, device=device, threads=threads, rounds=rounds)))


if __name__ == "__main__":
    main()
