"""`touchstone index`: build the search index anew from the store, or verify the snapshot on disk."""

from __future__ import annotations

import click

from index.opening import build_catalogue
from index.snapshot import current_snapshot, load_snapshot
from serving.app import load_embedder, open_store
from serving.cli.common import print_json, settings_of, wants_json


@click.group()
def index() -> None:
    """Build or verify the index snapshot: a cache of the store, rebuilt at any time."""


@index.command()
@click.pass_context
def build(context: click.Context, /) -> None:
    """Build the index from the store, whatever lies in the index folder."""
    settings = settings_of(context)
    fingerprint = load_embedder(settings).fingerprint
    with open_store(settings) as store:
        catalogue = build_catalogue(store, settings.index_dir, fingerprint, settings.index_backend)
    if wants_json(context):
        print_json({"index_version": catalogue.version, "references": len(catalogue), "model": fingerprint})
    else:
        click.echo(f"index {catalogue.version}: {len(catalogue)} references for {fingerprint}")


@index.command()
@click.pass_context
def verify(context: click.Context, /) -> None:
    """Check the snapshot's format, model and checksums, and whether it is of the store's present state."""
    settings = settings_of(context)
    fingerprint = load_embedder(settings).fingerprint
    path = current_snapshot(settings.index_dir)
    if path is None:
        raise click.ClickException(f"no snapshot in {settings.index_dir}; run `touchstone index build`")
    manifest = load_snapshot(path, fingerprint=fingerprint).manifest
    with open_store(settings) as store:
        current = store.version() == manifest.store_version
    if wants_json(context):
        print_json({"snapshot": str(path), "index_version": manifest.index_version, "current": current})
    else:
        click.echo(f"{path} is sound: version {manifest.index_version}, {'current' if current else 'behind the store'}")
