"""`touchstone screen`: one listing from the command line, in process or through a server."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from index.errors import PriceDataError
from index.money import Money
from serving.app import open_application
from serving.channel import Credentials
from serving.cli.common import decision_dict, print_json, settings_of
from serving.cli.connection import refusals_told, with_credentials
from serving.client import ModerationClient
from serving.domain import Listing
from serving.wire.requests import from_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--title", default="")
@click.option("--description", default="")
@click.option("--brand", default="", help="Brand that the seller claims.")
@click.option("--category", default="", help="Category that the seller declares.")
@click.option("--price", help="Amount for the whole offer; needs --currency.")
@click.option("--currency", help="ISO 4217 code.")
@click.option("--condition", default="")
@click.option("--seller", default="")
@click.option("--market", default="", help="ISO 3166-1 alpha-2 code.")
@click.option("--listing-id", default="", help="Defaults to the first image's name.")
@with_credentials("Ask a running service instead of screening in this process.")
@click.pass_context
def screen(
    context: click.Context,
    /,
    images: tuple[Path, ...],
    server: str | None,
    credentials: Credentials,
    **words: Any,
) -> None:
    """Screen one listing with one or more IMAGES and print the decision as protobuf JSON."""
    listing = _listing(images, words)
    decision = _ask(server, credentials, listing) if server else _screen_here(context, listing)
    print_json(decision_dict(decision))


def _ask(server: str, credentials: Credentials, listing: Listing) -> decision_pb2.Decision:
    with refusals_told(server), ModerationClient(server, credentials) as client:
        return client.screen_or_raise(listing, timeout_s=60.0)


def _screen_here(context: click.Context, listing: Listing) -> decision_pb2.Decision:
    with open_application(settings_of(context)) as application:
        return application.moderation.screen(pb.ScreenListingRequest(listing=from_listing(listing)))


def _listing(images: tuple[Path, ...], words: dict[str, Any]) -> Listing:
    return Listing(
        listing_id=words["listing_id"] or images[0].stem,
        images=tuple(path.read_bytes() for path in images),
        title=words["title"],
        description=words["description"],
        claimed_brand=words["brand"],
        category=words["category"],
        condition=words["condition"],
        price=_price(words["price"], words["currency"]),
        seller_id=words["seller"],
        market=words["market"],
    )


def _price(amount: str | None, currency: str | None) -> Money | None:
    if amount is None and currency is None:
        return None
    if amount is None or currency is None:
        raise click.UsageError("--price and --currency go together")
    try:
        return Money(Decimal(amount), currency)
    except InvalidOperation as error:
        raise click.BadParameter(f"{amount!r} is not a number such as 49.90", param_hint="--price") from error
    except PriceDataError as error:
        raise click.UsageError(str(error)) from error
