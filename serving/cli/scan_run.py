"""`touchstone scan MANIFEST|FOLDER --out OUT.parquet`: what was asked for, and by which road it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from serving.cli.common import SOME_FAILED, Told, by_actor, print_json, settings_of, wants_json
from serving.cli.connection import with_credentials
from serving.cli.scan_again import RedecideRequest, redecide
from serving.cli.scan_cases import CasesWanted, case_options, open_cases
from serving.cli.scan_here import ScreenRequest, screen
from serving.cli.scan_query import QUERY_WORDS, catalogue_options, query_filter
from serving.cli.scan_ray import LOCAL
from serving.cli.scan_remote import Remote, Ways, spec_of
from serving.settings import Settings


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
@click.option("--redecide", "again", is_flag=True, help="Decide again on listings already screened, without photos.")
@catalogue_options
@click.option(
    "--open-cases", is_flag=True, help="Then open a case for each listing that became worse; first a preview."
)
@case_options
@click.option("--resume-scan", metavar="ID", default="", help="With --server: go on with this scan.")
@by_actor
@with_credentials("Let a running service scan.")
# What the service starts: progress as JSON on stdout, nothing read outside of `scan_roots`, gone with the service.
@click.option("--for-service", is_flag=True, hidden=True)
@click.pass_context
def run(context: click.Context, /, source: str | None, out: Path | None, *, server: str | None, **asked: Any) -> None:
    """Screen every listing of a manifest or folder into one Parquet file, and tell what could not be done.

    With --redecide, decide again on listings already screened; the options from --brand to --min-similarity say which.
    A scan of a manifest can be narrowed by --seller and --market.
    """
    _check(not (asked["resume"] and asked["restart"]), "--resume and --restart exclude each other")
    words = {name: asked.pop(name) for name in QUERY_WORDS}
    again, resume_scan = asked.pop("again"), asked.pop("resume_scan")
    remote = Remote(server, asked.pop("credentials"), asked.pop("actor"), as_json=wants_json(context))
    if server and resume_scan:
        context.exit(remote.go_on(resume_scan, yes=asked["yes"]))
    _check(not resume_scan, "--resume-scan needs --server")
    _check(asked["open_cases"] or not (asked["max_cases"] or asked["yes"]), "--max-cases and --yes need --open-cases")
    _check((source is None) == again, "say what to scan: a manifest, a folder, or --redecide and which listings")
    if out is None:
        raise click.UsageError("say where the rows go: --out OUT.parquet")
    if server:
        spec = spec_of(source, str(out), words, _there(asked))
        context.exit(remote.scan(spec, plan_only=asked["plan_only"], yes=asked["yes"]))
    told = _here(settings_of(context), source, out, words, asked, as_json=wants_json(context))
    if wants_json(context):
        print_json(told.document)
    context.exit(told.code)


def _check(kept: bool, rule: str) -> None:
    if not kept:
        raise click.UsageError(rule)


def _refuse(options: dict[str, Any], why: str) -> None:
    """Refuse the first of the options that is given."""
    for name, value in options.items():
        _check(not value, f"--{name.replace('_', '-')} {why}")


def _there(asked: dict[str, Any]) -> Ways:
    """Say how a service is to do it."""
    local = {name: asked[name] for name in ("resume", "restart", "no_reuse")}
    _refuse(local, "is for scans of this machine; leave it out with --server")
    _check(asked["ray"] in (None, LOCAL), "--ray takes no address with --server: the service has its own")
    return Ways(over_ray=asked["ray"] is not None, open_cases=asked["open_cases"], max_cases=asked["max_cases"] or 0)


def _here(
    settings: Settings, source: str | None, out: Path, words: dict[str, Any], asked: dict[str, Any], *, as_json: bool
) -> Told:
    """Scan in this process, and open cases if that is wanted."""
    ways = {name: asked[name] for name in ("resume", "restart", "plan_only", "for_service")}
    more = {name: asked[name] for name in ("no_reuse", "ray")}
    if source is None:
        _refuse(more, "is about photos, which --redecide does without")
        told = redecide(RedecideRequest(settings=settings, out=out, words=words, **ways), as_json=as_json)
    else:
        others = {name: value for name, value in words.items() if name not in ("seller", "market")}
        _refuse(others, "asks for what only --redecide knows of a listing")
        where = query_filter(words)
        told = screen(
            ScreenRequest(settings=settings, source=source, out=out, where=where, **ways, **more), as_json=as_json
        )
    if not asked["open_cases"] or asked["plan_only"] or told.code not in (0, SOME_FAILED):
        return told
    wanted = CasesWanted.of(asked)
    cases = open_cases(out, settings, wanted, as_json=as_json)
    return Told(code=cases.code or told.code, document=told.document | {"cases": cases.document})
