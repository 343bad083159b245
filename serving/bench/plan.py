"""How much is measured, and with which settings? The sizes of a run, and what it takes over from the installation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving.settings import Settings

# What of the installation's settings has a bearing on speed. Nothing else is taken over: a run has a store of its own.
CARRIED = (
    *("model", "embedder", "downloads", "device", "threads", "forward", "index_backend", "points"),
    *("max_matches", "workers", "max_waiting"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The sizes of a run. Every figure is the median of `repeats` measurements; durations are in seconds.

    `brands` of the seed catalogue are on record, 0 for all; `references` are the sizes of the indexes, smallest first.
    """

    repeats: int = 5
    photos: int = 48
    batch: int = 32
    naive_photos: int = 8
    brands: int = 0
    in_flight: int = 24
    saturated_s: float = 8.0
    loaded_s: float = 12.0
    decode_s: float = 1.0
    references: tuple[int, ...] = (10_000, 100_000)
    decisions: int = 8
    scanned: int = 64


FULL = Plan()
QUICK = Plan(
    repeats=3,
    photos=16,
    batch=16,
    naive_photos=2,
    brands=24,
    in_flight=16,
    saturated_s=3.0,
    loaded_s=4.0,
    decode_s=0.5,
    references=(10_000,),
    decisions=3,
    scanned=16,
)
"""About a minute; to see that all is in order, not to quote."""


def bench_settings(settings: Settings, folder: Path) -> Settings:
    """Give the settings of a run in `folder`: the installation's as far as they bear on speed."""
    return Settings(data_dir=folder, **{name: getattr(settings, name) for name in CARRIED})
