"""`touchstone index`: build the search index anew from the store, keep it young, or verify the snapshot on disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from index.build_lock import building
from index.builder import BuiltIndex, build_index, follow
from index.verifying import Verification, verify_snapshot
from serving.app import load_embedder, open_store
from serving.cli.common import print_json, settings_of, wants_json

_NAMED = 5  # of what differs; the rest is counted


@click.group()
def index() -> None:
    """Build or verify the index snapshot: a cache of the store, rebuilt at any time."""


@index.command()
@click.option("--follow", "following", is_flag=True, help="Stay, and build whenever a new snapshot is due.")
@click.option(
    "--changes",
    type=click.IntRange(min=1),
    help="With --follow: build after so many changes. [a twentieth of the references, from 1,000 to 10,000]",
)
@click.pass_context
def build(context: click.Context, /, *, following: bool, changes: int | None) -> None:
    """Build the index from the store, whatever lies in the index folder; running replicas take it up."""
    if changes is not None and not following:
        raise click.UsageError("--changes says when to build again, so it needs --follow")
    settings = settings_of(context)
    fingerprint = load_embedder(settings).fingerprint

    def told(built: BuiltIndex) -> None:
        if wants_json(context):
            print_json(asdict(built))
        else:
            click.echo(f"index {built.index_version}: {built.references} references for {built.model}")

    with open_store(settings) as store, building(settings.index_dir) as alone:
        if not alone:
            raise click.ClickException(f"another process builds in {settings.index_dir}; stop that one, or let it work")
        last = build_index(store, settings.index_dir, fingerprint, settings.index_backend)
        told(last)
        if following:
            with _until_signalled() as wait:
                follow(
                    store,
                    settings.index_dir,
                    fingerprint,
                    settings.index_backend,
                    last=last,
                    changes=changes,
                    wait=lambda: wait(settings.refresh_s),
                    built=told,
                )


@index.command()
@click.pass_context
def verify(context: click.Context, /) -> None:
    """Check the snapshot's format, model and checksums, and that it holds what the store says. Exit code 1 if not."""
    settings = settings_of(context)
    fingerprint = load_embedder(settings).fingerprint
    with open_store(settings) as store:
        found = verify_snapshot(store, settings.index_dir, fingerprint)
    if found is None:
        raise click.ClickException(f"no snapshot in {settings.index_dir}; run `touchstone index build`")
    if wants_json(context):
        print_json({**asdict(found), "sound": found.sound, "current": found.behind == 0})
    else:
        click.echo(_sentence(found))
    if not found.sound:
        context.exit(1)


@contextmanager
def _until_signalled() -> Iterator[Callable[[float], bool]]:
    """Give a wait that says whether the process may go on: not after SIGTERM or SIGINT."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda seconds: not stop.wait(seconds)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sentence(found: Verification) -> str:
    behind = "current" if found.behind == 0 else f"{found.behind} changes behind the store, which replicas add"
    if found.sound:
        return f"{found.snapshot} is sound: version {found.index_version}, {found.references} references, {behind}"
    faults = [
        f"{len(names)} {what} ({', '.join(names[:_NAMED])}{', ...' if len(names) > _NAMED else ''})"
        for what, names in (
            ("references missing", found.missing),
            ("too many", found.surplus),
            ("differing", found.differing),
            ("with embeddings in the store that cannot be searched", found.unusable),
        )
        if names
    ]
    if found.same:
        return f"{found.snapshot} has all of the store that can be searched, but not all of it: {'; '.join(faults)}."
    return (
        f"{found.snapshot} is not what the store says: {'; '.join(faults) or 'brands or removed listings differ'}. "
        "Run `touchstone index build`."
    )
