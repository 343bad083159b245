"""What does a worker of a scan over Ray build? The very parts that a scan on one machine is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

from serving.app import open_application
from serving.scan.blocks import Opener
from serving.scan.identity import ScanIdentity, ScanVersions
from serving.scan.ray_worker import Workbench
from serving.scan.reuse import open_reuse
from serving.scan.screening import ScanScreener
from serving.settings import Settings
from serving.steadying import SCAN_BATCH


@contextmanager
def open_bench(settings: Settings, *, opener: Opener, identity: ScanIdentity, reuse: bool) -> Iterator[Workbench]:
    """Open the application for one scan; closed in reverse order on exit."""
    with ExitStack() as resources:
        pipeline = resources.enter_context(open_application(settings, exactly=SCAN_BATCH)).pipeline
        kept = resources.enter_context(open_reuse(settings, pipeline.embedder.fingerprint)) if reuse else None
        screener = resources.enter_context(ScanScreener(pipeline, opener, identity, reuse=kept))
        yield Workbench(screener=screener, opener=opener, versions=asdict(ScanVersions.of(pipeline)))
