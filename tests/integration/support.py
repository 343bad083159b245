"""What do the integration suites share? Drawn pictures, listings, a small registry, and a running server to talk to."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import grpc
import numpy as np
from google.rpc.error_details_pb2 import BadRequest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from PIL import Image, ImageDraw

from index.market_records import AuthorisedSeller, PriceObservation
from index.money import Money
from index.records import Brand, Provenance, ReferenceKind
from serving.app import Application
from serving.batching import BatchingEmbedder
from serving.new_reference import NewReference, read_picture
from serving.registry import add_references
from serving.settings import Settings
from tests.support.databases import with_tables
from touchstone.moderation.v1 import decision_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub
from vision.embedder import Embedder

# Bounds every wait of these suites; reached only when something is broken.
PATIENCE_S = 60.0
# Registry pictures by the seed they are drawn from.
AURORA_SHOE, BOREALIS_BAG, KNOWN_FAKE = 1, 2, 3

AURORA = Brand(brand_id="aurora", name="Aurora", aliases=("Aurora Sports",))
BOREALIS = Brand(brand_id="borealis", name="Borealis")
AUTHORISED = "aurora-flagship"


def draw(seed: int, *, edge: int = 400, kind: str = "PNG", quality: int = 90) -> bytes:
    """Draw a picture with enough structure for a perceptual hash; the same pixels for the same seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (edge, edge), tuple(int(c) for c in rng.integers(60, 255, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y, w, h = (int(edge * v) for v in rng.uniform((0, 0, 0.08, 0.08), (0.85, 0.85, 0.5, 0.5)))
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape((x, y, x + w, y + h), fill=tuple(int(c) for c in rng.integers(0, 255, 3)))
    stream = io.BytesIO()
    image.save(stream, kind, quality=quality)
    return stream.getvalue()


def flipped_crop(picture: bytes, *, share: float = 0.6) -> bytes:
    """Cut out the middle of a picture, `share` of each edge, and flip it left to right."""
    image = Image.open(io.BytesIO(picture))
    width, height = image.size
    left, top = (round(edge * (1 - share) / 2) for edge in (width, height))
    stream = io.BytesIO()
    cut = image.crop((left, top, width - left, height - top)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    cut.save(stream, "PNG")
    return stream.getvalue()


def listing(*images: bytes, listing_id: str = "a1", **fields: Any) -> listing_pb2.Listing:
    """Put a listing together; without images, one that resembles nothing on record."""
    photos = [listing_pb2.Image(content=image) for image in images or (draw(500),)]
    return listing_pb2.Listing(listing_id=listing_id, images=photos, **fields)


def fill(application: Application) -> None:
    """Bring in two brands with a picture each, a known counterfeit, a seller list and thirty prices."""
    references = (
        new_reference(AURORA, ReferenceKind.PRODUCT, AURORA_SHOE),
        new_reference(BOREALIS, ReferenceKind.PRODUCT, BOREALIS_BAG),
        new_reference(AURORA, ReferenceKind.COUNTERFEIT, KNOWN_FAKE),
    )
    add_references(application.store, application.embedder, references)
    application.store.set_authorised_sellers(AURORA.brand_id, [AuthorisedSeller(seller_id=AUTHORISED)])
    application.store.add_price_observations(
        PriceObservation(
            brand=AURORA.name,
            category="shoes",
            condition="new",
            unit_price=Money(Decimal(85 + number), "USD"),
            observation_id=f"p{number}",
        )
        for number in range(30)
    )
    application.knowledge.refresh()
    application.listings.refresh()


@dataclass(frozen=True)
class Service:
    """A running server and a blocking stub to it."""

    application: Application
    port: int
    channel: grpc.Channel

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def stub(self) -> ModerationServiceStub:
        """ModerationService, over the shared channel."""
        return ModerationServiceStub(self.channel)

    def screen(self, offer: listing_pb2.Listing, *, request_id: str = "") -> pb.ScreenListingResponse:
        """Screen one listing."""
        request = pb.ScreenListingRequest(listing=offer, request_id=request_id)
        return self.stub.ScreenListing(request, timeout=PATIENCE_S)


class Start(Protocol):
    """Serves an application at `listen` for as long as a block runs, then drains it."""

    def __call__(self, application: Application, /, *, listen: str = ...) -> AbstractContextManager[Service]:
        """Serve it; on a free port unless told otherwise."""


def settings_at(folder: Path) -> Settings:
    """Make the settings of a server without a model; draining is short, for nothing is left that a test waits for.

    Nothing is audited at random, so that what a test sees does not depend on chance. The store has its tables.
    """
    settings = Settings(
        embedder="fake", data_dir=folder, drain_s=5.0, workers=4, audit_share=0.0, takedown_audit_share=0.0
    )
    with_tables(settings.store_path)
    return settings


def new_reference(brand: Brand, kind: ReferenceKind, seed: int) -> NewReference:
    """Make a reference of the picture drawn from a seed."""
    return NewReference(
        brand=brand,
        mark=None,
        kind=kind,
        picture=read_picture(draw(seed), None),
        box=None,
        provenance=Provenance(note=f"drawn from seed {seed}"),
    )


def codes(decision: decision_pb2.Decision) -> set[str]:
    """Name the reasons of a decision."""
    return {reason.code for reason in decision.reasons}


def duplicates(decision: decision_pb2.Decision) -> list[evidence_pb2.Duplicate]:
    """Pick the copies out of a decision's evidence."""
    return [item.duplicate for item in decision.evidence if item.HasField("duplicate")]


def violated_fields(error: grpc.RpcError) -> set[str]:
    """Name the fields that a status with `google.rpc.BadRequest` holds against a request."""
    return {violation.field for violation in field_violations(error)}


def field_violations(error: grpc.RpcError) -> list[BadRequest.FieldViolation]:
    """Read the violations of a status; none when it carries none."""
    status = rpc_status.from_call(error)
    found: list[BadRequest.FieldViolation] = []
    for detail in status.details if status else ():
        bad_request = BadRequest()
        if detail.Unpack(bad_request):
            found.extend(bad_request.field_violations)
    return found


def call_raw(service: Service, name: str, *messages: bytes) -> tuple[list[bytes], grpc.RpcError | None]:
    """Send bytes, unchecked, to the rpc "package.Service/Method": its responses up to its end, and its error if any.

    On the wire one message of a unary rpc and a stream of one message are the same, so this reaches every rpc.
    """
    method: Any = service.channel.stream_stream(f"/{name}")
    responses: list[bytes] = []
    try:
        responses.extend(method(iter(messages), timeout=PATIENCE_S))
    except grpc.RpcError as error:
        return responses, error
    return responses, None


@contextmanager
def with_embedder(application: Application, embedder: Embedder) -> Iterator[Application]:
    """Give the application another embedder of the same fingerprint for as long as a block runs."""
    with BatchingEmbedder(embedder) as batching:
        pipeline = replace(application.pipeline, embedder=batching)
        moderation = replace(application.moderation, pipeline=pipeline)
        references = application.registry.references
        references = replace(references, uploads=replace(references.uploads, embedder=batching))
        registry = replace(application.registry, references=references)
        yield replace(application, embedder=batching, moderation=moderation, registry=registry)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, and what it printed."""

    code: int
    stdout: str
    stderr: str


class Touchstone(Protocol):
    """Runs the command line in this process."""

    def __call__(self, *arguments: str | Path) -> Outcome:
        """Run `touchstone ARGUMENTS`."""


def healthy(service: Service) -> bool:
    """Tell whether health says SERVING and a listing is screened."""
    health = health_pb2_grpc.HealthStub(service.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING) and bool(service.screen(listing()).decision)


def serve_command(data: Path) -> list[str]:
    """Give the command line that serves on a free port."""
    arguments = ["--data-dir", str(data), "serve", "--listen", "127.0.0.1:0"]
    return [sys.executable, "-m", "serving.cli.main", *arguments]


def environment() -> dict[str, str]:
    """Give what a process of its own needs: no model, and the modules of this one."""
    return os.environ | {"TOUCHSTONE_EMBEDDER": "fake", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
