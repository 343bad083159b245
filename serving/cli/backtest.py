"""`touchstone policy backtest` and `compare`: what a policy would have changed, as text, JSON, page and picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from index.store.store import Store
from serving.app import open_store
from serving.cli.common import print_json, progress, settings_of, stderr, wants_json
from serving.comparison import VERDICTS, Comparison, backtest, compare_shadow, ranked
from serving.guarantee import gate_of
from serving.policy import Policy, load_policy
from serving.policy_book import compile_stored
from vision.taxonomy import load_taxonomy

_MOST_LINES = 10


@dataclass(frozen=True)
class _Wanted:
    """Which decisions, and where the answer goes beside stdout. `since` is UTC without saying so."""

    since: datetime | None
    limit: int | None
    html: Path | None
    png: Path | None

    @property
    def start(self) -> datetime | None:
        return self.since and self.since.replace(tzinfo=UTC)

    @property
    def span(self) -> str:
        most = f"at most {self.limit:,} decisions" if self.limit else "all decisions"
        return f"{most} since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else most


def _window(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which decisions, and where the answer goes."""
    for option in (
        click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture there."),
        click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page there."),
        click.option("--limit", type=click.IntRange(1), help="At most so many decisions, the newest first."),
        click.option("--since", type=click.DateTime(), help="Decisions from then on (UTC)."),
    ):
        command = option(command)
    return command


@click.command("backtest")
@click.argument("which", metavar="FILE|VERSION")
@_window
@click.pass_context
def backtest_command(context: click.Context, /, which: str, **wanted: Any) -> None:
    """Say what a policy would have changed over the decisions on record, from the facts that they were taken on."""
    asked = _Wanted(**wanted)
    with open_store(settings_of(context)) as store:
        policy = _find(context, store, which)
        rows = progress(store.iter_facts(since=asked.start, limit=asked.limit), what="backtesting")
        comparison = backtest(rows, policy, gate_of(store), damaged=_damaged)
    _report(context, comparison, asked, source=f"Facts on record of {asked.span}")


@click.command("compare")
@click.argument("version")
@_window
@click.pass_context
def compare_command(context: click.Context, /, version: str, **wanted: Any) -> None:
    """Say what the shadow policy VERSION would have changed over the decisions that it was evaluated beside."""
    asked = _Wanted(**wanted)
    with open_store(settings_of(context)) as store:
        store.get_policy(version)
        rows = store.iter_shadow_outcomes(version, since=asked.start, limit=asked.limit)
        comparison = compare_shadow(version, progress(rows, what="comparing"), damaged=_damaged)
    _report(context, comparison, asked, source=f"In shadow over {asked.span}")


def _find(context: click.Context, store: Store, which: str) -> Policy:
    """Take a file where there is one, else a version on record."""
    settings = settings_of(context)
    if Path(which).exists() or "@" not in which:
        return load_policy(Path(which), taxonomy=lambda: load_taxonomy(settings.taxonomy))
    return compile_stored(store.get_policy(which), lambda: load_taxonomy(settings.taxonomy))


def _report(context: click.Context, comparison: Comparison, asked: _Wanted, *, source: str) -> None:
    if asked.html is not None:
        from serving.comparison_page import write_page

        write_page(asked.html, comparison, source=source)
    if asked.png is not None:
        from serving.comparison_chart import write_png

        write_png(asked.png, comparison)
    if wants_json(context):
        print_json(comparison.document())
    else:
        click.echo("\n".join(_lines(comparison)))


def _lines(comparison: Comparison) -> list[str]:
    total, matrix = comparison.total, comparison.matrix
    lines = [f"{comparison.version}: {total.changed} of {total.decisions} decisions would change"]
    lines.append(f"{'as decided':<10}  " + "  ".join(f"{now:>8}" for now in VERDICTS))
    lines += [f"{was:<10}  " + "  ".join(f"{matrix[was, now]:>8}" for now in VERDICTS) for was in VERDICTS]
    if comparison.failed or comparison.rule_errors:
        lines.append(f"{comparison.failed} not evaluated; rules had no answer {comparison.rule_errors} times")
    for heading in ("rules", "brands", "categories", "markets"):
        rows = ranked(getattr(comparison, heading))[:_MOST_LINES]
        lines += [f"{heading}:"] if rows else []
        lines += [f"  {name}: {tally.decisions}, {tally.changed} would change" for name, tally in rows]
    for (was, now), shown in comparison.examples.items():
        lines.append(f"{was} -> {now}, such as:")
        lines += [
            f"  {one.listing_id} ({', '.join(one.rules) or 'no rule'}; {one.brand or 'no brand'})" for one in shown
        ]
    return lines


def _damaged(message: str) -> None:
    stderr.print(f"left out: {message}", markup=False, highlight=False, soft_wrap=True)
