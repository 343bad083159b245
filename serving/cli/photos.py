"""`touchstone photos`: how many photos are kept for people who decide, and how a person has some erased."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from index.blob_upkeep import drop
from index.photos import Forgotten
from index.store.store import Store
from serving.app import open_blobs, open_store
from serving.cli.blobs import LEAST_GRACE
from serving.cli.common import SOME_FAILED, print_json, settings_of, wants_json


@click.group()
def photos() -> None:
    """Photos of listings and reports that came to a case; docs/photos.md says how long they are kept."""


@photos.command()
@click.pass_context
def count(context: click.Context, /) -> None:
    """Say how many photos are kept, were lost, have expired or were forgotten."""
    with open_store(settings_of(context)) as store:
        tally = store.photo_tally()
    if wants_json(context):
        print_json({str(state): {"photos": number, "bytes": size} for state, (number, size) in tally.items()})
        return
    for state, (number, size) in tally.items():
        click.echo(f"{state:<10}{number:>12,} photos {size:>18,} bytes")


@photos.command()
@click.argument("listing_ids", metavar="[LISTING]...", nargs=-1)
@click.option("--seller", "seller_ids", multiple=True, metavar="ID", help="All listings of a seller; may be repeated.")
@click.pass_context
def forget(context: click.Context, /, listing_ids: tuple[str, ...], seller_ids: tuple[str, ...]) -> None:
    """Erase the photos of listings, and the pictures of reports about them, also while a case waits.

    What a legal hold covers stays, and the command ends with 3. Files that came within the last hour, or today in a
    bucket, are deleted by the next `touchstone blobs collect`.
    """
    if not listing_ids and not seller_ids:
        raise click.UsageError("name listings, or a seller with --seller")
    settings, now = settings_of(context), datetime.now(UTC)
    shelf = open_blobs(settings)
    with open_store(settings) as store:
        found = [store.forget_photos(listing_id=each, now=now) for each in listing_ids]
        found += [store.forget_photos(seller_id=each, now=now) for each in seller_ids]
        files = {photo.sha256 for each in found for photo in each.photos}
        deleted = drop(shelf, files, store.named_blobs, before=now - LEAST_GRACE)
        left = _still_there(store, found)
    _print(context, found, deleted=deleted, waiting=len(files) - deleted - left, needed=left)
    if any(each.held for each in found):
        context.exit(SOME_FAILED)


def _still_there(store: Store, found: list[Forgotten]) -> int:
    """Count the files that something else needs: another seller's listing shows the same picture, say."""
    return len(store.named_blobs({photo.sha256 for each in found for photo in each.photos}))


def _print(context: click.Context, found: list[Forgotten], *, deleted: int, waiting: int, needed: int) -> None:
    document: dict[str, Any] = {
        "forgotten": sum(len(each.photos) for each in found),
        "files_deleted": deleted,
        "files_waiting": waiting,
        "files_needed": needed,
        "held": sum(len(each.held) for each in found),
        "holds": sorted({hold_id for each in found for hold_id, _ in each.held}),
    }
    if wants_json(context):
        print_json(document)
        return
    click.echo(
        f"{document['forgotten']} photos forgotten; of their files {deleted} deleted, {waiting} to be deleted by the "
        f"next 'touchstone blobs collect', {needed} needed by others"
    )
    if document["held"]:
        click.echo(f"{document['held']} photos stay under {', '.join(document['holds'])}", err=True)
