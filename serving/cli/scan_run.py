"""`touchstone scan MANIFEST --out OUT.parquet`: the plan, the work with a bar, and what it came to."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from serving.app import open_application
from serving.cli.common import SOME_FAILED, print_json, settings_of, stderr, wants_json
from serving.cli.scan_telling import Teller, stop_with_the_service, tell_finished
from serving.pipeline import Pipeline
from serving.scan_blocks import blocks
from serving.scan_files import ScanFiles
from serving.scan_filter import ScanFilter
from serving.scan_identity import identify
from serving.scan_local import Progress as OnBlock
from serving.scan_local import Stopping, scan_locally
from serving.scan_opening import OpenedSource, open_source
from serving.scan_plan import Contents, ScanPlan, count, estimate
from serving.scan_reuse import EmbeddingFile, open_reuse
from serving.scan_screening import ScanScreener
from serving.scan_workspace import Tally, faults_of, open_workspace
from serving.settings import Settings
from serving.steadying import SCAN_BATCH

INTERRUPTED = 1


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What was asked for."""

    settings: Settings
    source: str
    out: Path
    resume: bool
    restart: bool
    plan_only: bool
    reuse: bool
    for_service: bool


@click.command()
@click.argument("source", metavar="MANIFEST|FOLDER")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="OUT.parquet, to write.")
@click.option("--resume", is_flag=True, help="Go on with a scan that was interrupted.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever is there.")
@click.option("--plan", "plan_only", is_flag=True, help="Only say how much there is and how long it will take.")
@click.option("--no-reuse", is_flag=True, help="Embed all images anew, and keep nothing of it.")
@click.option("--seller", "sellers", multiple=True, metavar="ID", help="Only this seller's; may be given again.")
@click.option("--market", "markets", multiple=True, metavar="CC", help="Only of this market; may be given again.")
# What the service starts: progress as JSON on stdout, nothing read outside of `scan_roots`, gone with the service.
@click.option("--for-service", is_flag=True, hidden=True)
@click.pass_context
def run(context: click.Context, /, source: str, out: Path, no_reuse: bool, **asked: Any) -> None:
    """Screen every listing of a manifest or folder into one Parquet file, and tell what could not be done."""
    if asked["resume"] and asked["restart"]:
        raise click.UsageError("--resume and --restart exclude each other")
    only = ScanFilter(sellers=frozenset(asked.pop("sellers")), markets=frozenset(asked.pop("markets")))
    request = _Request(settings=settings_of(context), source=source, out=out, reuse=not no_reuse, **asked)
    if request.for_service:
        stop_with_the_service()
    files = (ScanFiles.of_service if request.for_service else ScanFiles.of_user)(request.settings.scan_roots)
    with ExitStack() as resources:
        opened = open_source(request.source, files, only)
        contents = count(opened.source.entries())
        application = resources.enter_context(open_application(request.settings, exactly=SCAN_BATCH))
        reuse = _reuse(request, application.pipeline, resources)
        code = _scan(request, opened, contents, application.pipeline, reuse, as_json=wants_json(context))
    context.exit(code)


def _reuse(request: _Request, pipeline: Pipeline, resources: ExitStack) -> EmbeddingFile | None:
    if not request.reuse:
        return None
    return resources.enter_context(open_reuse(request.settings, pipeline.embedder.fingerprint))


def _scan(
    request: _Request,
    opened: OpenedSource,
    contents: Contents,
    pipeline: Pipeline,
    reuse: EmbeddingFile | None,
    *,
    as_json: bool,
) -> int:
    """Plan, work and tell; returns the exit code."""
    identity = identify(pipeline, opened.source.digest)
    if request.plan_only:
        with ScanScreener(pipeline, opened.opener, identity, reuse=reuse) as screener:
            _tell_plan(estimate(contents, screener, reuse), as_json=as_json)
        return 0
    with open_workspace(request.out, identity, resume=request.resume, restart=request.restart) as workspace:
        if workspace is None:
            if request.for_service:
                tell_finished(request.out, identity.versions, contents)
            return _finished(request, as_json=as_json)
        with ScanScreener(pipeline, opened.opener, workspace.identity, reuse=reuse) as screener:
            plan = estimate(contents, screener, reuse)
            if not as_json:
                _tell_plan(plan, as_json=False)
            total = contents.listing_count + contents.fault_count
            with _stopping() as stopping, _bar(total) as bar:
                progress: OnBlock = bar.add
                if request.for_service:
                    progress = Teller(request.out, identity.versions, contents, plan).after(progress)
                done = scan_locally(
                    screener, blocks(opened.source.entries()), workspace, progress=progress, stopping=stopping
                )
    return _tell(request, plan, bar, finished=done, as_json=as_json)


