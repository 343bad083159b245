"""Is this Ray fit for the scan? How many workers it gets, with which settings; what cannot work is refused at once."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from serving.errors import RunnerError
from serving.ray_session import ray_session
from serving.scan.blocks import BLOCK_ENTRIES, Opener, ScanItem, ScanSource
from serving.scan.ray_runner import RayRunner
from serving.scan.ray_worker import Probe, WorkerTask
from serving.settings import Settings


@contextmanager
def ray_runner(task: WorkerTask, *, address: str | None, workers: int) -> Iterator[RayRunner]:
    """Start Ray here (`address` None) or join a cluster, for as long as the block runs.

    workers: how many; 0 is one for each GPU, without GPUs one for each processor.

    Raises:
        RunnerError: Ray cannot be had, is too small, or reaches over machines that cannot share the store.

    """
    with ray_session(address, workers=workers):
        total = _resources()
        gpus = total["GPU"] if task.settings.embedder == "torch" and task.settings.device != "cpu" else 0
        workers = workers or int(gpus) or int(total["CPU"])
        check_fit(task.settings, total, workers, gpus)
        share = min(1.0, gpus / workers)
        yield RayRunner(replace(task, settings=_for_workers(task.settings, share)), workers=workers, gpus=share)


def probe_of(source: ScanSource, opener: Opener) -> Probe | None:
    """Read the first image that there is, so that workers can be asked whether they see the same one."""
    for entry in itertools.islice(source.entries(), BLOCK_ENTRIES):
        for image in entry.images if isinstance(entry, ScanItem) else ():
            try:
                return Probe(image, sha256(opener.read(image)).hexdigest())
            except OSError:
                continue  # a fault of that listing, told in its place
    return None


def _resources() -> dict[str, float]:
    ray: Any = importlib.import_module("ray")
    nodes = [node for node in ray.nodes() if node["Alive"]]
    total: dict[str, float] = ray.cluster_resources()
    return {"CPU": 0.0, "GPU": 0.0} | total | {"nodes": len(nodes)}


def check_fit(settings: Settings, total: dict[str, float], workers: int, gpus: float) -> None:
    """Raise RunnerError where waiting would not help. `total` are Ray's CPU, GPU and nodes."""
    if workers > total["CPU"]:
        raise RunnerError(f"{workers} workers are asked for, and Ray has {total['CPU']:.0f} processors for them")
    if settings.device.startswith("cuda") and not gpus:
        raise RunnerError(f"device is {settings.device}, and Ray knows of no GPU")
    place = settings.store_place
    if total["nodes"] > 1 and (isinstance(place, Path) or not place.startswith("postgresql")):
        raise RunnerError(
            f"Ray has {total['nodes']:.0f} machines, and an SQLite store is one machine's: set `store` to PostgreSQL"
            " (docs/storage.md)"
        )


def _for_workers(settings: Settings, share: float) -> Settings:
    """Make settings mean the same in another process: whole paths, and the one GPU that Ray shows a worker."""
    paths = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update={**paths, "device": "cuda" if share else "cpu"})
