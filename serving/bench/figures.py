"""What came of a run? The figures that docs/speed.md explains, None where one was not measured, and their ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LOAD = 0.6
"""Share of the saturated rate at which latencies are measured."""


@dataclass(frozen=True, kw_only=True)
class SearchFigures:
    """One size of index. `qps` counts regions, searched 16 at a time; `bytes` is what the index holds.

    `share` is the search stage's part of a decision's time with that index, and `decision_ms` that time, p50.
    """

    qps: float
    recall_at_10: float
    bytes: int
    share: float
    decision_ms: float


@dataclass(frozen=True, kw_only=True)
class Forward:
    """The networks alone: photos a second with all regions of each, and which way they go."""

    model: str
    path: str
    img_s: float
    batch_16_ms: float
    eager_img_s: float | None = None
    least_cosine: float | None = None
    gflop_per_image: float | None = None


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service over gRPC: decisions a second of listings of one photo, and latencies at `LOAD` of that."""

    img_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    memory_mib: float | None = None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All that one run measured. `stages_ms` are those of a decision among the most references, by itself, p50."""

    device: str
    model: str
    repeats: int
    gemm_peak_gflops: float | None = None
    forward: Forward | None = None
    service: Service | None = None
    naive_img_s: float | None = None
    decode_img_s: float | None = None
    scan_listings_s: float | None = None
    search: Mapping[int, SearchFigures] = field(default_factory=dict)
    stages_ms: Mapping[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Give what `--json` prints; the names are those that other tools rely on."""
        forward, service = self.forward, self.service
        ratios = {each.name: each.value for each in self.ratios()}
        return {
            "device": self.device,
            "model": self.model,
            "forward_path": forward.path if forward else None,
            "repeats": self.repeats,
            "gemm_peak_gflops": self.gemm_peak_gflops,
            "model_gflop_per_image": forward.gflop_per_image if forward else None,
            "forward_img_s": forward.img_s if forward else None,
            "forward_batch_16_ms": forward.batch_16_ms if forward else None,
            "eager_img_s": forward.eager_img_s if forward else None,
            "least_cosine": forward.least_cosine if forward else None,
            "service_img_s": service.img_s if service else None,
            "naive_img_s": self.naive_img_s,
            "p50_ms": service.p50_ms if service else None,
            "p99_ms": service.p99_ms if service else None,
            "failed": service.failed if service else None,
            "memory_mib": service.memory_mib if service else None,
            "decode_img_s": self.decode_img_s,
            "scan_listings_s": self.scan_listings_s,
            "search": {str(size): asdict(figures) for size, figures in self.search.items()},
            "stages_ms": {stage: round(ms, 3) for stage, ms in self.stages_ms.items()},
            **ratios,
        }

    def ratios(self) -> tuple[Ratio, ...]:
        """Give the ratios that a run is judged by."""
        return tuple(_ratios(self))


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One ratio: None where it was not measured; `bar` is the least that is asked, or with `at_most` the most."""

    name: str
    words: str
    value: float | None
    bar: float
    aim: float
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether it passes its bar; None where it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar


def _ratios(figures: Figures) -> Iterator[Ratio]:
    forward, service = figures.forward, figures.service
    served = service.img_s if service else None
    yield Ratio(
        name="service_over_forward",
        words="service at saturation / forward alone",
        value=_over(served, forward.img_s if forward else None),
        bar=0.60,
        aim=0.85,
    )
    yield Ratio(
        name="service_over_naive",
        words="service at saturation / naive pipeline",
        value=_over(served, figures.naive_img_s),
        bar=2.0,
        aim=3.0,
    )
    yield Ratio(
        name="p99_over_batch_16",
        words="p99 at 60% of saturation / forward at batch 16",
        value=_over(service.p99_ms if service else None, forward.batch_16_ms if forward else None),
        bar=3.0,
        aim=2.0,
        at_most=True,
    )
    sizes = sorted(figures.search)
    yield Ratio(
        name="search_share",
        words="search / a decision's time, largest index",
        value=figures.search[sizes[-1]].share if sizes else None,
        bar=0.10,
        aim=0.10,
        at_most=True,
    )
    yield Ratio(
        name="forward_over_eager",
        words="forward / plain float32 eager forward",
        value=_over(forward.img_s if forward else None, forward.eager_img_s if forward else None),
        bar=2.0,
        aim=4.0,
    )
    grown = len(sizes) > 1
    yield Ratio(
        name="cost_growth",
        words="a decision's time, largest / smallest index",
        value=_over(figures.search[sizes[-1]].decision_ms, figures.search[sizes[0]].decision_ms) if grown else None,
        bar=1.2,
        aim=1.2,
        at_most=True,
    )


def _over(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None
