"""What does one run measure, and in which order? The parts in this process first, then the service in one of its own.

Nothing of the installation is touched but its model: a run fills a folder of its own with the seed catalogue and drawn
photos, and leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.catalogue import ReferenceCatalogue
from reference_brands.seed import seed_brands, seed_marks
from serving.app import Application, open_application
from serving.bench.figures import Figures, SearchFigures
from serving.bench.load import Load
from serving.bench.networks import measure_decode, measure_forward, measure_naive
from serving.bench.plan import Plan, bench_settings
from serving.bench.references import measure_search
from serving.bench.scanning import measure_scan
from serving.bench.service import started_service
from serving.bench.timing import median_of
from serving.bench.workload import BenchPhoto, draw_photos
from serving.channel import Credentials
from serving.deadline import NEVER
from serving.domain import Listing
from serving.knowledge import catch_up
from serving.reference_sources import seed_references
from serving.registry import add_references
from serving.settings import Settings
from serving.stages import Stages
from serving.steadying import SCAN_BATCH
from serving.visual import embed_regions, read_photos
from vision.clip import resolve_device
from vision.decode import DecodeLimits, decode
from vision.measuring import describe_device, matrix_product_gflops

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Inside:
    """What is measured with the whole application in this process."""

    search: dict[int, SearchFigures]
    stages_ms: dict[str, float]
    scan_listings_s: float
    references: NDArray[np.float32]


def run_here(settings: Settings, plan: Plan, *, say: Say = lambda _words: None) -> Figures:
    """Measure everything on this machine, `say`ing what comes next. Raises TouchstoneError."""
    with tempfile.TemporaryDirectory(prefix="touchstone-bench-") as place:
        folder = Path(place)
        own = bench_settings(settings, folder / "data")
        device = resolve_device(own.device)
        brands = seed_brands()[: plan.brands or None]
        say("drawing photos")
        photos = draw_photos(plan.photos, brands)
        files = [photo.content for photo in photos]
        say("matrix products, decoding, the networks alone")
        forward = measure_forward(own, [decode(data).pixels for data in files], batch=plan.batch, repeats=plan.repeats)
        figures = Figures(
            device=describe_device(device),
            model=forward.model,
            repeats=plan.repeats,
            gemm_peak_gflops=median_of(lambda: matrix_product_gflops(device), plan.repeats),
            forward=forward,
            decode_img_s=measure_decode(
                files, threads=os.cpu_count() or 1, seconds=plan.decode_s, repeats=plan.repeats
            ),
        )
        say("seeding a registry; search among many references; a scan")
        inside = _inside(own, plan, photos, folder)
        say("the naive pipeline")
        naive = measure_naive(own, files[: plan.naive_photos], inside.references, repeats=plan.repeats)
        say("the service")
        with started_service(own) as service:
            load = Load(photos, service.target, Credentials(), in_flight=plan.in_flight)
            served = load.measure(saturated_s=plan.saturated_s, loaded_s=plan.loaded_s, repeats=plan.repeats)
            served = replace(served, memory_mib=service.peak_mib())
        return replace(
            figures,
            search=inside.search,
            stages_ms=inside.stages_ms,
            scan_listings_s=inside.scan_listings_s,
            naive_img_s=naive,
            service=served,
        )


def run_against(target: str, credentials: Credentials, plan: Plan, *, say: Say = lambda _words: None) -> Figures:
    """Measure a running service over gRPC and nothing else. Raises BenchError, SettingsError, grpc.RpcError.

    It records a decision for each listing that it is sent, and opens cases as for any other.
    """
    say("drawing photos")
    load = Load(draw_photos(plan.photos, seed_brands()), target, credentials, in_flight=plan.in_flight)
    model = load.model()
    say(f"the service at {target}")
    served = load.measure(saturated_s=plan.saturated_s, loaded_s=plan.loaded_s, repeats=plan.repeats)
    return Figures(device=target, model=model, repeats=plan.repeats, service=served)


def _inside(settings: Settings, plan: Plan, photos: Sequence[BenchPhoto], folder: Path) -> _Inside:
    """Fill the registry, and measure search, decisions and a scan with it."""
    with open_application(settings) as application:
        _seed(application, plan.brands)
        listings = [Listing(listing_id=f"own-{number}", images=(each.content,)) for number, each in enumerate(photos)]
        catalogue = ReferenceCatalogue.build(application.store, application.embedder.fingerprint)
        search, stages = measure_search(
            application.pipeline,
            catalogue,
            listings[: plan.decisions],
            _marks(application, photos),
            folder / "indexes",
            sizes=plan.references,
            repeats=plan.repeats,
        )
    with open_application(settings, exactly=SCAN_BATCH) as application:
        (folder / "photos").mkdir()
        scanned = measure_scan(
            application.pipeline, photos, folder / "photos", listings=plan.scanned, repeats=plan.repeats
        )
    return _Inside(
        search=search, stages_ms=stages, scan_listings_s=scanned, references=catalogue.layers[0].columns.vectors
    )


def _seed(application: Application, brands: int) -> None:
    """Put the marks of the first so many brands of the seed catalogue on record, 0 for all, and index them."""
    only = {brand.brand_id for brand in seed_brands()[:brands]} if brands else None
    add_references(application.store, application.embedder, seed_references(seed_marks(only)))
    catch_up(application.knowledge)


def _marks(application: Application, photos: Sequence[BenchPhoto]) -> NDArray[np.float32]:
    """Embed what may be marks in the photos: float32 [n, dim] unit rows."""
    _, read = read_photos([photo.content for photo in photos], DecodeLimits(), Stages(NEVER))
    regions = embed_regions(read, application.embedder, NEVER)
    return regions.vectors[regions.photos :]
