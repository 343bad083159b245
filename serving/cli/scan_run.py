"""`touchstone scan MANIFEST --out OUT.parquet`: the plan, the work with a bar, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from serving.app import open_application
from serving.cli.common import SOME_FAILED, by_actor, print_json, settings_of, stderr, wants_json
from serving.cli.connection import with_credentials
from serving.cli.scan_again import redecide_command
from serving.cli.scan_bar import Bar, counting, stopping_on_signals
from serving.cli.scan_query import QUERY_WORDS, catalogue_options
from serving.cli.scan_ray import LOCAL, runner_of, scan_on_ray
from serving.cli.scan_remote import Remote
from serving.cli.scan_telling import Teller, stop_with_the_service, tell_finished
from serving.pipeline import Pipeline
from serving.scan_blocks import blocks
from serving.scan_files import ScanFiles
from serving.scan_filter import ScanFilter
from serving.scan_identity import identify
from serving.scan_local import Progress as OnBlock
from serving.scan_local import scan_locally
from serving.scan_opening import OpenedSource, open_source
from serving.scan_plan import Contents, ScanPlan, count, estimate
from serving.scan_ray import RayRunner
from serving.scan_reuse import EmbeddingFile, open_reuse
from serving.scan_screening import ScanScreener
from serving.scan_workspace import Workspace, faults_of, open_workspace
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
    ray: str | None


@click.command()
@click.argument("source", metavar="MANIFEST|FOLDER", required=False)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="OUT.parquet, to write.")
@click.option("--resume", is_flag=True, help="Go on with a scan that was interrupted.")
@click.option("--restart", is_flag=True, help="Begin anew, whatever is there.")
@click.option("--plan", "plan_only", is_flag=True, help="Only say how much there is and how long it will take.")
@click.option("--no-reuse", is_flag=True, help="Embed all images anew, and keep nothing of it.")
@click.option(
    "--ray", is_flag=False, flag_value=LOCAL, metavar="[ADDRESS]", help="Over Ray: on this machine, or a cluster."
)
@click.option("--redecide", is_flag=True, help="Decide on listings already screened again, without their photos.")
@catalogue_options
@click.option("--resume-scan", metavar="ID", default="", help="With --server: go on with this scan.")
@by_actor
@with_credentials("Let a running service scan.")
# What the service starts: progress as JSON on stdout, nothing read outside of `scan_roots`, gone with the service.
@click.option("--for-service", is_flag=True, hidden=True)
@click.pass_context
def run(
    context: click.Context,
    /,
    source: str | None,
    out: Path | None,
    *,
    redecide: bool,
    server: str | None,
    **asked: Any,
) -> None:
    """Screen every listing of a manifest or folder into one Parquet file, and tell what could not be done.

    With --redecide, decide again on listings already screened; the options from --brand to --min-similarity say which.
    A scan of a manifest can be narrowed by --seller and --market.
    """
    if asked["resume"] and asked["restart"]:
        raise click.UsageError("--resume and --restart exclude each other")
    words = {name: asked.pop(name) for name in QUERY_WORDS}
    remote = Remote(server, asked.pop("credentials"), asked.pop("actor"), asked.pop("resume_scan"))
    if redecide:
        _check(
            source is None and not server, "--redecide goes over the listings of this store: no MANIFEST, no --server"
        )
        context.exit(redecide_command(context, _out(out), words, resume=asked["resume"], restart=asked["restart"]))
    if server and remote.resume_scan:
        context.exit(remote.go_on(as_json=wants_json(context)))
    _check(source is not None, "say what to scan: a manifest or a folder")
    if server:
        place, target = str(source), str(_out(out))
        context.exit(remote.scan(place, target, words, plan_only=asked["plan_only"], as_json=wants_json(context)))
    context.exit(_run_here(context, str(source), _out(out), words, asked))


def _check(kept: bool, rule: str) -> None:
    if not kept:
        raise click.UsageError(rule)


def _out(out: Path | None) -> Path:
    if out is None:
        raise click.UsageError("say where the rows go: --out OUT.parquet")
    return out


def _run_here(context: click.Context, source: str, out: Path, words: dict[str, Any], asked: dict[str, Any]) -> int:
    """Scan in this process; returns the exit code."""
    given = [name for name, value in words.items() if value and name not in ("seller", "market")]
    _check(not given, f"--{'--'.join(given[:1]).replace('_', '-')} asks for what only --redecide knows of a listing")
    only = ScanFilter(sellers=frozenset(words["seller"]), markets=frozenset(words["market"]))
    reuse = not asked.pop("no_reuse")
    request = _Request(settings=settings_of(context), source=source, out=out, reuse=reuse, **asked)
    if request.for_service:
        stop_with_the_service()
    files = (ScanFiles.of_service if request.for_service else ScanFiles.of_user)(request.settings.scan_roots)
    with ExitStack() as resources:
        opened = open_source(request.source, files, only)
        contents = count(opened.source.entries())
        application = resources.enter_context(open_application(request.settings, exactly=SCAN_BATCH))
        kept = _reuse(request, application.pipeline, resources)
        return _scan(request, opened, contents, application.pipeline, kept, as_json=wants_json(context))


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
            with _ray(request, opened, workspace) as runner, stopping_on_signals() as stopping, counting(total) as bar:
                progress: OnBlock = bar.add
                if request.for_service:
                    progress = Teller(request.out, identity.versions, contents, plan).after(progress)
                if runner is None:
                    done = scan_locally(
                        screener, blocks(opened.source.entries()), workspace, progress=progress, stopping=stopping
                    )
                else:
                    done = scan_on_ray(runner, opened.source, workspace, progress, stopping, total=total)
    return _tell(request, plan, bar, finished=done, as_json=as_json)


@contextmanager
def _ray(request: _Request, opened: OpenedSource, workspace: Workspace) -> Iterator[RayRunner | None]:
    """Start or join Ray when it is asked for."""
    if request.ray is None:
        yield None
        return
    with runner_of(request.settings, opened, workspace.identity, address=request.ray, reuse=request.reuse) as runner:
        yield runner


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
    ray = f" --ray {request.ray}" if request.ray else ""
    again = f"touchstone scan {request.source} --out {request.out} --resume{ray}"
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
