"""`touchstone cases batch`: act on what was ticked in a scan's report, through the listings' open cases."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click
from google.protobuf import json_format

from serving.cli.case_asking import Ask, asking
from serving.cli.common import message_dict, print_json, wants_json
from serving.scan.selection import read_selection, selected_listings
from serving.wire.case import DEFAULT_BATCH, MAX_BATCH, MAX_PAGE
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
        etags = _open_cases(ask, listings, most)
        if not etags:
            click.echo(
                f"{len(listings)} listings are selected; none of them has an open case, so nothing is to be done"
            )
            return
        request = pb.BatchResolveCasesRequest(
            case_ids=pb.CaseIds(case_ids=etags), outcome=outcome, preview_only=not apply, max_cases=most
        )
        if apply:
            # The same outcome for the same cases as they stand is the same batch; for cases undone since, another.
            content = request.SerializeToString(deterministic=True) + repr(etags).encode()
            request.request_id = hashlib.sha256(content).hexdigest()
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


def _open_cases(ask: Ask, listings: Collection[str], most: int) -> dict[str, str]:
    """Find the open cases of listings, in their order, with their etags; refuse as soon as there are too many.

    A few listings are asked for one by one; where that would take more calls than reading the whole queue, it is read.
    """
    queue = ask("ListCases", pb.ListCasesRequest(page_size=1)).total_count
    if len(listings) > queue / MAX_PAGE + 1:
        cases = _pages(ask, pb.ListCasesRequest(order=pb.CASE_ORDER_OLDEST, page_size=MAX_PAGE))
    else:
        wanted = (pb.CaseFilter(listing_id=listing_id) for listing_id in listings)
        cases = (case for one in wanted for case in _pages(ask, pb.ListCasesRequest(filter=one, page_size=MAX_PAGE)))
    place = {listing_id: number for number, listing_id in enumerate(listings)}
    found: dict[str, tuple[int, str]] = {}
    for case in cases:
        if case.decision.listing_id in place:
            found[case.case_id] = place[case.decision.listing_id], case.etag
        if len(found) > most:
            raise click.UsageError(f"more than {most} open cases are selected; raise --max, or select fewer")
    return {case_id: etag for case_id, (_, etag) in sorted(found.items(), key=lambda item: item[1])}


def _pages(ask: Ask, request: pb.ListCasesRequest) -> Iterator[case_pb2.Case]:
    """Yield the cases of all pages; the oldest first, no page changes while the next ones are read."""
    while True:
        page = ask("ListCases", request)
        yield from page.cases
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


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
