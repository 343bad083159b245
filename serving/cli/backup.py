"""touchstone backup, touchstone restore: everything that cannot be made again, in one folder, and back."""

from __future__ import annotations

import time
from pathlib import Path

import click

from serving.app import open_store
from serving.backup.manifest import Manifest
from serving.backup.restoring import check_backup, restore_backup
from serving.backup.taking import take_backup
from serving.cli.common import by_actor, print_json, settings_of, wants_json


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@by_actor
@click.pass_context
def backup(context: click.Context, /, folder: Path, actor: str) -> None:
    """Save store, files, policy and settings into a new FOLDER, as of one moment, while the service runs.

    Keys, certificates and passwords are not in it. It holds personal data and the store's secrets: keep it as safely.
    """
    settings, began = settings_of(context), time.monotonic()
    with open_store(settings) as store:
        made = take_backup(store, settings, folder, actor=actor)
    _tell(context, made, f"{folder}: backup {made.backup_id} in {time.monotonic() - began:.1f} s")


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Only read the backup, and compare each file with its checksum.")
@click.pass_context
def restore(context: click.Context, /, folder: Path, *, check: bool) -> None:
    """Put the backup in FOLDER where the settings say; nothing may be there yet. Start the service afterwards.

    Every file is compared with its checksum before, every table after, and the audit log is verified.
    """
    if check:
        _tell(context, check_backup(folder), f"{folder}: whole")
        return
    began = time.monotonic()
    done = restore_backup(folder, settings_of(context))
    sentence = (
        f"{done.rows:,} rows restored in {time.monotonic() - began:.1f} s, {done.audit_entries:,} audit entries sound"
    )
    for name in done.differing:
        click.echo(
            f"warning: the file of the setting `{name}` is not the one of {folder / 'settings' / name}", err=True
        )
    _tell(context, done.manifest, sentence, rows=done.rows, differing=list(done.differing))


def _tell(context: click.Context, made: Manifest, sentence: str, **more: object) -> None:
    if wants_json(context):
        rows = sum(table.rows for table in made.tables.values())
        known = {"backup_id": made.backup_id, "create_time": made.create_time, "rows": rows, "blobs": made.blobs}
        print_json(known | {"missing": list(made.missing), "audit_head": made.audit_head} | more)
    else:
        click.echo(
            f"{sentence}; {made.blobs:,} files of {made.blob_bytes:,} bytes; audit head {made.audit_head or 'none'}"
        )
        for digest in made.missing:
            click.echo(f"warning: the store names the file {digest}, and the blob store did not have it", err=True)
