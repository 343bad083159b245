"""`touchstone scan MANIFEST|--redecide --server HOST:PORT --out URI`: a scan that the service runs, followed from here.

Ctrl-C asks the service to stop the scan and waits until it has; a second one leaves it to itself. A scan that was
stopped goes on with `--server HOST:PORT --resume-scan ID`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from serving.access.caller import ACTOR
from serving.channel import Credentials
from serving.cli.common import SOME_FAILED, message_dict, print_json, stderr
from serving.cli.connection import refusals_told
from serving.cli.scan_cases import NOT_AGREED, somebody_is_there
from serving.cli.scan_query import query_filter, query_message
from serving.scan.client import ScanClient
from serving.scan.manifest import FORMATS
from serving.scan.places import suffix_of
from serving.wire.scan import DEFAULT_CASES
from touchstone.moderation.v1 import scan_pb2

_FAILED = 1
_PREFIX = "SCAN_STATE_"


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How the service is to do it; `max_cases` 0 is the service's own."""

    over_ray: bool
    open_cases: bool
    max_cases: int


def spec_of(source: str | None, out: str, words: dict[str, Any], ways: Ways) -> scan_pb2.ScanSpec:
    """Ask for a scan of a manifest, of a folder (a name without a manifest's ending), or of what was screened."""
    spec = scan_pb2.ScanSpec(
        output_uri=out, filter=query_filter(words), open_cases=ways.open_cases, max_cases=ways.max_cases
    )
    if ways.over_ray:
        spec.runner = scan_pb2.SCAN_RUNNER_RAY
    if source is None:
        spec.mode = scan_pb2.SCAN_MODE_REDECIDE
        spec.catalogue.CopyFrom(query_message(words))
    elif suffix_of(source) in FORMATS:
        spec.manifest_uri = source
    else:
        spec.folder_uri = source
    return spec


@dataclass(frozen=True)
class Remote:
    """A service to scan with: where, by which credentials and in whose name."""

    server: str | None
    credentials: Credentials
    actor: str
    as_json: bool

    def scan(self, spec: scan_pb2.ScanSpec, *, plan_only: bool, yes: bool) -> int:
        """Let it plan a scan, and do it unless `plan_only`; returns the exit code."""
        if not (plan_only or _agreed(spec, yes=yes)):
            return NOT_AGREED
        with self._client() as client:
            scan = client.start(spec, plan_only=plan_only)
            return _tell(scan if plan_only else self._to_its_end(client, scan), as_json=self.as_json)

    def go_on(self, scan_id: str, *, yes: bool) -> int:
        """Let it go on with a scan; returns the exit code."""
        with self._client() as client:
            if not _agreed(client.get(scan_id).spec, yes=yes):
                return NOT_AGREED
            return _tell(self._to_its_end(client, client.resume(scan_id)), as_json=self.as_json)

    @contextmanager
    def _client(self) -> Iterator[ScanClient]:
        server = str(self.server)
        with refusals_told(server), ScanClient(server, self.credentials, metadata=((ACTOR, self.actor),)) as client:
            yield client

    def _to_its_end(self, client: ScanClient, scan: scan_pb2.Scan) -> scan_pb2.Scan:
        if not self.as_json:
            stderr.print(f"scan {scan.scan_id}: {scan.plan.listing_count} listings", highlight=False)
        return _followed(client, scan)


def _agreed(spec: scan_pb2.ScanSpec, *, yes: bool) -> bool:
    """Whether the cases may be opened, if any are asked for: the service shows no preview before it does."""
    if yes or not spec.open_cases:
        return True
    most = spec.max_cases or DEFAULT_CASES
    question = f"The service will open up to {most} cases, and not ask before it does. Go on?"
    return somebody_is_there() and click.confirm(question, err=True)


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
        time = f"; about {round(plan.estimated_duration_ms / 1_000)} s" if plan.estimated_duration_ms else ""
        click.echo(f"{plan.listing_count} listings, {plan.image_count} images{time}")
        click.echo(f"start it with: --resume-scan {scan.scan_id}")
        return
    verdicts = f"ALLOW {progress.allow_count}, REVIEW {progress.review_count}, TAKEDOWN {progress.takedown_count}"
    click.echo(f"{progress.done_count} of {progress.total_count} listings: {verdicts}; {progress.fault_count} faults")
    if scan.spec.open_cases:
        click.echo(f"{progress.case_count} cases opened; see touchstone cases list --scan {scan.scan_id}")
    for fault in progress.first_faults:
        stderr.print(
            f"fault: line {fault.line}: {fault.listing_id}: {fault.error.message}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _state(scan: scan_pb2.Scan) -> str:
    return scan_pb2.ScanState.Name(scan.state).removeprefix(_PREFIX).lower()
