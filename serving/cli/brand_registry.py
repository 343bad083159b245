"""`touchstone brands show|create|edit|rights|set-sellers|set-bands|set-advice|history`: what owners keep.

Works on the store of this installation, or through a running service with `--server`; needs no model.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from google.protobuf import json_format
from google.protobuf.message import Message

from index.brand_records import Right
from index.rights import holds
from index.territories import is_territory
from serving.access.caller import ACTOR, Caller
from serving.app import open_store
from serving.brand_answers import BrandAnswers
from serving.brand_client import BrandCalls, BrandClient
from serving.channel import Credentials
from serving.cli.common import by_actor, message_dict, print_json, settings_of, wants_json
from serving.cli.connection import refusals_told, with_credentials
from serving.wire.brand import FIELDS
from serving.wire.rights import to_right
from touchstone.moderation.v1 import brand_pb2, buyer_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb

_TIMEOUT_S = 60.0
# rpc -> the method of `BrandAnswers` behind it
_METHODS = {
    "CreateBrand": "create",
    "GetBrand": "get",
    "UpdateBrand": "update",
    "SetAuthorizedSellers": "set_authorized_sellers",
    "SetPriceBands": "set_price_bands",
    "SetBuyerAdvice": "set_buyer_advice",
}

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def _for_somebody(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--server` with its credentials, and `--as`: what `_asking` takes."""
    return with_credentials("Ask a running service instead of the store.")(by_actor(command))


@click.command()
@click.argument("brand_id")
@_for_somebody
@click.pass_context
def show(context: click.Context, /, brand_id: str, **who: Any) -> None:
    """Show the brand BRAND_ID whole, as JSON: names, rights, marks, keywords, sellers, prices, advice and etag."""
    with _asking(context, **who) as brands:
        _print(brands.get(brand_id))


@click.command()
@click.argument("name")
@click.option("--id", "brand_id", default="", help="Its id: 1 to 63 of a-z, 0-9 and -. [made from the name]")
@click.option("--alias", "aliases", multiple=True, help="Another spelling; may be given again.")
@click.option("--keyword", "keywords", multiple=True, help="A product line; may be given again.")
@_for_somebody
@click.pass_context
def create(
    context: click.Context,
    /,
    name: str,
    brand_id: str,
    aliases: tuple[str, ...],
    keywords: tuple[str, ...],
    **who: Any,
) -> None:
    """Make a brand of the name NAME, and print it as JSON."""
    brand = brand_pb2.Brand(name=name, brand_id=brand_id, aliases=aliases, keywords=keywords)
    with _asking(context, **who) as brands:
        _print(brands.create(brand))


@click.command()
@click.argument("brand_id")
@_file
@_for_somebody
@click.pass_context
def edit(context: click.Context, /, brand_id: str, file: Path, **who: Any) -> None:
    """Change what FILE (JSON) holds of the brand BRAND_ID: name, aliases, rights, marks, keywords; lists as a whole.

    Other fields, as `brands show` prints them, are ignored, but for etag: with it, the change is made only if nobody
    else changed the brand since.
    """
    brand = _parsed(file, brand_pb2.Brand())
    brand.brand_id = brand_id
    document = json.loads(file.read_text(encoding="utf-8"))
    fields = [name for name in FIELDS if name in document]
    with _asking(context, **who) as brands:
        _print(brands.update(brand, fields))


@click.command()
@click.argument("brand_id")
@click.option("--market", default="", help="In force in this country: an ISO 3166-1 alpha-2 code. [anywhere]")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="In force on this day. [today]")
@_for_somebody
@click.pass_context
def rights(context: click.Context, /, brand_id: str, market: str, day: datetime | None, **who: Any) -> None:
    """List the rights of the brand BRAND_ID, and say which of them are in force."""
    if market and not is_territory(market):
        raise click.BadParameter(f"{market!r} is no ISO 3166-1 alpha-2 code; write one such as DE", param_hint="market")
    on = (day or datetime.now(UTC)).date()
    with _asking(context, **who) as brands:
        known = [to_right(message, right_id=message.right_id) for message in brands.get(brand_id).rights]
    if wants_json(context):
        print_json([{"right_id": right.right_id, "in_force": holds(right, market, on)} for right in known])
        return
    for right in known:
        click.echo(_line(right, in_force=holds(right, market, on)))
    where = f" in {market}" if market else ""
    click.echo(f"{sum(holds(right, market, on) for right in known)} of {len(known)} in force{where} on {on}")


