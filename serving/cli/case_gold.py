"""`touchstone cases gold`: which resolved cases are of known truth, so that people are checked with them."""

from __future__ import annotations

import click

from serving.cli.case_asking import asking
from serving.cli.common import message_dict, print_json, wants_json
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import decision_pb2


@click.group()
def gold() -> None:
    """Gold cases: resolved ones whose right answer is sure."""


@gold.command()
@click.argument("case_id")
@click.option("--note", required=True, help="Why its verdict is right, for those who answer otherwise.")
@click.pass_context
def mark(context: click.Context, /, case_id: str, note: str) -> None:
    """Mark a resolved case as gold; again replaces the note."""
    with asking(context) as ask:
        print_json(message_dict(ask("MarkGoldCase", pb.MarkGoldCaseRequest(case_id=case_id, note=note)).gold))


@gold.command()
@click.argument("case_id")
@click.pass_context
def unmark(context: click.Context, /, case_id: str) -> None:
    """Take the mark away; earlier answers to the case do not count any more."""
    with asking(context) as ask:
        unmarked = ask("UnmarkGoldCase", pb.UnmarkGoldCaseRequest(case_id=case_id)).unmarked
    click.echo(f"{case_id} is no gold case any more" if unmarked else f"{case_id} was no gold case")


@gold.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@click.pass_context
def list_gold(context: click.Context, /, limit: int) -> None:
    """List gold cases, those marked last first, with how people answered to them."""
    with asking(context) as ask:
        page = ask("ListGoldCases", pb.ListGoldCasesRequest(page_size=limit))
    if wants_json(context):
        print_json(message_dict(page))
        return
    for one in page.gold_cases:
        verdict = decision_pb2.Verdict.Name(one.case.gold.verdict).removeprefix("VERDICT_")
        answers = f"{one.agreed_count} of {one.answer_count} right"
        click.echo(f"{one.case.case_id}  {verdict:<8}  {answers:<14}  {one.case.decision.listing_id}")
    more = ", and more" if page.next_page_token else ""
    click.echo(f"{len(page.gold_cases)} gold cases{more}")
