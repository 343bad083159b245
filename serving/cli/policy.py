"""`touchstone policy`: from a file that is checked to the version that decides, with who and why at every step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from index.policies import PolicyEvent, PolicyStep, StoredPolicy
from index.store.store import Store
from serving.app import open_store
from serving.cli.backtest import backtest_command, compare_command
from serving.cli.common import by_actor, print_json, settings_of, wants_json
from serving.cli.holds import hold
from serving.policy import DEFAULT_POLICY, Policy, load_policy
from serving.policy_book import compile_stored
from serving.policy_file import compile_policy
from serving.policy_yaml import read_policy
from serving.settings import Settings
from vision.taxonomy import Taxonomy, load_taxonomy


@click.group()
def policy() -> None:
    """Policies: check, submit, shadow, backtest, activate, roll back; and legal holds."""


policy.add_command(hold)
policy.add_command(backtest_command)
policy.add_command(compare_command)


def _step(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that go into the audit trail."""
    return by_actor(click.option("--why", default="", help="For the audit trail.")(command))


@policy.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def check(context: click.Context, /, file: Path | None) -> None:
    """Compile FILE (or the policy of the settings) and list its rules; a fault is named with its line."""
    settings = settings_of(context)
    path = file or settings.policy or DEFAULT_POLICY
    checked = load_policy(path, taxonomy=_taxonomy(settings))
    if wants_json(context):
        print_json({"file": str(path), **_rules_document(checked)})
        return
    click.echo(f"{path}: {checked.version}, {len(checked.rules)} rules")
    _print_rules(checked)


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@_step
@click.pass_context
def submit(context: click.Context, /, file: Path, actor: str, why: str) -> None:
    """Put FILE on record as a draft, once it compiles. The version that is printed is how other commands name it."""
    with open_store(settings_of(context)) as store:
        stored = _submit(context, store, file, _now(actor, why))
    _show(context, stored, f"{stored.version} is on record as {stored.state}, by {stored.author}")


@policy.command()
@click.argument("version")
@_step
@click.pass_context
def shadow(context: click.Context, /, version: str, actor: str, why: str) -> None:
    """Evaluate VERSION beside the active policy from now on; its verdicts change nothing and are recorded."""
    with open_store(settings_of(context)) as store:
        _compile(context, store.get_policy(version))
        stored = store.shadow_policy(version, _now(actor, why))
    _show(context, stored, f"{version} is in shadow; 'touchstone policy compare {version}' says what it would change")


@policy.command()
@click.argument("which", metavar="VERSION|FILE")
@_step
@click.pass_context
def activate(context: click.Context, /, which: str, actor: str, why: str) -> None:
    """Let VERSION decide from now on; a FILE is submitted first. Running servers take it within a second or so."""
    settings = settings_of(context)
    with open_store(settings) as store:
        version = which
        if Path(which).is_file():
            version = _submit(context, store, Path(which), _now(actor, why)).version
        _compile(context, store.get_policy(version))
        stored = store.activate_policy(version, _now(actor, why), two_people=settings.policy_two_people)
    _show(context, stored, f"{stored.version} decides now")


@policy.command()
@click.argument("version")
@_step
@click.pass_context
def retire(context: click.Context, /, version: str, actor: str, why: str) -> None:
    """Take VERSION, a draft or shadow, out of use. The active one is superseded by another, or rolled back."""
    with open_store(settings_of(context)) as store:
        stored = store.retire_policy(version, _now(actor, why))
    _show(context, stored, f"{version} is retired")


@policy.command()
@_step
@click.pass_context
def rollback(context: click.Context, /, actor: str, why: str) -> None:
    """Go back to the version that was active before, or to the policy of the settings where none was."""
    with open_store(settings_of(context)) as store:
        stored = store.rollback_policy(_now(actor, why))
    if stored is None:
        _say(
            context, {"version": None, "state": None}, "no stored policy is active: that of the settings decides again"
        )
    else:
        _show(context, stored, f"{stored.version} decides again")


@policy.command("list")
@click.pass_context
def list_policies(context: click.Context, /) -> None:
    """List all versions on record, newest first."""
    with open_store(settings_of(context)) as store:
        found = store.list_policies()
    lines = [f"{one.state:<8}  {one.create_time:%Y-%m-%d %H:%M}  {one.version}  by {one.author}" for one in found]
    _say(
        context, [_document(one) for one in found], "\n".join(lines) or "no policy is on record; the settings' decides"
    )


@policy.command()
@click.argument("version")
@click.pass_context
def show(context: click.Context, /, version: str) -> None:
    """Show VERSION: its rules, its text and its audit trail."""
    with open_store(settings_of(context)) as store:
        stored, events = store.get_policy(version), store.policy_events(version)
    text = stored.content.decode("utf-8")
    trail = [_event_document(event) for event in events]
    if wants_json(context):
        print_json(_document(stored) | {"events": trail, "content": text})
        return
    click.echo(f"{stored.version}  {stored.state}  by {stored.author}")
    for event in events:
        says = f": {event.step.why}" if event.step.why else ""
        click.echo(f"  {event.step.time:%Y-%m-%d %H:%M:%S}  {event.action:<9}  {event.step.actor}{says}")
    click.echo(f"\n{text}", nl=not text.endswith("\n"))


def _submit(context: click.Context, store: Store, file: Path, step: PolicyStep) -> StoredPolicy:
    content = read_policy(file)
    compiled = compile_policy(content, source=file, taxonomy=_taxonomy(settings_of(context)))
    return store.submit_policy(compiled.version, content, step)


def _compile(context: click.Context, stored: StoredPolicy) -> Policy:
    """See that this release can use a version before anything is made of it. Raises PolicyError."""
    return compile_stored(stored, _taxonomy(settings_of(context)))


def _taxonomy(settings: Settings) -> Callable[[], Taxonomy]:
    return lambda: load_taxonomy(settings.taxonomy)


def _now(actor: str, why: str) -> PolicyStep:
    return PolicyStep(actor=actor, time=datetime.now(UTC), why=why)


def _show(context: click.Context, stored: StoredPolicy, line: str) -> None:
    _say(context, _document(stored), line)


def _say(context: click.Context, document: object, line: str) -> None:
    if wants_json(context):
        print_json(document)
    else:
        click.echo(line)


def _document(stored: StoredPolicy) -> dict[str, Any]:
    return {
        "version": stored.version,
        "state": str(stored.state),
        "author": stored.author,
        "create_time": stored.create_time.isoformat(),
    }


def _event_document(event: PolicyEvent) -> dict[str, Any]:
    return {
        "action": str(event.action),
        "actor": event.step.actor,
        "why": event.step.why,
        "time": event.step.time.isoformat(),
        "before": event.before and str(event.before),
        "after": str(event.after),
    }


def _rules_document(checked: Policy) -> dict[str, Any]:
    rules = [{"id": rule.rule_id, "verdict": rule.verdict, "code": rule.code} for rule in checked.rules]
    return {"version": checked.version, "rules": rules}


def _print_rules(checked: Policy) -> None:
    for rule in checked.rules:
        click.echo(f"  {rule.verdict:<8}  {rule.rule_id}")
