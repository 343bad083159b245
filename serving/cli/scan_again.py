"""`touchstone scan --redecide --out OUT.parquet`: decide on listings already screened again, without their photos."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from index.scans import ScreenedListing
from index.store.store import Store
from serving.app import load_calibration, load_embedder, open_store
from serving.cli.common import SOME_FAILED, print_json, settings_of, wants_json
from serving.cli.scan_bar import Bar, counting, stopping_on_signals
from serving.cli.scan_query import query_of
from serving.scan_blocks import blocks
from serving.scan_catalogue import CatalogueQuery, open_selection, select, selection_of
from serving.scan_identity import ScanIdentity, ScanVersions
from serving.scan_local import scan_locally
from serving.scan_redecide import REDECIDE_ENTRIES, Judges
from serving.scan_redecide_workers import RedecideJob, redecide_workers
from serving.scan_workspace import faults_of, open_workspace
from serving.settings import Settings

_PROCESSES = 2
_INTERRUPTED = 1


def redecide_command(context: click.Context, out: Path, words: dict[str, Any], *, resume: bool, restart: bool) -> int:
    """Select listings of the store, and decide on them by what is in force now; returns the exit code."""
    settings, query = settings_of(context), query_of(words)
    with open_store(settings) as store:
        judges = Judges.open(store, settings)
        source = open_selection(out, _selected(store, settings, query), resume=resume)
        versions = ScanVersions(touchstone_version=importlib.metadata.version("touchstone"), **judges.versions)
        identity = ScanIdentity(
            source_digest=source.digest,
            versions=versions,
            options=("redecide", repr(query)),
            begin_time=datetime.now(UTC),
        )
        with open_workspace(out, identity, resume=resume, restart=restart) as workspace:
            if workspace is None:
                click.echo(f"{out} is finished already", err=True)
                return 0
            job = RedecideJob(settings=settings, scan_id=workspace.identity.scan_id, versions=judges.versions)
            with (
                redecide_workers(job, processes=_PROCESSES) as workers,
                stopping_on_signals() as stopping,
                counting(len(source)) as bar,
            ):
                entries = blocks(source.entries(), REDECIDE_ENTRIES)
                done = scan_locally(workers, entries, workspace, progress=bar.add, stopping=stopping)
    if done:
        selection_of(out).unlink(missing_ok=True)
    return _tell(out, bar, finished=done, as_json=wants_json(context))


def _selected(store: Store, settings: Settings, query: CatalogueQuery) -> Iterable[ScreenedListing]:
    """Read what the query asks for; only a likeness to a reference needs the model's name."""
    if not query.reference_id:
        return select(store, query)
    fingerprint = load_embedder(settings).fingerprint
    return select(store, query, fingerprint=fingerprint, calibration=load_calibration(fingerprint))


def _tell(out: Path, bar: Bar, *, finished: bool, as_json: bool) -> int:
    tally = bar.tally
    if as_json:
        print_json(
            {
                "finished": finished,
                "rows": tally.rows,
                "verdicts": dict(sorted(tally.verdicts.items())),
                "faults": dict(sorted(tally.faults.items())),
                "seconds": round(bar.seconds, 3),
                "out": str(out),
                "faults_file": str(faults_of(out)),
            }
        )
    else:
        verdicts = ", ".join(f"{name} {number}" for name, number in sorted(tally.verdicts.items())) or "no listing"
        click.echo(f"{out}: {tally.rows} listings decided again: {verdicts}; {bar.rate:.0f} a second")
    if not finished:
        click.echo(f"stopped: go on with: touchstone scan --redecide --out {out} --resume", err=True)
        return _INTERRUPTED
    return SOME_FAILED if tally.faults else 0
