"""`touchstone blobs`: verify the files of references and photos, collect those of no use, copy them elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain

import click

from index.blob_upkeep import GRACE, collect, copy, faults, lacking
from index.blobs import Blob, open_blobs
from index.errors import BlobDamaged, BlobMissing
from serving.app import open_blobs as open_blobs_of
from serving.app import open_store
from serving.case_rules import load_case_rules
from serving.cli.common import Faults, print_json, progress, settings_of, wants_json
from serving.photo_keeping import retention

_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# An upload puts its file first and records it then: less time would take files from under uploads.
LEAST_GRACE = timedelta(hours=1)


class Span(click.ParamType[timedelta]):
    """A length of time such as 90m, 24h or 7d."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it; what is one already passes."""
        if isinstance(value, timedelta):
            return value
        found = _SPAN.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no span of time; write 90m, 24h or 7d", param, ctx)
        span = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        if span < LEAST_GRACE:
            self.fail(f"{value} is too short: an upload under way would lose its file; give at least 1h", param, ctx)
        return span


@click.group()
def blobs() -> None:
    """Keep the files of references and photos in order."""


@blobs.command()
@click.pass_context
def verify(context: click.Context, /) -> None:
    """Read every file and compare it with its digest, then look for references and photos without a file.

    Exit code 3 when a file is damaged or missing.
    """
    settings = settings_of(context)
    shelf, found = open_blobs_of(settings), Faults()
    present = {blob.sha256 for blob in _noting(progress(faults(shelf), what="verifying"), found)}
    damaged = found.count
    with open_store(settings) as store:
        references = ((f"the reference {reference_id}", sha256) for reference_id, sha256 in store.reference_files())
        for owner, sha256 in lacking(shelf, chain(references, store.photo_files()), present):
            found.add(BlobMissing(f"the file {sha256} of {owner} is missing; send it in again, or put back a backup"))
    missing = found.count - damaged
    if wants_json(context):
        print_json({"files": len(present), "damaged": damaged, "missing": missing})
    else:
        click.echo(f"{len(present)} files read, {damaged} damaged; {missing} references or photos without a file")
    found.exit_if_any(context)


@blobs.command("collect")
@click.option("--older-than", type=Span(), default=GRACE, help="Only files put longer ago. [24h]")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.pass_context
def collect_garbage(context: click.Context, /, *, older_than: timedelta, dry_run: bool) -> None:
    """Let go of photos and evidence packages whose time is over, then delete files that nothing in the store names.

    Safe while the service runs.
    """
    settings = settings_of(context)
    shelf, now = open_blobs_of(settings), datetime.now(UTC)
    with open_store(settings) as store:
        old = now - retention(settings, load_case_rules(settings.case_rules))
        expired, _ = store.expire_photos(before=old, now=now, dry_run=dry_run)
        if not dry_run:
            store.let_packages_go(now)
        done = collect(shelf, store.named_blobs, older_than=older_than, dry_run=dry_run)
    if wants_json(context):
        counts = {"kept": done.kept, "deleted": done.deleted, "freed_bytes": done.freed_bytes}
        print_json(counts | {"expired_photos": expired, "dry_run": dry_run})
    else:
        verb = "would be deleted" if dry_run else "deleted"
        click.echo(f"{done.deleted} files of {done.freed_bytes:,} bytes {verb}, {done.kept} kept")
        click.echo(f"{expired} photos {'would be let go of' if dry_run else 'were let go of'}: their time is over")


@blobs.command("copy")
@click.option("--to", "target", required=True, metavar="FOLDER|URL", help="As the setting `blobs`.")
@click.pass_context
def copy_all(context: click.Context, /, target: str) -> None:
    """Copy all files to another store: then set `blobs` to it, and copy once more what came meanwhile."""
    found = Faults()
    copied = _count(copy(open_blobs_of(settings_of(context)), open_blobs(target)), found, what="copying")
    if wants_json(context):
        print_json({"files": copied - found.count, "damaged": found.count})
    else:
        click.echo(f"{copied - found.count} files are in {target.partition('?')[0]}, {found.count} were damaged")
    found.exit_if_any(context)


def _count(read: Iterable[tuple[Blob, str]], found: Faults, *, what: str) -> int:
    return sum(1 for _ in _noting(progress(read, what=what), found))


def _noting(read: Iterator[tuple[Blob, str]], found: Faults) -> Iterator[Blob]:
    for blob, fault in read:
        if fault:
            found.add(BlobDamaged(fault))
        yield blob
