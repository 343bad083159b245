"""`touchstone eval`: measure brands, marks, copies, categories, prices and decisions on labelled data."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.cli.common import counting, print_json, settings_of, wants_json

if TYPE_CHECKING:
    from training.simulate_prices import SimulationReport

_manifest = click.Path(exists=True, dir_okay=False, path_type=Path)
_output = click.Path(dir_okay=False, path_type=Path)
_predictions = click.option("--predictions", type=_output, help="Write each answer here (JSON Lines).")
_report = click.option(
    "--report",
    type=_output,
    help="Write a page with curves, tables and failures here (HTML).",
)
_references = click.option(
    "--references", required=True, metavar="REFS.jsonl|seed", help="Reference manifest, or the seed catalogue."
)
_seed = click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same pictures.")
_photos = click.option(
    "--photos",
    type=_manifest,
    multiple=True,
    help="Listing manifest with photos to draw on, any number of times.  [default: the test photos of clothing and "
    "grocery in the development data, at $TOUCHSTONE_EVAL_DATA or ../shared/data]",
)
_TEST_PHOTOS = ("clothing/test.jsonl", "grocery/test.jsonl")


@click.group()
def evaluate() -> None:
    """Measure on labelled data, through the code that is served."""


@evaluate.command()
@click.argument("queries", type=_manifest)
@_references
@click.option("--max-per-brand", type=click.IntRange(min=1), help="Only the first N references of each brand.")
@click.option("--only-known", is_flag=True, help="Drop queries of brands without references; keep the negatives.")
@_predictions
@_report
@click.pass_context
def brands(context: click.Context, /, queries: Path, references: str, **options: Any) -> None:
    """Open-set brand retrieval of the listing manifest QUERIES in a throw-away registry."""
    from training.evaluate_brands import evaluate_brands

    _check_references(references)
    with counting("references, queries") as progress:
        figures = evaluate_brands(queries, references, settings=settings_of(context), progress=progress, **options)
    _print(context, figures)


@evaluate.command()
@_seed
@click.option("--scenes", type=click.IntRange(min=1), default=600, show_default=True, help="Photos with a mark.")
@_photos
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the scenes in this folder.")
@_predictions
@_report
@click.pass_context
def marks(context: click.Context, /, photos: tuple[Path, ...], **options: Any) -> None:
    """Search marks of brands never trained on, printed on photos, among all seed marks."""
    from training.evaluate_marks import evaluate_marks

    with counting("references, scenes, queries") as progress:
        figures = evaluate_marks(photos or _test_photos(), settings=settings_of(context), progress=progress, **options)
    _print(context, figures)


@evaluate.command()
@click.argument("photos", type=_manifest)
@click.option("--limit", type=click.IntRange(min=2), help="Only so many listings, half of them on record.")
@_seed
@_predictions
@click.pass_context
def copies(context: click.Context, /, photos: Path, **options: Any) -> None:
    """Altered copies of half of the photos of the listing manifest PHOTOS, searched among the originals."""
    from training.evaluate_copies import evaluate_copies

    with counting("recording, negatives, copies") as progress:
        figures = evaluate_copies(photos, settings=settings_of(context), progress=progress, **options)
    _print(context, figures)


@evaluate.command()
@click.argument("photos", type=_manifest)
@_references
@click.option("--max-per-brand", type=click.IntRange(min=1), help="Only the first N references of each brand.")
@click.option("--others", required=True, type=_manifest, help="Photos without a brand, to hide marks among.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many photos.")
@_seed
@click.pass_context
def tricks(context: click.Context, /, photos: Path, references: str, others: Path, **options: Any) -> None:
    """Photos of the listing manifest PHOTOS with boxed marks, doctored as sellers do, and what is decided on them."""
    from training.evaluate_tricks import evaluate_tricks

    settings = settings_of(context)
    with counting("references, listings") as progress:
        figures = evaluate_tricks(photos, references, others, settings=settings, progress=progress, **options)
    _print(context, figures)


@evaluate.command()
@click.argument("test", type=_manifest)
@click.option("--train", type=_manifest, help="Fit a head on this manifest first.")
@click.option("--taxonomy", is_flag=True, help="Use the shipped head and taxonomy; nothing is fitted.")
@_predictions
@_report
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
@click.argument("cases", type=_manifest, required=False)
@click.option("--history", type=_manifest, help="Listing manifest with the usual prices.")
@click.option("--leave-cell-out", is_flag=True, help="Leave each case's own brand and category out of the history.")
@click.option("--simulate", is_flag=True, help="On simulated worlds instead of CASES.")
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="Simulated worlds of a kind.")
@_predictions
@click.pass_context
def prices(
    context: click.Context, /, cases: Path | None, history: Path | None, simulate: bool, seeds: int, **options: Any
) -> None:
    """Price anomaly on the labelled listing manifest CASES, or on simulated prices."""
    from training.evaluate_prices import evaluate_prices
    from training.simulate_prices import simulate_prices

    if simulate:
        if cases or history:
            raise click.UsageError("--simulate draws its own prices; leave CASES and --history out")
        with counting("worlds") as progress:
            simulated = simulate_prices(seeds=seeds, progress=progress)
        _print_worlds(context, simulated)
        return
    if cases is None or history is None:
        raise click.UsageError("give CASES and --history HISTORY.jsonl, or --simulate")
    with counting("scoring") as progress:
        report = evaluate_prices(cases, history, progress=progress, **options)
    _print(context, report)


@evaluate.command()
@click.argument("listings", type=_manifest)
@_references
@click.option("--history", required=True, type=_manifest, help="Listing manifest with the usual prices.")
@click.option("--policy", type=_manifest, help="Policy file.  [default: that of the settings]")
@click.option("--fusion", type=_manifest, help="Fusion model.  [default: that of the settings]")
@_predictions
@click.option("--facts", type=_output, help="Write each listing's facts and label here, for `touchstone fusion fit`.")
@_report
@click.pass_context
def decisions(
    context: click.Context, /, listings: Path, references: str, history: Path, policy: Path | None,
    fusion: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Decisions on the labelled listing manifest LISTINGS, by the whole pipeline in a throw-away registry."""
    from training.evaluate_decisions import evaluate_decisions

    _check_references(references)
    settings = settings_of(context, policy=policy, fusion=fusion)
    with counting("references, listings") as progress:
        figures = evaluate_decisions(listings, references, history, settings=settings, progress=progress, **options)
    _print(context, figures)


def _check_references(references: str) -> None:
    if references != "seed" and not Path(references).is_file():
        raise click.BadParameter(
            f"{references} is no file; give a reference manifest or `seed`", param_hint="--references"
        )


def _test_photos() -> tuple[Path, ...]:
    """Find the photos of the development data."""
    data = Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    photos = tuple(data / name for name in _TEST_PHOTOS)
    if missing := [path for path in photos if not path.is_file()]:
        raise click.UsageError(f"there is no {missing[0]}; give --photos MANIFEST, or set TOUCHSTONE_EVAL_DATA")
    return photos


def _print_worlds(context: click.Context, report: SimulationReport) -> None:
    """Print a line a world, as JSON or as a table."""
    rows = [asdict(world) for world in report.worlds]
    if wants_json(context):
        print_json({"worlds": rows})
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)


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
