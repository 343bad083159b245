"""`touchstone cases`: the queue and what is decided, for a moderator without a console.

Works on the store of this installation, or through a running service with `--server`; needs no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from serving.cli.case_asking import Ask, asking
from serving.cli.case_batch import VERDICTS, batch, read_statement
from serving.cli.case_gold import gold
from serving.cli.common import by_actor, message_dict, print_json, wants_json
from serving.cli.connection import with_credentials
from touchstone.moderation.v1 import case_pb2, decision_pb2, listing_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from vision.errors import TouchstoneError

_STATES = {name.removeprefix("CASE_STATE_").lower(): value for name, value in case_pb2.CaseState.items() if value}
_ORDERS = {name.removeprefix("CASE_ORDER_").lower(): value for name, value in pb.CaseOrder.items() if value}


@click.group()
@with_credentials("Ask a running service instead of the store.")
@by_actor
@click.pass_context
def cases(context: click.Context, /, **options: Any) -> None:
    """Cases: what waits for a person, and what people decided."""
    context.meta.update({f"cases.{key}": value for key, value in options.items()})


cases.add_command(batch)
cases.add_command(gold)


@cases.command("list")
@click.option("--state", type=click.Choice(list(_STATES)), multiple=True, help="Default: open.")
@click.option("--order", type=click.Choice(list(_ORDERS)), default="expected_harm", show_default=True)
@click.option("--seller", default="", help="Only this seller's.")
@click.option("--listing", default="", help="Only this listing's.")
@click.option("--scan", default="", help="Only those that this bulk scan opened.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@click.pass_context
def list_cases(context: click.Context, /, **given: Any) -> None:
    """List cases, in the order of the queue."""
    wanted = pb.CaseFilter(
        states=[_STATES[state] for state in given["state"]],
        seller_id=given["seller"],
        listing_id=given["listing"],
        scan_id=given["scan"],
    )
    request = pb.ListCasesRequest(filter=wanted, order=_ORDERS[given["order"]], page_size=given["limit"])
    with asking(context) as ask:
        page = ask("ListCases", request)
    if wants_json(context):
        print_json(message_dict(page))
        return
    for case in page.cases:
        click.echo(_line(case))
    click.echo(f"{len(page.cases)} of {page.total_count} cases")


@cases.command()
@click.argument("case_id")
@click.pass_context
def show(context: click.Context, /, case_id: str) -> None:
    """Show a case whole, as JSON."""
    with asking(context) as ask:
        print_json(message_dict(ask("GetCase", pb.GetCaseRequest(case_id=case_id)).case))


@cases.command()
@click.argument("case_id", required=False)
@click.option("--release", is_flag=True, help="Let the case go instead.")
@click.pass_context
def claim(context: click.Context, /, case_id: str | None, *, release: bool) -> None:
    """Claim a case, or the next one of the queue, and print it as JSON; its lease carries the token."""
    action = pb.CLAIM_ACTION_RELEASE if release else pb.CLAIM_ACTION_CLAIM
    request = pb.ClaimCaseRequest(next=pb.CaseFilter(), action=action)
    if case_id is not None:
        request.case_id = case_id
    with asking(context) as ask:
        print_json(message_dict(ask("ClaimCase", request).case))


@cases.command()
@click.argument("case_id")
@click.argument("verdict", type=click.Choice(list(VERDICTS)))
@click.option("--reason", default="", help="Code of the operator's list; a takedown needs one.")
@click.option("--note", default="", help="For colleagues.")
@click.option(
    "--statement",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with a StatementOfReasons.",
)
@click.pass_context
def resolve(
    context: click.Context, /, case_id: str, verdict: str, reason: str, note: str, statement: Path | None
) -> None:
    """Claim a case and resolve it; prints the resolution's id, by which it can be undone."""
    outcome = case_pb2.Outcome(verdict=VERDICTS[verdict], reason_code=reason, note=note)
    if statement is not None:
        read_statement(statement, outcome)
    with asking(context) as ask, _holding(ask, case_id) as token:
        done = ask("ResolveCase", pb.ResolveCaseRequest(case_id=case_id, outcome=outcome, lease_token=token))
    if wants_json(context):
        print_json(message_dict(done))
    else:
        click.echo(f"{_line(done.case)}\nresolution {done.resolution.resolution_id}")


