"""`touchstone policy hold`: put a legal hold on a listing, a seller or a brand, lift it, list them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.store.store import Store
from serving.app import open_store
from serving.cli.common import by_actor, print_json, settings_of, wants_json


@click.group()
def hold() -> None:
    """Legal holds: orders that no rule changes."""


@hold.command()
@click.argument("subject", type=click.Choice([str(subject) for subject in HoldSubject]))
@click.argument("subject_id", metavar="ID|BRAND")
@click.option("--verdict", type=click.Choice([str(verdict) for verdict in HoldVerdict]), default="REVIEW")
@click.option("--why", required=True, help="The order, such as its docket number.")
@click.option("--until", type=click.DateTime(), help="UTC; without it the hold stands until it is lifted.")
@by_actor
@click.pass_context
def add(context: click.Context, /, **given: Any) -> None:
    """Put a hold on a listing or seller (by id) or a brand (by name). The next screening knows it.

    REVIEW keeps what it covers from being allowed or taken down without a person; TAKEDOWN, of a listing or a seller,
    is an order to take it down.
    """
    now, until = datetime.now(UTC), given["until"]
    until = until and until.replace(tzinfo=UTC)
    if until and until <= now:
        raise click.BadParameter(f"{until:%Y-%m-%d %H:%M} UTC is past", param_hint="--until")
    try:
        order = LegalHold(
            hold_id=f"hold-{uuid.uuid4().hex[:12]}",
            subject=HoldSubject(given["subject"]),
            subject_id=given["subject_id"],
            verdict=HoldVerdict(given["verdict"]),
            why=given["why"],
            author=given["actor"],
            create_time=now,
            expire_time=until,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with open_store(settings_of(context)) as store:
        order = _by_its_name(store, order)
        store.add_hold(order)
    _print(context, order)


@hold.command()
@click.argument("hold_id")
@click.option("--why", required=True, help="Why it ends, such as the order's withdrawal.")
@by_actor
@click.pass_context
def lift(context: click.Context, /, hold_id: str, why: str, actor: str) -> None:
    """End a hold; it stays on record."""
    with open_store(settings_of(context)) as store:
        order = store.lift_hold(hold_id, actor=actor, time=datetime.now(UTC), why=why)
    _print(context, order)


@hold.command("list")
@click.option("--all", "everything", is_flag=True, help="Lifted and expired ones, too.")
@click.pass_context
def list_holds(context: click.Context, /, everything: bool) -> None:
    """List the holds that stand."""
    with open_store(settings_of(context)) as store:
        found = store.list_holds(standing_at=None if everything else datetime.now(UTC))
    if wants_json(context):
        print_json([_document(order) for order in found])
        return
    for order in found:
        click.echo(_line(order))


def _by_its_name(store: Store, order: LegalHold) -> LegalHold:
    """Put the registry's name for an alias, for listings are looked up by it; say where there is none."""
    if order.subject is not HoldSubject.BRAND:
        return order
    brand = store.find_brand(order.subject_id)
    if brand is None:
        click.echo(f"warning: {order.subject_id!r} is not in the registry; only a claim of this name is held", err=True)
        return order
    return replace(order, subject_id=brand.name)


def _print(context: click.Context, order: LegalHold) -> None:
    if wants_json(context):
        print_json(_document(order))
    else:
        click.echo(_line(order))


def _line(order: LegalHold) -> str:
    lifted = f" (lifted by {order.lifted_by}: {order.lift_why})" if order.lift_time else ""
    return f"{order.verdict:<8}  {order.sentence}, by {order.author}{lifted}"


def _document(order: LegalHold) -> dict[str, Any]:
    times = {name: getattr(order, name) for name in ("create_time", "expire_time", "lift_time")}
    return {
        "hold_id": order.hold_id,
        "subject": str(order.subject),
        "subject_id": order.subject_id,
        "verdict": str(order.verdict),
        "why": order.why,
        "author": order.author,
        "lifted_by": order.lifted_by,
        "lift_why": order.lift_why,
        **{name: moment and moment.isoformat() for name, moment in times.items()},
    }
