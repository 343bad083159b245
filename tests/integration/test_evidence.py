"""Evidence packages out of a running service: whole, sealed, the same at every offset, and only for those they are for."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import grpc

from index.blobs import BlobStore
from serving.package_check import check_package
from tests.integration.case_support import TAKEDOWN, case_of, person, suspicious
from tests.integration.support import AURORA_SHOE, Service, draw
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb

Code = grpc.StatusCode
BRAND_OWNER, COUNSEL, AUTHORITY = (
    pb.EVIDENCE_AUDIENCE_BRAND_OWNER,
    pb.EVIDENCE_AUDIENCE_PLATFORM_COUNSEL,
    pb.EVIDENCE_AUDIENCE_AUTHORITY,
)
NOTICE = case_pb2.Notice(
    urls=["https://shop.example/item/odd"],
    notifier_name="Nora Notifier",
    notifier_email="nora@rights.example",
    good_faith_statement=True,
    jurisdiction="EU",
)


def keep_files(blobs: BlobStore) -> None:
    """Keep the files of the photo and the reference that the cases here are about."""
    blobs.put(draw(AURORA_SHOE))


def a_case(service: Service) -> str:
    """Take a listing down that was reported, appealed against and upheld."""
    keep_files(service.application.blobs)
    decision = suspicious(service, "odd")
    case_id = case_of(service, decision)
    person(service, "carl").report("odd", reporter="buyer-77", text="call me at 0176 555", notice=NOTICE)
    person(service, "ann").resolve(case_id, TAKEDOWN)
    person(service, "ann").appeal(decision.decision_id)
    return case_id


def export(service: Service, case_id: str, *, who: str = "ann", roles: str = "", **more: object) -> tuple[bytes, str]:
    """Read a package out in small pieces; return it with its id."""
    caller = person(service, who, roles)
    piece = caller.call("ExportEvidence", pb.ExportEvidenceRequest(case_id=case_id, max_bytes=50_000, **more))
    content, package_id = piece.content, piece.package_id
    while piece.next_offset_bytes:
        request = pb.ExportEvidenceRequest(
            case_id=case_id, package_id=package_id, offset_bytes=piece.next_offset_bytes, max_bytes=50_000
        )
        piece = caller.call("ExportEvidence", request)
        content += piece.content
    assert len(content) == piece.package_size_bytes
    return content, package_id


def files_of(content: bytes) -> dict[str, bytes]:
    """Unpack a package."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_debug(own_service: Service, tmp_path: Path) -> None:
    case_id = a_case(own_service)
    content, package_id = export(own_service, case_id, audience=COUNSEL, disclosure_basis="litigation")
    Path("/tmp/evi/P.zip").write_bytes(content)
    print(check_package(Path("/tmp/evi/P.zip")))
    content, package_id = export(own_service, case_id)
    Path("/tmp/evi/B.zip").write_bytes(content)
    print(check_package(Path("/tmp/evi/B.zip")))
