"""`touchstone scan MANIFEST --server HOST:PORT --out URI`: a scan that the service runs, followed from here.

Ctrl-C asks the service to stop the scan and waits until it has; a second one leaves it to itself. A scan that was
stopped goes on with `--server HOST:PORT --resume-scan ID`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from serving.caller import ACTOR
from serving.channel import Credentials
from serving.cli.common import SOME_FAILED, message_dict, print_json, stderr
from serving.cli.connection import refusals_told
from serving.cli.scan_query import query_filter
from serving.scan_client import ScanClient
from serving.scan_manifest import FORMATS
from serving.scan_places import suffix_of
from touchstone.moderation.v1 import scan_pb2

_FAILED = 1
_PREFIX = "SCAN_STATE_"


@dataclass(frozen=True)
class Remote:
    """A service to scan with: where, by which credentials and in whose name; `resume_scan` is a scan's id or ""."""

    server: str | None
    credentials: Credentials
    actor: str
    resume_scan: str

    def scan(self, source: str, out: str, words: dict[str, Any], *, plan_only: bool, as_json: bool) -> int:
        """Let it scan a manifest, or a folder (a name without a manifest's ending); returns the exit code."""
        spec = scan_pb2.ScanSpec(output_uri=out, filter=query_filter(words))
        if suffix_of(source) in FORMATS:
            spec.manifest_uri = source
        else:
            spec.folder_uri = source
        return self._ask(Wanted(spec=spec, plan_only=plan_only), as_json=as_json)

    def go_on(self, *, as_json: bool) -> int:
        """Let it go on with a scan; returns the exit code."""
        return self._ask(Wanted(spec=scan_pb2.ScanSpec(), resume_scan_id=self.resume_scan), as_json=as_json)

    def _ask(self, wanted: Wanted, *, as_json: bool) -> int:
        server = str(self.server)
        with refusals_told(server), ScanClient(server, self.credentials, metadata=((ACTOR, self.actor),)) as client:
            return scan_by_service(client, wanted, as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to ask of the service: a new scan, or one to go on with."""

    spec: scan_pb2.ScanSpec
    resume_scan_id: str = ""
    plan_only: bool = False


def scan_by_service(client: ScanClient, wanted: Wanted, *, as_json: bool) -> int:
    """Start or resume a scan, follow it, and say how it ended; returns the exit code.

    Raises InvalidListing, grpc.RpcError.
    """
    if wanted.resume_scan_id:
        scan = client.resume(wanted.resume_scan_id)
    else:
        scan = client.start(wanted.spec, plan_only=wanted.plan_only)
    if not wanted.plan_only:
        if not as_json:
            stderr.print(f"scan {scan.scan_id}: {scan.plan.listing_count} listings", highlight=False)
        scan = _followed(client, scan)
    return _tell(scan, as_json=as_json)


def _followed(client: ScanClient, scan: scan_pb2.Scan) -> scan_pb2.Scan:
    """Follow a scan to its end; the first Ctrl-C cancels it, the second leaves it to itself."""
    try:
        return _shown(client, scan)
    except KeyboardInterrupt:
        stderr.print("stopping: the service finishes what is in hand; once more leaves it to itself")
        client.cancel(scan.scan_id)
        return _shown(client, scan)


def _shown(client: ScanClient, scan: scan_pb2.Scan) -> scan_pb2.Scan:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("scanning", total=None, rate="")
        latest = scan
        for latest in client.follow(scan.scan_id):
            _move(bar, task, latest)
    return latest


def _move(bar: Progress, task: TaskID, scan: scan_pb2.Scan) -> None:
    progress = scan.progress
    left = f", {round(progress.remaining_ms / 1000)} s left" if progress.remaining_ms else ""
    bar.update(
        task,
        description=_state(scan),
        completed=progress.done_count,
        total=progress.total_count or None,
        rate=f"{progress.listings_per_second:.1f}/s{left}",
    )


def _tell(scan: scan_pb2.Scan, *, as_json: bool) -> int:
    done = scan.state == scan_pb2.SCAN_STATE_SUCCEEDED
    if as_json:
        print_json(message_dict(scan))
    else:
        _say(scan)
    if scan.state == scan_pb2.SCAN_STATE_PLANNED:
        return 0
    if not done:
        return _FAILED
    return SOME_FAILED if scan.progress.fault_count else 0


def _say(scan: scan_pb2.Scan) -> None:
    progress, plan = scan.progress, scan.plan
    click.echo(f"scan {scan.scan_id}: {_state(scan)}: {scan.error.message}".removesuffix(": "))
    if scan.state == scan_pb2.SCAN_STATE_PLANNED:
        click.echo(f"{plan.listing_count} listings, {plan.image_count} images")
        return
    verdicts = f"ALLOW {progress.allow_count}, REVIEW {progress.review_count}, TAKEDOWN {progress.takedown_count}"
    click.echo(f"{progress.done_count} of {progress.total_count} listings: {verdicts}; {progress.fault_count} faults")
    for fault in progress.first_faults:
        stderr.print(
            f"fault: line {fault.line}: {fault.listing_id}: {fault.error.message}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _state(scan: scan_pb2.Scan) -> str:
    return scan_pb2.ScanState.Name(scan.state).removeprefix(_PREFIX).lower()
