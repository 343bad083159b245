"""`touchstone brands find` and `touchstone brands sweep`: listings already screened that look like something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from index.records import Reference
from serving.access.caller import Caller
from serving.app import Application, load_calibration, open_application
from serving.channel import Credentials
from serving.cli.common import counting, message_dict, print_json, settings_of, wants_json
from serving.cli.connection import reached, with_credentials
from serving.deadline import NEVER
from serving.sweeping import Sweeper, SweepReport
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1 import catalogue_pb2, decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

_TIMEOUT_S = 60.0
_VERDICTS = {name.removeprefix("VERDICT_").lower(): value for name, value in decision_pb2.Verdict.items() if value}


@click.command()
@click.argument("image", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reference", "reference_id", default="", metavar="ID", help="Look for this reference, in any state.")
@click.option("--box", type=float, nargs=4, metavar="X1 Y1 X2 Y2", help="The part of IMAGE that counts, 0 to 1.")
@click.option("--min-similarity", type=click.FloatRange(-1, 1), help="[what counts as a match in screening]")
@click.option("--brand", multiple=True, metavar="ID", help="Only listings with evidence of this brand.")
@click.option("--seller", multiple=True, metavar="ID", help="Only this seller's.")
@click.option("--category", default="", metavar="'A > B'", help="Only this predicted category and below.")
@click.option("--verdict", multiple=True, type=click.Choice(list(_VERDICTS)), help="Only this verdict in force.")
@click.option("--market", multiple=True, metavar="CODE", help="Only offered there.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@click.option("--page-token", default="", help="Go on where a page ended.")
@with_credentials("Ask a running service instead of searching in this process.")
@click.pass_context
def find(
    context: click.Context, /, image: Path | None, server: str | None, credentials: Credentials, **words: Any
) -> None:
    """Find listings already screened that look like IMAGE or a reference."""
    request = _request(image, words)
    response = _ask(server, credentials, request) if server else _find_here(context, request)
    if wants_json(context):
        print_json(message_dict(response))
        return
    table = Table("listing", "verdict", "similarity", "photo", "seller", "screened")
    for hit in response.hits:
        verdict = decision_pb2.Verdict.Name(hit.verdict).removeprefix("VERDICT_")
        time = hit.screen_time.ToDatetime().isoformat(" ", "minutes")
        table.add_row(hit.listing_id, verdict, f"{hit.similarity:.3f}", str(hit.image_index), hit.seller_id, time)
    Console().print(table)
    if response.next_page_token:
        click.echo(f"more with --page-token {response.next_page_token}")


@click.command()
@click.argument("reference_ids", nargs=-1, metavar="[REFERENCE]...")
@click.option("--brand", "brand_id", default="", metavar="ID", help="All active references of this brand.")
@click.option("--bank", "bank_id", default="", metavar="ID", help="All active references of this set [of --brand].")
@click.option("--at-least", type=click.FloatRange(-1, 1), help="Least similarity. [what counts as a match]")
@click.option("--limit", type=click.IntRange(min=1), help="Open at most so many cases for each reference.")
@click.option("--dry-run", is_flag=True, help="Count the hits and open nothing.")
@click.pass_context
def sweep(context: click.Context, /, reference_ids: tuple[str, ...], brand_id: str, bank_id: str, **how: Any) -> None:
    """Sweep references over the listings already screened, and open a case for each hit that has none.

    Verdicts stay as they are: a person decides. What an earlier sweep found is passed over, so the command may be
    interrupted and run again.
    """
    if not (reference_ids or brand_id or bank_id):
        raise click.UsageError("say what to sweep: one or more REFERENCEs, --brand ID or --bank ID")
    with open_application(settings_of(context)) as application:
        application.listings.refresh()
        references = tuple(_references(application, reference_ids, brand_id, bank_id))
        reports = [_sweep(application, one, how) for one in references]
    if wants_json(context):
        print_json({"dry_run": how["dry_run"], "references": [report.to_json() for report in reports]})
        return
    table = Table("reference", "hits", "cases opened", "in a case already", "known", "complete")
    for report in reports:
        numbers = (report.hits, report.opened, report.joined, report.known)
        table.add_row(report.reference_id, *map(str, numbers), "yes" if report.complete else "no")
    Console().print(table)


def _sweep(application: Application, reference: Reference, how: dict[str, Any]) -> SweepReport:
    sweeper = Sweeper(
        store=application.store,
        listings=application.catalogue,
        opening=application.moderation.recorder.opening,
        calibration=load_calibration(application.embedder.fingerprint),
        fingerprint=application.embedder.fingerprint,
    )
    with counting(f"sweeping {reference.reference_id[:8]}") as progress:
        return sweeper.sweep(reference, **how, progress=lambda report: progress(report.hits, report.hits))


def _references(
    application: Application, reference_ids: tuple[str, ...], brand_id: str, bank_id: str
) -> Iterator[Reference]:
    for reference_id in reference_ids:
        yield application.store.get_reference(reference_id)
    if brand_id:
        application.store.get_brand(brand_id)
    if brand_id or bank_id:
        for reference, _ in application.store.iter_references(application.embedder.fingerprint):
            if brand_id in ("", reference.brand_id) and bank_id in ("", reference.bank_id):
                yield reference


def _find_here(context: click.Context, request: pb.FindListingsRequest) -> pb.FindListingsResponse:
    with open_application(settings_of(context)) as application:
        application.listings.refresh()
        return application.registry.listings.find(request, Caller(), deadline=NEVER)


def _ask(server: str, credentials: Credentials, request: pb.FindListingsRequest) -> pb.FindListingsResponse:
    with reached(server, credentials) as channel:
        return BrandServiceStub(channel).FindListings(request, timeout=_TIMEOUT_S)


def _request(image: Path | None, words: dict[str, Any]) -> pb.FindListingsRequest:
    if (image is None) == (not words["reference_id"]):
        raise click.UsageError("say what to look for: either IMAGE or --reference ID")
    box = words["box"]
    request = pb.FindListingsRequest(
        box=evidence_pb2.Box(x1=box[0], y1=box[1], x2=box[2], y2=box[3]) if box else None,
        min_similarity=words["min_similarity"],
        filter=catalogue_pb2.ListingFilter(
            brand_ids=words["brand"],
            seller_ids=words["seller"],
            category_path=[name.strip() for name in words["category"].split(">") if name.strip()],
            verdicts=[_VERDICTS[name] for name in words["verdict"]],
            markets=words["market"],
        ),
        page_size=words["limit"],
        page_token=words["page_token"],
    )
    if image is None:
        request.reference_id = words["reference_id"]
    else:
        request.image.CopyFrom(listing_pb2.Image(content=image.read_bytes()))
    return request
