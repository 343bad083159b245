"""touchstone privacy: what the store holds of people, and how somebody is erased."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from index.blob_upkeep import drop
from index.photos import Forgotten
from index.store.personal import PERSONAL, Personal
from index.store.store import Store
from serving.app import open_blobs, open_store
from serving.cli.blobs import LEAST_GRACE
from serving.cli.common import SOME_FAILED, by_actor, print_json, settings_of, wants_json
from serving.settings import Settings


@click.group()
def privacy() -> None:
    """Tell where personal data are, and erase somebody's."""


@privacy.command("list")
@click.pass_context
def list_columns(context: click.Context, /) -> None:
    """List every column with personal data: whose, how it is erased, how long it is kept otherwise."""
    rows = [_row(table, part) for table, parts in PERSONAL.items() for part in parts]
    if wants_json(context):
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['table']}: {', '.join(row['columns'])}")
        click.echo(f"    of {row['of']}; {row['erased']}; kept {row['kept']}")


@privacy.command()
@click.option("--seller", metavar="ID", help="A seller: their identity, what they wrote, their photos.")
@click.option("--buyer", metavar="ID", help="Who reported: their words, their name in notices, their id.")
@click.option("--reviewer", metavar="NAME", help="Who works here or for a brand: their name, as in their credential.")
@by_actor
@click.pass_context
def erase(context: click.Context, /, seller: str, buyer: str, reviewer: str, actor: str) -> None:
    """Erase somebody. Evidence and the audit log stay whole; what a legal hold covers stays, with exit code 3."""
    if sum(map(bool, (seller, buyer, reviewer))) != 1:
        raise click.UsageError("name one of --seller, --buyer and --reviewer")
    settings, held = settings_of(context), 0
    with open_store(settings) as store:
        if seller:
            now = datetime.now(UTC)
            found = store.erase_seller(seller, actor=actor, now=now)
            forgotten = store.forget_photos(seller_id=seller, now=now)
            held = len(forgotten.held)
            found |= {"photos": len(forgotten.photos), "files_deleted": _drop(store, settings, forgotten, now)}
        else:
            found = store.erase_reporter(buyer, actor=actor) if buyer else store.erase_staff(reviewer, actor=actor)
    if wants_json(context):
        print_json({"erased": found, "held": held})
    else:
        click.echo("erased: " + (", ".join(f"{count} {what}" for what, count in found.items()) or "nothing was there"))
    if held:
        click.echo(f"{held} photos stay under legal holds", err=True)
        context.exit(SOME_FAILED)


def _row(table: str, part: Personal) -> dict[str, Any]:
    told = {"of": str(part.whose), "erased": str(part.erasure), "kept": part.retention}
    return {"table": table, "columns": part.columns.split()} | told


def _drop(store: Store, settings: Settings, forgotten: Forgotten, now: datetime) -> int:
    """Delete the files of photos at once; those that came within the grace period wait for the next collection."""
    files = {photo.sha256 for photo in forgotten.photos}
    return drop(open_blobs(settings), files, store.named_blobs, before=now - LEAST_GRACE)
