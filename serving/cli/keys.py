"""`touchstone keys`: API keys, for installations without an identity provider."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from index.access import ApiKey
from index.people import same_person
from serving.access.api_keys import make_key
from serving.access.caller import BRAND_OWNER, name_of
from serving.access.permissions import ROLES
from serving.app import open_store
from serving.cli.common import by_actor, print_json, settings_of, wants_json
from serving.errors import Unauthenticated

_DAY = timedelta(days=1)


@click.group()
def keys() -> None:
    """Keep API keys; each stands for one caller with roles."""


@keys.command()
@click.option("--name", required=True, help="Whom it stands for; stands on record with what is done by it.")
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, required=True, help="May be repeated.")
@click.option("--brand", "brands", multiple=True, help="Id of a brand that a brand owner acts for; may be repeated.")
@click.option("--expires", "days", type=click.IntRange(min=1), metavar="DAYS", help="Days until it ends. [never]")
@by_actor
@click.pass_context
def create(context: click.Context, /, name: str, roles: tuple[str, ...], brands: tuple[str, ...], **more: Any) -> None:
    """Make a key and print it: this once, for only a hash is stored."""
    if bool(brands) != (BRAND_OWNER in roles):
        raise click.UsageError(f"--brand goes with --role {BRAND_OWNER}, which needs at least one")
    try:
        name = name_of(name, "--name")
    except Unauthenticated as error:
        raise click.UsageError(str(error)) from error
    if not name:
        raise click.UsageError("--name is empty; say whom the key stands for")
    now, days = datetime.now(UTC), more["days"]
    with open_store(settings_of(context)) as store:
        for brand in brands:
            store.get_brand(brand)
        _one_spelling(name, store.list_keys())
        made = make_key(
            name=name,
            roles=frozenset(roles),
            brands=frozenset(brands),
            created_by=more["actor"],
            now=now,
            expire_time=None if days is None else now + days * _DAY,
        )
        store.add_key(made.key)
    if wants_json(context):
        print_json(_document(made.key, now) | {"key": made.text})
        return
    click.echo(made.text)
    click.echo("keep it where only its owner reads it: it is not shown again", err=True)


@keys.command("list")
@click.pass_context
def list_keys(context: click.Context, /) -> None:
    """List all keys, oldest first; revoked and expired ones too."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        found = store.list_keys()
    if wants_json(context):
        print_json([_document(key, now) for key in found])
        return
    for key in found:
        until = f"until {key.expire_time:%Y-%m-%d}" if key.expire_time else "without end"
        scope = f" for {', '.join(sorted(key.brands))}" if key.brands else ""
        click.echo(
            f"{key.key_id}  {_state(key, now):<8}  {until:<16}  {key.name}: {', '.join(sorted(key.roles))}{scope}"
        )
    if not found:
        click.echo("no keys; 'touchstone keys create' makes one")


@keys.command()
@click.argument("key_id")
@by_actor
@click.pass_context
def revoke(context: click.Context, /, key_id: str, actor: str) -> None:
    """End KEY_ID for good; running servers know within the setting refresh_s."""
    now = datetime.now(UTC)
    with open_store(settings_of(context)) as store:
        revoked = store.revoke_key(key_id, actor=actor, time=now)
    if wants_json(context):
        print_json(_document(revoked, now))
    else:
        click.echo(f"{key_id} of {revoked.name} is revoked")


@keys.command()
@click.pass_context
def grants(context: click.Context, /) -> None:
    """List who was given which brands by an application that was approved."""
    with open_store(settings_of(context)) as store:
        found = store.brand_grants()
    if wants_json(context):
        print_json({holder: sorted(brands) for holder, brands in sorted(found.items())})
        return
    for holder, brands in sorted(found.items()):
        click.echo(f"{holder}: {', '.join(sorted(brands))}")


@keys.command()
@click.argument("holder")
@click.argument("brand_id")
@by_actor
@click.pass_context
def withdraw(context: click.Context, /, holder: str, brand_id: str, actor: str) -> None:
    """Take BRAND_ID back from HOLDER, the name in a credential; running servers know within the setting refresh_s."""
    with open_store(settings_of(context)) as store:
        had = store.withdraw_grant(holder, brand_id, actor=actor)
    if not had:
        raise click.ClickException(
            f"{holder!r} was not given the brand {brand_id!r}; 'touchstone keys grants' lists all"
        )
    click.echo(f"{brand_id} is taken back from {holder}")


def _one_spelling(name: str, made: Iterable[ApiKey]) -> None:
    """Refuse a name that would make two people of one, for the rules by which two must agree."""
    names = {key.name for key in made}  # of revoked ones, too: what was done with them stands on record under theirs
    for other in sorted(names) if name not in names else ():
        if same_person(other, name):
            raise click.UsageError(
                f"there is a key of {other!r}: spell the name like that if it is the same person's, else otherwise"
            )


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoke_time is not None:
        return "revoked"
    return "valid" if key.holds_at(now) else "expired"


def _document(key: ApiKey, now: datetime) -> dict[str, Any]:
    """Give what may be known of a key: all but its hash."""
    return {
        "key_id": key.key_id,
        "name": key.name,
        "state": _state(key, now),
        "roles": sorted(key.roles),
        "brands": sorted(key.brands),
        "create_time": key.create_time.isoformat(),
        "created_by": key.created_by,
        "expire_time": key.expire_time and key.expire_time.isoformat(),
        "revoke_time": key.revoke_time and key.revoke_time.isoformat(),
        "revoked_by": key.revoked_by,
    }
