"""touchstone audit: what was done, by whom, and whether the record of it is what it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from index.audit.chain import NOTHING
from index.errors import AuditBroken
from index.store.store import Store
from serving.app import open_store
from serving.audit_file import check_log, parse_head, since, write_log
from serving.audit_signing import head_signer, trusted_by
from serving.cli.common import print_json, settings_of, wants_json
from serving.packages.signing import load_public_key


@click.group()
def audit() -> None:
    """Export and verify the audit log, and tell its head."""


@audit.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSON Lines to write.")
@click.option("--since", "start", type=click.DateTime(), help="Leave out what was done before, UTC.")
@click.pass_context
def export(context: click.Context, /, out: Path, start: datetime | None) -> None:
    """Write the log to a file that `audit verify` checks."""
    settings = settings_of(context)
    with open_store(settings) as store:
        store.seal_audit(head_signer(settings.evidence_key))
        head = store.audit_head()
        if head is None:
            raise click.ClickException("the audit log holds nothing yet")
        unfinished = out.with_name(f".{out.name}.part")
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                wanted = since(store.sealed_entries(), start and start.replace(tzinfo=UTC))
                exported = write_log(file, wanted, head, before=lambda position: _hash_at(store, position))
            unfinished.replace(out)
        finally:
            unfinished.unlink(missing_ok=True)
    told = {"file": str(out), "entries": exported.entries, "head": f"{head.position}:{head.hash}"}
    if wants_json(context):
        print_json(told | {"signer": head.signer})
    else:
        click.echo(f"{out}: {exported.entries:,} entries; head {told['head']}: keep it elsewhere")


@audit.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--store", "whole", is_flag=True, help="The log in the store, and whether the store fits it.")
@click.option("--head", "heads", multiple=True, metavar="POSITION:HASH", help="A head that was kept elsewhere.")
@click.option("--key", type=click.Path(exists=True, path_type=Path), help="PEM file: who must have signed the heads.")
@click.pass_context
def verify(context: click.Context, /, file: Path | None, heads: tuple[str, ...], key: Path | None, **of: Any) -> None:
    """Check an exported file, or with --store the log in the store. Exit code 1 names the first entry at fault."""
    if (file is None) is not of["whole"]:
        raise click.UsageError("name a FILE, or say --store")
    try:
        known = dict(map(parse_head, heads))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--head") from error
    trusted = trusted_by(None if key is None else load_public_key(key))
    told: dict[str, Any] = {}
    try:
        if file is not None:
            with file.open(encoding="utf-8", errors="surrogateescape") as lines:
                found = check_log(lines, known=known, trusted=trusted)
            told = {"entries": found.entries, "head": f"{found.head.position}:{found.head.hash}"}
        else:
            with open_store(settings_of(context)) as store:
                tally = store.check_audit(known=known, trusted=trusted)
            told = {"entries": tally.sealed, "head": f"{tally.end.position}:{tally.end.hash}"}
            told |= {"unsealed": tally.unsealed, "heads": tally.heads, "compared": tally.compared}
    except AuditBroken as error:
        told = {"sound": False, "position": error.position, "fault": str(error)}
    else:
        told = {"sound": True} | told
    if wants_json(context):
        print_json(told)
    else:
        click.echo(told["fault"] if "fault" in told else _sentence(told))
    if not told["sound"]:
        context.exit(1)


@audit.command()
@click.pass_context
def head(context: click.Context, /) -> None:
    """Print the newest head, POSITION:HASH: what to keep where nobody who can write to the store can."""
    settings = settings_of(context)
    with open_store(settings) as store:
        store.seal_audit(head_signer(settings.evidence_key))
        newest = store.audit_head()
    if wants_json(context):
        print_json(None if newest is None else vars(newest))
    else:
        click.echo(f"{newest.position}:{newest.hash}" if newest else f"0:{NOTHING}")


@audit.command()
@click.argument("name")
@click.pass_context
def who(context: click.Context, /, name: str) -> None:
    """Print what the log calls somebody: NAME as in a credential, or a seller's id."""
    with open_store(settings_of(context)) as store:
        click.echo(store.pseudonym(name))


def _hash_at(store: Store, position: int) -> str:
    return NOTHING if not position else next(iter(store.sealed_entries(after=position - 1))).hash


def _sentence(told: dict[str, Any]) -> str:
    sentence = f"sound: {told['entries']:,} entries, head {told['head']}"
    if "compared" in told:
        compared = ", ".join(f"{count:,} {name}" for name, count in told["compared"].items())
        sentence += f"; {told['unsealed']:,} entries not chained yet; the store fits it: {compared}"
    return sentence
