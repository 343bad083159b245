"""`touchstone scan --ray [ADDRESS]`: the same scan, spread over Ray's workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from serving.scan.blocks import BLOCK_ENTRIES, ScanSource
from serving.scan.identity import ScanIdentity
from serving.scan.local import Progress, Stopping
from serving.scan.opening import OpenedSource
from serving.scan.ray_runner import RayRunner, scan_over_ray
from serving.scan.ray_start import probe_of, ray_runner
from serving.scan.ray_worker import WorkerTask
from serving.scan.workspace import Workspace, tally_of
from serving.settings import Settings

LOCAL = "local"


@contextmanager
def runner_of(
    settings: Settings, opened: OpenedSource, identity: ScanIdentity, *, address: str, reuse: bool
) -> Iterator[RayRunner]:
    """Start Ray here (`LOCAL`) or join a cluster. Raises RunnerError."""
    task = WorkerTask(
        make="serving.scan.ray_bench:open_bench",
        settings=settings,
        versions=asdict(identity.versions),
        options={"opener": opened.opener, "identity": identity, "reuse": reuse},
        probe=probe_of(opened.source, opened.opener),
    )
    with ray_runner(task, address=None if address == LOCAL else address, workers=settings.ray_workers) as runner:
        yield runner


def scan_on_ray(
    runner: RayRunner,
    source: ScanSource,
    workspace: Workspace,
    progress: Progress,
    stopping: Stopping,
    *,
    total: int,
) -> bool:
    """Run the blocks that are not done, of `total` entries; whether the scan is finished. Raises RunnerError."""
    block_count = -(-total // BLOCK_ENTRIES)
    for number in range(block_count):
        if number in workspace:
            progress(workspace.tally(number), True)
    return scan_over_ray(
        runner,
        source,
        workspace,
        block_count=block_count,
        kept=lambda result: progress(tally_of(result), False),
        stopped=lambda: stopping.asked,
    )
