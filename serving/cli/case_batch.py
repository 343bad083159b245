"""`touchstone cases batch`: act on what was ticked in a scan's report, through the listings' open cases."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from google.protobuf import json_format

from serving.cli.case_asking import Ask, asking
from serving.cli.common import message_dict, print_json, progress, wants_json
from serving.scan_selection import read_selection, selected_listings
from serving.wire_case import DEFAULT_BATCH, MAX_BATCH
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb

VERDICTS = {"allow": decision_pb2.VERDICT_ALLOW, "takedown": decision_pb2.VERDICT_TAKEDOWN}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_LINES = 20


@click.command()
@click.argument("scan", metavar="OUT.parquet", type=_FILE)
@click.argument("selection", metavar="SELECTION.json", type=_FILE)
@click.option("--verdict", type=click.Choice(list(VERDICTS)), required=True)
@click.option("--reason", required=True, help="Code of the operator's list.")
@click.option("--note", default="", help="For colleagues.")
@click.option("--statement", type=_FILE, help="JSON file with a StatementOfReasons; a takedown needs one.")
@click.option(
    "--max",
    "most",
    type=click.IntRange(1, MAX_BATCH),
    default=DEFAULT_BATCH,
    show_default=True,
    help="Refuse to touch more cases than so many.",
)
@click.option("--apply", is_flag=True, help="Do it; without, only say what would be done.")
@click.pass_context
def batch(context: click.Context, /, scan: Path, selection: Path, most: int, *, apply: bool, **given: Any) -> None:
    """Resolve the open cases of listings that were ticked in a scan's report; `cases undo --batch` takes it back."""
    outcome = case_pb2.Outcome(verdict=VERDICTS[given["verdict"]], reason_code=given["reason"], note=given["note"])
    if given["statement"] is not None:
        read_statement(given["statement"], outcome)
    listings = list(dict.fromkeys(selected_listings(scan, read_selection(selection))))
    with asking(context) as ask:
        case_ids = _open_cases(ask, listings, most)
        if not case_ids:
            click.echo(
                f"{len(listings)} listings are selected; none of them has an open case, so nothing is to be done"
            )
            return
        request = pb.BatchResolveCasesRequest(
            case_ids=pb.CaseIds(case_ids=case_ids), outcome=outcome, preview_only=not apply, max_cases=most
        )
        done = ask("BatchResolveCases", request)
    if wants_json(context):
        print_json(message_dict(done))
    else:
        click.echo("\n".join(_lines(done, selected=len(listings))))
    if any(result.HasField("error") for result in done.results):
        context.exit(3)


def read_statement(path: Path, outcome: case_pb2.Outcome) -> None:
    """Read a StatementOfReasons into an outcome."""
    try:
        json_format.Parse(path.read_text(encoding="utf-8"), outcome.statement)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is no StatementOfReasons: {error}") from error


def _open_cases(ask: Ask, listings: Iterable[str], most: int) -> list[str]:
    """Find the open cases of listings, and refuse as soon as there are too many."""
    found: list[str] = []
    for listing_id in progress(listings, what="looking up cases"):
        page = ask("ListCases", pb.ListCasesRequest(filter=pb.CaseFilter(listing_id=listing_id)))
        found += [case.case_id for case in page.cases]
        if len(found) > most:
            raise click.UsageError(f"more than {most} open cases are selected; raise --max, or select fewer")
    return found


def _lines(done: pb.BatchResolveCasesResponse, *, selected: int) -> list[str]:
    count = len(done.results)
    lines = [f"{selected} listings are selected; {count} open cases"]
    lines += [
        f"  {result.case_id}  {result.listing_id}  {result.error.message if result.HasField('error') else 'ok'}"
        for result in done.results[:_LINES]
    ]
    lines += [f"  and {count - _LINES} more"] if count > _LINES else []
    if not done.batch_id:
        return [*lines, f"{done.resolved_count} would be resolved; nothing was changed. Add --apply to do it."]
    return [
        *lines,
        f"{done.resolved_count} resolved",
        f"undo: touchstone cases undo --batch {done.batch_id} --reason WHY",
    ]
