"""What do the suites about references share? Files to upload, streams of them, and a judge of how broad they are."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.records import ReferenceScope, ReferenceState
from serving.app import Application
from serving.scoping import Assessment
from tests.integration.support import AURORA, PATIENCE_S, Service
from touchstone.moderation.v1 import brand_pb2, evidence_pb2
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceStub

LOGO = evidence_pb2.REFERENCE_KIND_LOGO
SCOPE = ReferenceScope(false_matches_per_million=40.0, background_images=2_000, collisions=1)
WHEEL = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
    b'<path fill="#c00" d="M12 2a10 10 0 100 20 10 10 0 000-20zm0 4a6 6 0 110 12 6 6 0 010-12z"/></svg>'
)

Metadata = tuple[tuple[str, str | bytes], ...]
OWNER_OF_AURORA: Metadata = (
    ("touchstone-actor", "anna"), ("touchstone-roles", "brand-owner"), ("touchstone-brands", "aurora"),
)  # fmt: skip
OWNER_OF_BOREALIS: Metadata = (
    ("touchstone-actor", "boris"), ("touchstone-roles", "brand-owner"), ("touchstone-brands", "borealis"),
)  # fmt: skip
MODERATOR: Metadata = (("touchstone-actor", "mara"), ("touchstone-roles", "moderator"))


@dataclass(frozen=True)
class Judge:
    """An `Assessor` that finds everything as broad as it is told."""

    state: ReferenceState = ReferenceState.QUARANTINED
    reason: str = "too broad"

    def assess(self, brand_id: str, vectors: NDArray[np.float32], *, marks: bool) -> Assessment:
        """Judge whatever comes alike."""
        return Assessment(scope=SCOPE, collisions=(), state=self.state, reason=self.reason)


def judged_by(application: Application, judge: Judge) -> Application:
    """Give the application another assessor."""
    answers = application.registry.references
    references = replace(
        answers, uploads=replace(answers.uploads, assessor=judge), reviews=replace(answers.reviews, assessor=judge)
    )
    return replace(application, registry=replace(application.registry, references=references))


def brands_of(service: Service) -> BrandServiceStub:
    """BrandService, over the shared channel."""
    return BrandServiceStub(service.channel)


def header(**fields: Any) -> pb.UploadReferenceHeader:
    """Make the header of a logo of Aurora."""
    given: dict[str, Any] = {"brand_id": AURORA.brand_id, "kind": LOGO} | fields
    return pb.UploadReferenceHeader(**given)


def parts(head: pb.UploadReferenceHeader, content: bytes, *, size: int = 10_000) -> Iterator[pb.UploadReferenceRequest]:
    """Cut a file into a header and chunks."""
    yield pb.UploadReferenceRequest(header=head)
    for start in range(0, len(content), size):
        yield pb.UploadReferenceRequest(chunk=content[start : start + size])


def upload(service: Service, *files: tuple[pb.UploadReferenceHeader, bytes], by: Metadata = ()) -> list[Any]:
    """Upload files in one stream, and return the results."""
    stream = (part for head, content in files for part in parts(head, content))
    return list(brands_of(service).UploadReference(stream, timeout=PATIENCE_S, metadata=by).results)


def uploaded(service: Service, content: bytes, *, by: Metadata = (), **fields: Any) -> brand_pb2.Reference:
    """Upload one file that is taken in."""
    (result,) = upload(service, (header(**fields), content), by=by)
    assert result.HasField("reference"), result.error
    reference: brand_pb2.Reference = result.reference
    return reference


def listed(service: Service, *, by: Metadata = (), **fields: Any) -> list[brand_pb2.Reference]:
    """List references of Aurora on one page."""
    request = pb.ListReferencesRequest(**{"brand_id": AURORA.brand_id} | fields)
    return list(brands_of(service).ListReferences(request, timeout=PATIENCE_S, metadata=by).references)


def digests(service: Service) -> set[str]:
    """Name the files of Aurora's references."""
    return {reference.image_result.sha256 for reference in listed(service, page_size=1_000)}


def sha256(content: bytes) -> str:
    """Digest a file."""
    return hashlib.sha256(content).hexdigest()


def small_picture(seed: int, *, edge: int = 48) -> bytes:
    """Draw a small picture of its own for each seed, in a millisecond."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.kron(coarse, np.ones((edge // 6, edge // 6, 1), np.uint8))).save(stream, "PNG")
    return stream.getvalue()
