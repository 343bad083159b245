"""`touchstone scan diff`: what changed between two scans, as text, JSON and a file of all changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console, Group
from rich.table import Table

from index.store.engine import in_batches
from serving.cli.common import print_json, wants_json
from serving.domain import Verdict
from serving.scan.diff import EXAMPLES, Change, ScanDiff, comparing
from serving.scan.file import open_scan
from serving.spreadsheets import as_cell

_SCHEMA = pa.schema(
    [
        pa.field(name, pa.float64() if name.startswith("probability") else pa.string())
        for name in Change.__dataclass_fields__
    ]
)
_WRITERS = {".csv": pyarrow.csv.CSVWriter, ".parquet": pq.ParquetWriter}
_PAGE = 4_096
_MOST_REASONS = 15
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("before", type=_FILE, metavar="BEFORE.parquet")
@click.argument("after", type=_FILE, metavar="AFTER.parquet")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write all changes there, .csv or .parquet."
)
@click.option("--limit", type=click.IntRange(0), default=EXAMPLES, show_default=True, help="Examples of each change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.pass_context
def diff(context: click.Context, /, before: Path, after: Path, out: Path | None, limit: int, as_json: bool) -> None:
    """Say what changed between two scans: verdicts, reasons, brands, listings, versions."""
    if out is not None and out.suffix not in _WRITERS:
        raise click.UsageError(f"--out {out}: give a file that ends in {' or '.join(_WRITERS)}")
    with open_scan(before) as was, open_scan(after) as now, comparing() as comparison:
        found = comparison.compare(was, now, examples=limit)
        if out is not None:
            _write(out, comparison.changes())
    if as_json or wants_json(context):
        print_json(found.document())
    else:
        Console(markup=False, emoji=False, highlight=False).print(_page(found))


def _write(path: Path, changes: Iterable[Change]) -> None:
    """Write changes, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.tmp")
    with _WRITERS[path.suffix](unfinished, _SCHEMA) as writer:
        for page in in_batches(changes, _PAGE):
            rows = [vars(one) for one in page]
            if path.suffix == ".csv":
                rows = [{name: as_cell(value) for name, value in row.items()} for row in rows]
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
    unfinished.replace(path)


def _page(found: ScanDiff) -> Group:
    parts: list[str | Table] = [
        f"{found.changed:,} of {found.both:,} listings have another verdict",
        *(f"{name}: {was or 'not said'} -> {now or 'not said'}" for name, (was, now) in found.versions.items()),
        _verdicts(found),
    ]
    if found.gained or found.lost:
        parts.append(_reasons(found))
    if found.brands:
        parts.append(_brands(found))
    if any(found.examples.values()):
        parts.append(_examples(found))
    return Group(*parts)


def _verdicts(found: ScanDiff) -> Table:
    table = Table(
        "before", *(f"now {verdict}" for verdict in Verdict), "gone", title="Listings by verdict", title_justify="left"
    )
    for was in Verdict:
        counts = [found.verdicts[str(was), str(now)] for now in Verdict]
        table.add_row(str(was), *map(_figure, counts), _figure(found.only_before[str(was)]))
    table.add_row("new", *(_figure(found.only_after[str(now)]) for now in Verdict), "")
    return _to_the_right(table)


def _reasons(found: ScanDiff) -> Table:
    table = _table("Reasons, of listings in both", "reason", "gained", "lost")
    moved = found.gained + found.lost
    for code, _ in moved.most_common(_MOST_REASONS):
        table.add_row(code, _figure(found.gained[code]), _figure(found.lost[code]))
    if len(moved) > _MOST_REASONS:
        table.add_row(f"and {len(moved) - _MOST_REASONS} more", "", "")
    return _to_the_right(table)


def _brands(found: ScanDiff) -> Table:
    table = Table(
        "brand", "changed", "graver", "milder", title="Brands with most changes of verdict", title_justify="left"
    )
    for one in found.brands:
        table.add_row(one.brand or "(none)", *map(_figure, (one.changed, one.graver, one.milder)))
    return _to_the_right(table)


def _examples(found: ScanDiff) -> Table:
    """Show the gravest changes first, what stands in one scan only last; a reason a line."""
    table = _table("Examples", "verdict", "listing", "probability", "brand", "reasons")
    for kind in sorted(found.examples, key=_gravest_first):
        was, now = (verdict or nothing for verdict, nothing in zip(kind, ("new", "gone"), strict=True))
        shown = found.examples[kind]
        for one in shown:
            figures = [f"{p:.2f}" for p in (one.probability_before, one.probability_after) if p is not None]
            reasons = [f"+ {code}" for code in one.reasons_gained.split()]
            reasons += [f"- {code}" for code in one.reasons_lost.split()]
            said = f"{was} -> {now}" if one is shown[0] else ""
            table.add_row(said, one.listing_id, " -> ".join(figures), one.brand or "(none)", "\n".join(reasons))
        table.add_section()
    return table


def _gravest_first(kind: tuple[str | None, str | None]) -> tuple[bool, int]:
    was, now = (list(Verdict).index(Verdict(verdict)) if verdict else 0 for verdict in kind)
    return None in kind, was - now


def _table(title: str, *headings: str) -> Table:
    return Table(*headings, title=title, title_justify="left")


def _to_the_right(table: Table) -> Table:
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _figure(count: int) -> str:
    return f"{count:,}" if count else "·"
