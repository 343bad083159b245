"""`touchstone policy`: check a policy file before it meets a listing."""

from __future__ import annotations

from pathlib import Path

import click

from serving.cli.common import print_json, settings_of, wants_json
from serving.policy import DEFAULT_POLICY, load_policy


@click.group()
def policy() -> None:
    """Policy files."""


@policy.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, /, file: Path | None) -> None:
    """Compile FILE (or the policy of the settings) and list its rules; a fault is named with its line."""
    path = file or settings_of(context).policy or DEFAULT_POLICY
    checked = load_policy(path)
    if wants_json(context):
        rules = [{"id": rule.rule_id, "verdict": rule.verdict, "code": rule.code} for rule in checked.rules]
        print_json({"file": str(path), "version": checked.version, "rules": rules})
        return
    click.echo(f"{path}: {checked.version}, {len(checked.rules)} rules")
    for rule in checked.rules:
        click.echo(f"  {rule.verdict:<8}  {rule.rule_id}")
