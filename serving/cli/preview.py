"""`touchstone brands preview`: what would this image hit if it were a reference? Nothing of it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from index.records import ReferenceKind
from serving.access.caller import NOBODY
from serving.app import open_application
from serving.channel import Credentials
from serving.cli.common import message_dict, print_json, settings_of, wants_json
from serving.cli.connection import reached, with_credentials
from serving.deadline import NEVER
from touchstone.moderation.v1 import brand_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

_PATIENCE_S = 60.0


@click.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--brand", required=True, metavar="ID", help="The brand that it would belong to.")
@click.option("--kind", required=True, type=click.Choice([str(kind) for kind in ReferenceKind]))
@click.option("--box", type=(float, float, float, float), metavar="X1 Y1 X2 Y2", help="The part that counts, 0..1.")
@click.option("--max-results", type=click.IntRange(1, 100), default=20, show_default=True)
@with_credentials("Ask a running service instead of this installation.")
@click.pass_context
def preview(
    context: click.Context,
    /,
    image: Path,
    server: str | None,
    credentials: Credentials,
    max_results: int,
    **draft: Any,
) -> None:
    """Say what IMAGE would hit as a reference: listings, other brands' references, and how generic it is."""
    request = pb.PreviewReferenceRequest(draft=_draft(image.read_bytes(), **draft), max_results=max_results)
    response = _ask(server, credentials, request) if server else _look_here(context, request)
    if wants_json(context):
        print_json(message_dict(response))
    else:
        _print(response)


def _draft(
    content: bytes, *, brand: str, kind: str, box: tuple[float, float, float, float] | None
) -> pb.ReferenceDraft:
    return pb.ReferenceDraft(
        brand_id=brand,
        kind=evidence_pb2.ReferenceKind.Value(f"REFERENCE_KIND_{kind.upper()}"),
        image=listing_pb2.Image(content=content),
        box=None if box is None else evidence_pb2.Box(x1=box[0], y1=box[1], x2=box[2], y2=box[3]),
    )


def _ask(server: str, credentials: Credentials, request: pb.PreviewReferenceRequest) -> pb.PreviewReferenceResponse:
    with reached(server, credentials) as channel:
        return BrandServiceStub(channel).PreviewReference(request, timeout=_PATIENCE_S)


def _look_here(context: click.Context, request: pb.PreviewReferenceRequest) -> pb.PreviewReferenceResponse:
    with open_application(settings_of(context)) as application:
        application.listings.refresh()  # a server's own thread does so; here nothing else would
        return application.registry.previews.preview(request, NOBODY, deadline=NEVER)


def _print(response: pb.PreviewReferenceResponse) -> None:
    state = brand_pb2.ReferenceState.Name(response.expected_state).removeprefix("REFERENCE_STATE_").lower()
    scope = response.scope
    click.echo(f"{state}: {response.expected_state_reason}")
    click.echo(
        f"wrong matches expected in a million listings: {scope.expected_false_matches_per_million:.3g} "
        f"(by {scope.background_image_count} photos)"
    )
    click.echo(f"references of other brands that look the same: {scope.collision_count}")
    for collision in response.collisions:
        click.echo(f"  {collision.similarity:.3f}  {collision.brand}  {collision.reference_id}")
    click.echo(f"listings on sale that it matches: {len(response.listing_hits)}")
    for hit in response.listing_hits:
        click.echo(f"  {hit.similarity:.3f}  {hit.listing_id}  photo {hit.image_index + 1}")
