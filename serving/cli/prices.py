"""`touchstone prices`: bring prices and price bands into the store, look at what is usual, and at what drifts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.errors import PriceDataError
from index.money import ExchangeRates
from index.price_band_file import read_bands
from index.price_bands import PriceBand
from index.price_history import read_history
from index.store.store import Store
from serving.app import open_store
from serving.cli.common import Faults, print_json, progress, settings_of, wants_json
from serving.price_overview import CellPrices, brand_overview, price_model
from serving.price_watch import describe, drifts


@click.group()
def prices() -> None:
    """Prices: what is usual, from observations and price bands, and what drifts."""


@prices.command("import")
@click.argument("history", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_prices(context: click.Context, /, history: Path) -> None:
    """Import the prices that HISTORY (a listing manifest, JSON Lines) holds. Faulty rows are named, others go in."""
    faults = Faults()
    with open_store(settings_of(context)) as store:
        observations = progress(read_history(history, on_error=faults.add), what="importing")
        added = store.add_price_observations(observations)
        total = store.counts().price_observations
    if wants_json(context):
        print_json({"added": added, "price_observations": total, "faults": faults.count})
    else:
        click.echo(f"{added} prices added; {total} are on record")
    faults.exit_if_any(context)


@prices.command("bands")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_bands(context: click.Context, /, file: Path) -> None:
    """Set the price bands of the brands that FILE (YAML or .jsonl) lists, in place of those that they had."""
    entries = read_bands(file)
    with open_store(settings_of(context)) as store:
        by_brand: dict[str, list[PriceBand]] = defaultdict(list)
        for entry in entries:
            by_brand[_brand_id(store, entry.brand, file)].append(entry.band)
        for brand_id, bands in by_brand.items():
            store.set_price_bands(brand_id, bands)
    if wants_json(context):
        print_json({"brands": len(by_brand), "price_bands": len(entries)})
    else:
        click.echo(f"{len(entries)} price bands of {len(by_brand)} brands set")


@prices.command()
@click.argument("brand")
@click.option("--category", default="", help="Only this category, as in the history: `shoes > sneakers`.")
@click.pass_context
def show(context: click.Context, /, brand: str, category: str) -> None:
    """Show what BRAND's goods cost: quantiles and expected price by category, windows, and alarms of drift."""
    settings = settings_of(context)
    rates = ExchangeRates.load(settings.exchange_rates)
    with open_store(settings) as store:
        overview = brand_overview(
            store, brand, rates, base_currency=settings.base_currency, category=category, now=datetime.now(UTC)
        )
    if wants_json(context):
        print_json(_plain(asdict(overview)))
        return
    console, table = Console(), Table("category", "prices", "expected", "5% - median - 95%", "price band", "sketch")
    for cell in overview.cells:
        table.add_row(*map(escape, _row(cell, overview.currency)))
    console.print(table)
    for window in overview.windows:
        ratio = "-" if window.ratio is None else f"{window.ratio:.2f} of the expected price"
        console.print(f"{window.name}: {ratio} (weight {window.weight:.1f} prices)", highlight=False)
    console.print(f"prices without a time, in no window: {overview.undated}", highlight=False)
    for drift in overview.drifts:
        console.print(f"drift: {escape(describe(drift))}", highlight=False)


@prices.command()
@click.pass_context
def drift(context: click.Context, /) -> None:
    """Name the brands whose prices or price scores have drifted, the latest first. Exit code 3 when there are any."""
    settings = settings_of(context)
    rates = ExchangeRates.load(settings.exchange_rates)
    with open_store(settings) as store:
        found = drifts(store, price_model(store, rates, base_currency=settings.base_currency))
    if wants_json(context):
        print_json([_plain(asdict(one)) for one in found])
    else:
        for one in found:
            click.echo(describe(one))
        click.echo(f"{len(found)} alarms")
    if found:
        context.exit(3)


def _brand_id(store: Store, name: str, file: Path) -> str:
    found = store.find_brand(name)
    if found is None:
        raise PriceDataError(f"{file}: there is no brand {name!r} on record; `touchstone brands list` names them.")
    return found.brand_id


def _row(cell: CellPrices, currency: str) -> tuple[str, ...]:
    at = {quantile.rank: quantile.value for quantile in cell.quantiles.quantiles}
    spread = f"{at[0.05]:.2f} - {at[0.5]:.2f} - {at[0.95]:.2f} {currency}" if at else "-"
    bands = ", ".join(f"{band.low.amount:f} - {band.high}" for band in cell.bands)
    expected = "-" if cell.expected is None else f"{cell.expected:.2f} {currency}"
    size = f"{cell.quantiles.size_bytes} bytes"
    return cell.category or "(none)", str(cell.quantiles.count), expected, spread, bands or "-", size


def _plain(value: object) -> object:
    """Return a value as JSON has it: times as RFC 3339, amounts as numbers."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