class Bar:
    """Counts what is done, and moves a bar."""

    def __init__(self, bar: Progress, total: int) -> None:
        self.tally = Tally.none()
        self.before = 0
        self.total = total
        self._bar = bar
        self._task = bar.add_task("scanning", total=total, rate="")
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long this run has been at work."""
        return time.perf_counter() - self._start

    @property
    def rate(self) -> float:
        """Listings a second in this run."""
        return (self.tally.rows - self.before) / max(self.seconds, 1e-9)

    def add(self, tally: Tally, before: bool) -> None:
        """Count a block in."""
        self.tally.add(tally)
        self.before += tally.rows if before else 0
        done = self.tally.rows + self.tally.faults.get("MANIFEST_ROW", 0) + self.tally.faults.get("DUPLICATE_ID", 0)
        self._bar.update(self._task, completed=min(done, self.total), rate=f"{self.rate:.1f}/s")


@contextmanager
def _bar(total: int) -> Iterator[Bar]:
    """Show a bar on stderr with rate and time left; quiet when that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not sys.stderr.isatty()) as bar:
        yield Bar(bar, total)


@contextmanager
def _stopping() -> Iterator[Stopping]:
    """Take the first Ctrl-C or SIGTERM as the wish to stop; a second one ends the process at once."""
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before: dict[signal.Signals, Any] = {}

    def ask(_number: int, _frame: object) -> None:
        stderr.print("stopping: what is in hand is finished first; once more ends at once")
        stopping.ask()
        for number, handler in before.items():
            signal.signal(number, handler)

    before |= {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_plan(plan: ScanPlan, *, as_json: bool) -> None:
    if as_json:
        print_json({"plan": asdict(plan)})
        return
    minutes, seconds = divmod(round(plan.estimated_s), 60)
    faults = f", {plan.fault_count} rows that break the rules" if plan.fault_count else ""
    stderr.print(
        f"plan: {plan.listing_count} listings, {plan.image_count} images (about {plan.reused_image_count} of them "
        f"embedded before){faults}; about {minutes} min {seconds} s",
        highlight=False,
        soft_wrap=True,
    )


def _tell(request: _Request, plan: ScanPlan, bar: Bar, *, finished: bool, as_json: bool) -> int:
    tally = bar.tally
    again = f"touchstone scan {request.source} --out {request.out} --resume"
    if as_json:
        document = {
            "finished": finished,
            "plan": asdict(plan),
            "rows": tally.rows,
            "rows_before": bar.before,
            "verdicts": dict(sorted(tally.verdicts.items())),
            "faults": dict(sorted(tally.faults.items())),
            "seconds": round(bar.seconds, 3),
            "listings_per_second": round(bar.rate, 3),
            "out": str(request.out),
            "faults_file": str(faults_of(request.out)),
        }
        print_json(document if finished else document | {"resume": again})
    elif not finished:
        stderr.print(
            f"stopped: {tally.rows} of {plan.listing_count} listings are done and kept; go on with: {again}",
            highlight=False,
            soft_wrap=True,
        )
    else:
        verdicts = ", ".join(f"{name} {number}" for name, number in sorted(tally.verdicts.items())) or "no listing"
        click.echo(f"{request.out}: {tally.rows} listings: {verdicts}; {bar.rate:.1f} a second")
        if tally.faults:
            faults = ", ".join(f"{name} {number}" for name, number in sorted(tally.faults.items()))
            click.echo(f"{faults_of(request.out)}: {tally.faults.total()} faults: {faults}")
    if not finished:
        return INTERRUPTED
    return SOME_FAILED if tally.faults else 0


def _finished(request: _Request, *, as_json: bool) -> int:
    """Say that nothing is left to do."""
    with faults_of(request.out).open(encoding="utf-8") as lines:
        faults = sum(1 for _ in lines)
    if as_json:
        print_json({"finished": True, "out": str(request.out), "faults_file": str(faults_of(request.out))})
    else:
        click.echo(f"{request.out} is finished already")
    return SOME_FAILED if faults else 0