@click.command("set-sellers")
@click.argument("brand_id")
@_file
@_for_somebody
@click.pass_context
def set_sellers(context: click.Context, /, brand_id: str, file: Path, **who: Any) -> None:
    """Replace the authorised sellers of the brand BRAND_ID by those of FILE, a JSON AuthorizedSellerList."""
    listed = _parsed(file, brand_pb2.AuthorizedSellerList())
    with _asking(context, **who) as brands:
        brand = brands.set_sellers(brand_id, listed.sellers)
    click.echo(f"{brand_id}: {len(brand.authorized_sellers.sellers)} authorised sellers")


@click.command("set-bands")
@click.argument("brand_id")
@_file
@_for_somebody
@click.pass_context
def set_bands(context: click.Context, /, brand_id: str, file: Path, **who: Any) -> None:
    """Replace the price bands of the brand BRAND_ID by those of FILE, JSON such as {"price_bands": [...]}."""
    wanted = _parsed(file, pb.SetPriceBandsRequest())
    with _asking(context, **who) as brands:
        brand = brands.set_price_bands(brand_id, wanted.price_bands)
    click.echo(f"{brand_id}: {len(brand.price_bands)} price bands")


@click.command("set-advice")
@click.argument("brand_id")
@_file
@_for_somebody
@click.pass_context
def set_advice(context: click.Context, /, brand_id: str, file: Path, **who: Any) -> None:
    """Replace the advice of the brand BRAND_ID to buyers by that of FILE, JSON such as {"items": [...]}."""
    wanted = _parsed(file, buyer_pb2.BuyerAdvice())
    with _asking(context, **who) as brands:
        brand = brands.set_buyer_advice(brand_id, wanted)
    click.echo(f"{brand_id}: {len(brand.buyer_advice.items)} pieces of advice")


@click.command()
@click.argument("brand_id", required=False, default="")
@click.pass_context
def history(context: click.Context, /, brand_id: str) -> None:
    """List who changed the registry, or the brand BRAND_ID, what and when, the oldest first."""
    with open_store(settings_of(context)) as store:
        events = [event for page in iter_pages(functools.partial(store.registry_events, brand_id)) for event in page]
    if wants_json(context):
        documents = [vars(event) | {"create_time": event.create_time.isoformat()} for event in events]
        print_json(documents)
        return
    for event in events:
        before = f"from {event.before}" if event.before else ""
        what = " ".join(filter(None, (str(event.action), event.subject_id, ",".join(event.fields), before)))
        click.echo(f"{event.create_time:%Y-%m-%d %H:%M:%S}  {event.brand_id}  {event.actor or '-'}  {what}")


COMMANDS = (show, create, edit, rights, set_sellers, set_bands, set_advice, history)


def iter_pages(read: Callable[..., tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the pages of numbered records."""
    page = read()
    while page:
        yield page
        page = read(after=page[-1].number)


@contextmanager
def _asking(
    context: click.Context, /, *, server: str | None, credentials: Credentials, actor: str
) -> Iterator[BrandCalls]:
    """Give a way to ask BrandService: over the wire, or in this process."""
    if server is None:
        with open_store(settings_of(context)) as store:
            answers = BrandAnswers(store)
            yield BrandCalls(lambda rpc, request: getattr(answers, _METHODS[rpc])(request, Caller(actor)))
        return
    client = BrandClient(server, credentials, metadata=[(ACTOR, actor)], timeout_s=_TIMEOUT_S)
    with refusals_told(server), client:
        yield client


def _parsed(file: Path, message: Any) -> Any:
    try:
        return json_format.Parse(file.read_text(encoding="utf-8"), message)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from error


def _print(message: Message) -> None:
    print_json(message_dict(message))


def _line(right: Right, *, in_force: bool) -> str:
    number = right.registration_number or right.application_number or right.international_registration_number
    ends = f"until {right.expiry_date}" if right.expiry_date else ""
    words = (right.right_id, right.type, right.office_code, number, ",".join(right.territories), right.status, ends)
    return "  ".join((*filter(None, map(str, words)), "in force" if in_force else "not in force"))