@cases.command()
@click.argument("resolution_id", required=False)
@click.option("--batch", "batch_id", help="Undo a whole batch instead.")
@click.option("--reason", required=True, help="Why, for the record.")
@click.pass_context
def undo(context: click.Context, /, resolution_id: str | None, batch_id: str | None, reason: str) -> None:
    """Undo a resolution: the verdict that was in force before is in force again."""
    if bool(resolution_id) == bool(batch_id):
        raise click.UsageError("name either a resolution or --batch")
    target = {"resolution_id": resolution_id} if resolution_id else {"batch_id": batch_id or ""}
    request = pb.UndoResolutionRequest(reason=reason, **target)
    with asking(context) as ask:
        undone = ask("UndoResolution", request)
    if wants_json(context):
        print_json(message_dict(undone))
        return
    for case in undone.cases:
        click.echo(_line(case))
    click.echo(f"{undone.undone_count} undone")


@cases.command()
@click.argument("listing_id")
@click.option("--reporter", required=True, help="Who reports: a pseudonym.")
@click.option("--reason", default="COUNTERFEIT", show_default=True, help="Code of the operator's list.")
@click.option("--text", default="")
@click.option("--brand", default="", help="Id of the brand for which you report, if you own several.")
@click.option("--image", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def report(context: click.Context, /, listing_id: str, reporter: str, **given: Any) -> None:
    """Record a report about a listing and print the receipt as JSON."""
    request = pb.ReportListingRequest(
        listing_id=listing_id,
        reporter_id=reporter,
        reason_code=given["reason"],
        text=given["text"],
        brand_id=given["brand"],
        images=[listing_pb2.Image(content=path.read_bytes()) for path in given["image"]],
    )
    with asking(context) as ask:
        print_json(message_dict(ask("ReportListing", request)))


@cases.command()
@click.argument("decision_id")
@click.option("--seller", required=True, help="Who appeals.")
@click.option("--statement", required=True, help="The seller's own words.")
@click.pass_context
def appeal(context: click.Context, /, decision_id: str, seller: str, statement: str) -> None:
    """Record a seller's appeal against a decision and print the receipt as JSON."""
    request = pb.AppealDecisionRequest(decision_id=decision_id, appellant_id=seller, statement=statement)
    with asking(context) as ask:
        print_json(message_dict(ask("AppealDecision", request)))


@contextmanager
def _holding(ask: Ask, case_id: str) -> Iterator[str]:
    """Give the token of the case's lease. A case that is claimed only for this goes back when it cannot be resolved."""
    held = ask("GetCase", pb.GetCaseRequest(case_id=case_id)).case.lease.lease_token
    token = held or ask("ClaimCase", pb.ClaimCaseRequest(case_id=case_id)).case.lease.lease_token
    try:
        yield token
    except (TouchstoneError, click.ClickException):
        if not held:
            with suppress(TouchstoneError, click.ClickException):  # the lease ends by itself, too
                ask("ClaimCase", pb.ClaimCaseRequest(case_id=case_id, action=pb.CLAIM_ACTION_RELEASE))
        raise


def _verdict_in_force(case: case_pb2.Case) -> decision_pb2.Verdict.ValueType:
    """Name a person's verdict where one stands, else the decision's; a first review waits for the second."""
    standing = [one for one in case.resolutions if not one.HasField("undo_time")]
    if standing and case.state != case_pb2.CASE_STATE_AWAITING_SECOND_REVIEW:
        return standing[-1].outcome.verdict
    return case.decision.verdict


def _line(case: case_pb2.Case) -> str:
    state = case_pb2.CaseState.Name(case.state).removeprefix("CASE_STATE_")
    verdict = decision_pb2.Verdict.Name(_verdict_in_force(case)).removeprefix("VERDICT_")
    return f"{case.case_id}  {state:<9} {verdict:<8} harm {case.expected_harm:6.2f}  {case.decision.listing_id}"
