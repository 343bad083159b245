"""`touchstone scan MANIFEST|FOLDER` in this process: the plan, the work with a bar, and what it came to."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from serving.app import open_application
from serving.cli.common import SOME_FAILED, Told, stderr
from serving.cli.scan_again import told_finished
from serving.cli.scan_bar import Bar, counting, stopping_on_signals
from serving.cli.scan_ray import LOCAL, runner_of, scan_on_ray
from serving.cli.scan_telling import Teller, stop_with_the_service, tell_finished
from serving.pipeline import Pipeline
from serving.scan.blocks import blocks
from serving.scan.files import ScanFiles
from serving.scan.filter import to_filter
from serving.scan.identity import identify
from serving.scan.local import Progress as OnBlock
from serving.scan.local import scan_locally
from serving.scan.opening import OpenedSource, open_source
from serving.scan.plan import Contents, ScanPlan, count, estimate
from serving.scan.ray_runner import RayRunner
from serving.scan.reuse import EmbeddingFile, open_reuse
from serving.scan.screening import ScanScreener
from serving.scan.words import to_words
from serving.scan.workspace import Workspace, faults_of, open_workspace
from serving.settings import Settings
from serving.steadying import SCAN_BATCH
from touchstone.moderation.v1 import catalogue_pb2, scan_pb2

_INTERRUPTED = 1


@dataclass(frozen=True, kw_only=True)
class ScreenRequest:
    """What was asked for. `ray` is where Ray is, or None."""

    settings: Settings
    source: str
    out: Path
    where: catalogue_pb2.ListingFilter
    resume: bool
    restart: bool
    plan_only: bool
    no_reuse: bool
    for_service: bool
    ray: str | None


def screen(request: ScreenRequest, *, as_json: bool) -> Told:
    """Screen all that a source holds. Words are printed unless `as_json`."""
    if request.for_service:
        stop_with_the_service()
    files = (ScanFiles.of_service if request.for_service else ScanFiles.of_user)(request.settings.scan_roots)
    with ExitStack() as resources:
        opened = open_source(request.source, files, to_filter(request.where))
        contents = count(opened.source.entries())
        application = resources.enter_context(open_application(request.settings, exactly=SCAN_BATCH))
        kept = _reuse(request, application.pipeline, resources)
        return _scan(request, opened, contents, application.pipeline, kept, as_json=as_json)


def _reuse(request: ScreenRequest, pipeline: Pipeline, resources: ExitStack) -> EmbeddingFile | None:
    if request.no_reuse:
        return None
    return resources.enter_context(open_reuse(request.settings, pipeline.embedder.fingerprint))


def _scan(
    request: ScreenRequest,
    opened: OpenedSource,
    contents: Contents,
    pipeline: Pipeline,
    reuse: EmbeddingFile | None,
    *,
    as_json: bool,
) -> Told:
    """Plan, work and tell."""
    identity = identify(pipeline, opened.source.digest, to_filter(request.where).words())
    if request.plan_only:
        with ScanScreener(pipeline, opened.opener, identity, reuse=reuse) as screener:
            return _tell_plan(estimate(contents, screener, reuse), as_json=as_json)
    with open_workspace(request.out, identity, resume=request.resume, restart=request.restart) as workspace:
        if workspace is None:
            if request.for_service:
                tell_finished(request.out)
            return told_finished(request.out, quiet=as_json or request.for_service)
        with ScanScreener(pipeline, opened.opener, workspace.identity, reuse=reuse) as screener:
            plan = estimate(contents, screener, reuse)
            if not as_json:
                _tell_plan(plan, as_json=False)
            bar, done = _work(request, opened, workspace, screener, plan)
    return _tell(request, plan, bar, finished=done, as_json=as_json)


def _work(
    request: ScreenRequest, opened: OpenedSource, workspace: Workspace, screener: ScanScreener, plan: ScanPlan
) -> tuple[Bar, bool]:
    """Screen block after block; whether it came to the end."""
    total = plan.listing_count + plan.fault_count
    # Made before Ray's session, which takes stdout away.
    teller = Teller(request.out, workspace.identity.versions, total, plan) if request.for_service else None
    with _ray(request, opened, workspace) as runner, stopping_on_signals() as stopping, counting(total) as bar:
        progress: OnBlock = teller.after(bar.add) if teller else bar.add
        if runner is not None:
            return bar, scan_on_ray(runner, opened.source, workspace, progress, stopping, total=total)
        entries = blocks(opened.source.entries())
        return bar, scan_locally(screener, entries, workspace, progress=progress, stopping=stopping)


@contextmanager
def _ray(request: ScreenRequest, opened: OpenedSource, workspace: Workspace) -> Iterator[RayRunner | None]:
    """Start or join Ray when it is asked for."""
    if request.ray is None:
        yield None
        return
    reuse = not request.no_reuse
    with runner_of(request.settings, opened, workspace.identity, address=request.ray, reuse=reuse) as runner:
        yield runner


def _tell_plan(plan: ScanPlan, *, as_json: bool) -> Told:
    told = Told(code=0, document={"plan": asdict(plan)})
    if as_json:
        return told
    minutes, seconds = divmod(round(plan.estimated_s), 60)
    faults = f", {plan.fault_count} rows that break the rules" if plan.fault_count else ""
    stderr.print(
        f"plan: {plan.listing_count} listings, {plan.image_count} images (about {plan.reused_image_count} of them "
        f"embedded before){faults}; about {minutes} min {seconds} s",
        highlight=False,
        soft_wrap=True,
    )
    return told


def _tell(request: ScreenRequest, plan: ScanPlan, bar: Bar, *, finished: bool, as_json: bool) -> Told:
    tally = bar.tally
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
    if not finished:
        again = _again(request)
        if not as_json:
            stderr.print(
                f"stopped: {tally.rows} of {plan.listing_count} listings are done and kept; go on with: {again}",
                highlight=False,
                soft_wrap=True,
            )
        return Told(code=_INTERRUPTED, document=document | {"resume": again})
    if not as_json:
        verdicts = ", ".join(f"{name} {number}" for name, number in sorted(tally.verdicts.items())) or "no listing"
        click.echo(f"{request.out}: {tally.rows} listings: {verdicts}; {bar.rate:.1f} a second")
        if tally.faults:
            faults = ", ".join(f"{name} {number}" for name, number in sorted(tally.faults.items()))
            click.echo(f"{faults_of(request.out)}: {tally.faults.total()} faults: {faults}")
    return Told(code=SOME_FAILED if tally.faults else 0, document=document)


def _again(request: ScreenRequest) -> str:
    """Say which command goes on."""
    ray = () if request.ray is None else ("--ray",) if request.ray == LOCAL else ("--ray", request.ray)
    only = to_words(scan_pb2.CatalogueQuery(), request.where)
    return shlex.join(["touchstone", "scan", request.source, "--out", str(request.out), "--resume", *only, *ray])
