"""`touchstone scan report`: what a scan found, as one HTML page for a moderator."""

from __future__ import annotations

from pathlib import Path

import click

from index.money import ExchangeRates
from serving.cli.common import print_json, settings_of, wants_json
from serving.scan.files import ScanFiles
from serving.scan.report import read_report
from serving.scan.report_page import write_page
from serving.scan.report_pictures import Pictures

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("scan", metavar="OUT.parquet", type=_FILE)
@click.option("--html", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Write the page there.")
@click.option("--faults", type=_FILE, help="The scan's faults. [OUT.faults.jsonl where there is one]")
@click.pass_context
def report(context: click.Context, /, scan: Path, html: Path, faults: Path | None) -> None:
    """Write a page that says what a scan found. It reads the scan's files and the photos, and changes nothing."""
    beside = scan.with_suffix(".faults.jsonl")
    faults = faults or (beside if beside.is_file() else None)
    settings = settings_of(context)
    found = read_report(scan, ExchangeRates.load(settings.exchange_rates), faults=faults)
    write_page(html, found, scan=scan, pictures=Pictures(ScanFiles.of_user(settings.scan_roots)))
    size = html.stat().st_size
    if wants_json(context):
        print_json({"listings": found.rows, "verdicts": dict(found.verdicts), "bytes": size, "html": str(html)})
    else:
        click.echo(f"{html}: {found.rows:,} listings, {size / 1e6:.1f} MB")
