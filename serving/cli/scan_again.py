"""`touchstone scan --redecide --out OUT.parquet`: decide on listings already screened again, without their photos."""

from __future__ import annotations

import importlib.metadata
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from index.scans import ScreenedListing
from index.store.store import Store
from serving.app import load_calibration, load_embedder, open_store
from serving.cli.common import SOME_FAILED, Told
from serving.cli.scan_bar import Bar, counting, stopping_on_signals
from serving.cli.scan_query import query_filter, query_message, query_of
from serving.cli.scan_telling import Teller, stop_with_the_service, tell_finished
from serving.scan.blocks import blocks
from serving.scan.catalogue import CatalogueQuery, CatalogueSource, open_selection, select, selection_of
from serving.scan.identity import ScanIdentity, ScanVersions
from serving.scan.local import Progress, Screener, scan_locally
from serving.scan.redecide import REDECIDE_ENTRIES, Judges
from serving.scan.redecide_workers import RedecideJob, open_redecider, redecide_workers
from serving.scan.words import to_words
from serving.scan.workspace import Workspace, count_faults, faults_of, finished_as, open_workspace
from serving.settings import Settings

_PROCESSES = 2
_INTERRUPTED = 1


@dataclass(frozen=True, kw_only=True)
class RedecideRequest:
    """What was asked for; `words` are those of `serving.cli.scan_query`."""

    settings: Settings
    out: Path
    words: dict[str, Any]
    resume: bool
    restart: bool
    plan_only: bool
    for_service: bool

    @property
    def typed(self) -> tuple[str, ...]:
        """The query as it is typed."""
        return to_words(query_message(self.words), query_filter(self.words))

    @property
    def options(self) -> tuple[str, ...]:
        """What the scan's identity and its file name."""
        return ("redecide", *self.typed)


def redecide(request: RedecideRequest, *, as_json: bool) -> Told:
    """Select listings of the store, and decide on them by what is in force now. Words are printed unless `as_json`."""
    if request.for_service:
        stop_with_the_service()
    if request.plan_only:
        return _plan(request, as_json=as_json)
    # Before anything is selected, which by now may be something else.
    if request.resume and finished_as(request.out, request.options):
        return _finished(request, as_json=as_json)
    query = query_of(request.words)
    with open_store(request.settings) as store:
        judges = Judges.open(store, request.settings)
        source = open_selection(request.out, _selected(store, request.settings, query), resume=request.resume)
        versions = ScanVersions(touchstone_version=importlib.metadata.version("touchstone"), **judges.versions)
        identity = ScanIdentity(
            source_digest=source.digest, versions=versions, options=request.options, begin_time=datetime.now(UTC)
        )
        with open_workspace(request.out, identity, resume=request.resume, restart=request.restart) as workspace:
            if workspace is None:
                return _finished(request, as_json=as_json)
            bar, done = _work(request, store, source, workspace)
    if done:
        selection_of(request.out).unlink(missing_ok=True)
    return _tell(request, bar, finished=done, as_json=as_json)


def _plan(request: RedecideRequest, *, as_json: bool) -> Told:
    with open_store(request.settings) as store:
        count = sum(1 for _ in _selected(store, request.settings, query_of(request.words)))
    if not as_json:
        click.echo(f"plan: {count} listings", err=True)
    return Told(code=0, document={"plan": {"listing_count": count}})


def _work(request: RedecideRequest, store: Store, source: CatalogueSource, workspace: Workspace) -> tuple[Bar, bool]:
    """Decide on all; whether it came to the end."""
    with (
        _deciding(request, store, source, workspace.identity) as screener,
        stopping_on_signals() as stopping,
        counting(len(source)) as bar,
    ):
        progress: Progress = bar.add
        if request.for_service:
            progress = Teller(request.out, workspace.identity.versions, len(source)).after(progress)
        entries = blocks(source.entries(), REDECIDE_ENTRIES)
        return bar, scan_locally(screener, entries, workspace, progress=progress, stopping=stopping)


@contextmanager
def _deciding(
    request: RedecideRequest, store: Store, source: CatalogueSource, identity: ScanIdentity
) -> Iterator[Screener]:
    """Decide in processes side by side; in this one where they would take longer to start than to decide."""
    versions = {name: value for name, value in asdict(identity.versions).items() if name != "touchstone_version"}
    job = RedecideJob(settings=request.settings, scan_id=identity.scan_id, versions=versions)
    if len(source) <= REDECIDE_ENTRIES:
        yield open_redecider(store, job)
        return
    with redecide_workers(job, processes=_PROCESSES) as workers:
        yield workers


def _selected(store: Store, settings: Settings, query: CatalogueQuery) -> Iterable[ScreenedListing]:
    """Read what the query asks for; only a likeness to a reference needs the model's name."""
    if not query.reference_id:
        return select(store, query)
    fingerprint = load_embedder(settings).fingerprint
    return select(store, query, fingerprint=fingerprint, calibration=load_calibration(fingerprint))


def _tell(request: RedecideRequest, bar: Bar, *, finished: bool, as_json: bool) -> Told:
    tally, out = bar.tally, request.out
    document = {
        "finished": finished,
        "rows": tally.rows,
        "verdicts": dict(sorted(tally.verdicts.items())),
        "faults": dict(sorted(tally.faults.items())),
        "seconds": round(bar.seconds, 3),
        "out": str(out),
        "faults_file": str(faults_of(out)),
    }
    if not as_json:
        verdicts = ", ".join(f"{name} {number}" for name, number in sorted(tally.verdicts.items())) or "no listing"
        click.echo(f"{out}: {tally.rows} listings decided again: {verdicts}; {bar.rate:.0f} a second")
    if not finished:
        again = shlex.join(["touchstone", "scan", "--redecide", "--out", str(out), "--resume", *request.typed])
        click.echo(f"stopped: go on with: {again}", err=True)
        return Told(code=_INTERRUPTED, document=document | {"resume": again})
    return Told(code=SOME_FAILED if tally.faults else 0, document=document)


def _finished(request: RedecideRequest, *, as_json: bool) -> Told:
    if request.for_service:
        tell_finished(request.out)
    return told_finished(request.out, quiet=as_json or request.for_service)


def told_finished(out: Path, *, quiet: bool) -> Told:
    """Say that nothing is left to do."""
    if not quiet:
        click.echo(f"{out} is finished already")
    return Told(
        code=SOME_FAILED if count_faults(out) else 0,
        document={"finished": True, "out": str(out), "faults_file": str(faults_of(out))},
    )
