"""`touchstone eval`: measure brands, categories and prices on labelled data."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.cli.common import counting, print_json, settings_of, wants_json

_manifest = click.Path(exists=True, dir_okay=False, path_type=Path)
_predictions = click.option(
    "--predictions", type=click.Path(dir_okay=False, path_type=Path), help="Write each answer here (JSON Lines)."
)


@click.group()
def evaluate() -> None:
    """Measure on labelled data, through the code that is served."""


@evaluate.command()
@click.argument("queries", type=_manifest)
@click.option(
    "--references", required=True, metavar="REFS.jsonl|seed", help="Reference manifest, or the seed catalogue."
)
@click.option("--max-per-brand", type=click.IntRange(min=1), help="Only the first N references of each brand.")
@click.option("--only-known", is_flag=True, help="Drop queries of brands without references; keep the negatives.")
@_predictions
@click.pass_context
def brands(context: click.Context, /, queries: Path, references: str, **options: Any) -> None:
    """Open-set brand retrieval of the listing manifest QUERIES in a throw-away registry."""
    from training.evaluate_brands import evaluate_brands

    if references != "seed" and not Path(references).is_file():
        raise click.BadParameter(
            f"{references} is no file; give a reference manifest or `seed`", param_hint="--references"
        )
    with counting("screening") as progress:
        report = evaluate_brands(queries, references, settings=settings_of(context), progress=progress, **options)
    _print(context, report)


@evaluate.command()
@click.argument("test", type=_manifest)
@click.option("--train", type=_manifest, help="Fit a head on this manifest first.")
@click.option("--taxonomy", is_flag=True, help="Use the shipped head and taxonomy; nothing is fitted.")
@_predictions
@click.pass_context
def categories(context: click.Context, /, test: Path, **options: Any) -> None:
    """Category of the listing manifest TEST; zero-shot from the label names without --train and --taxonomy."""
    from training.evaluate_categories import evaluate_categories
    from vision.clip import load_embedder

    if options["train"] and options["taxonomy"]:
        raise click.UsageError("--train and --taxonomy exclude each other")
    settings = settings_of(context)
    embedder = load_embedder(
        settings.model, device=settings.device, threads=settings.threads or None, downloads=settings.downloads
    )
    with counting("embedding") as progress:
        report = evaluate_categories(test, embedder=embedder, progress=progress, **options)
    _print(context, report)


@evaluate.command()
@click.argument("cases", type=_manifest)
@click.option("--history", required=True, type=_manifest, help="Listing manifest with the usual prices.")
@click.option("--leave-cell-out", is_flag=True, help="Leave each case's own brand and category out of the history.")
@_predictions
@click.pass_context
def prices(context: click.Context, /, cases: Path, history: Path, **options: Any) -> None:
    """Price anomaly on the labelled listing manifest CASES."""
    from training.evaluate_prices import evaluate_prices

    with counting("scoring") as progress:
        report = evaluate_prices(cases, history, progress=progress, **options)
    _print(context, report)


def _print(context: click.Context, report: Any) -> None:
    """Print a report, a frozen dataclass, as JSON or as a table."""
    figures = asdict(report)
    if wants_json(context):
        print_json(figures)
        return
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else escape(str(value)))
    Console().print(table)
