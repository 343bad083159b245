"""How is an evidence package asked for, and in which pieces does it come? ExportEvidence to domain values and back."""

from __future__ import annotations

from dataclasses import dataclass

from index.evidence_records import Audience, EvidencePackage
from serving.errors import FieldViolation
from serving.packages.making import Wish
from serving.wire.case import refuse
from serving.wire.rules import check_id, check_one_of, check_range, check_text
from touchstone.moderation.v1 import case_service_pb2 as pb

MAX_PIECE_BYTES, DEFAULT_PIECE_BYTES = 33_554_432, 8_388_608
_MAX_BASIS_CHARACTERS, _MAX_RECIPIENT_CHARACTERS = 1_000, 256

_AUDIENCES = {
    pb.EVIDENCE_AUDIENCE_UNSPECIFIED: Audience.BRAND_OWNER,
    pb.EVIDENCE_AUDIENCE_BRAND_OWNER: Audience.BRAND_OWNER,
    pb.EVIDENCE_AUDIENCE_PLATFORM_COUNSEL: Audience.PLATFORM_COUNSEL,
    pb.EVIDENCE_AUDIENCE_AUTHORITY: Audience.AUTHORITY,
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A new package (no `package_id`) or one that was made, and which piece of it."""

    case_id: str
    audience: Audience
    recipient: str
    basis: str
    package_id: str
    offset: int
    limit: int

    def wish(self, *, exported_by: str) -> Wish:
        """Return what is to be made."""
        return Wish(
            case_id=self.case_id,
            audience=self.audience,
            recipient=self.recipient,
            basis=self.basis,
            exported_by=exported_by,
        )


def to_export(request: pb.ExportEvidenceRequest) -> Asked:
    """Translate which package is asked for. Raises InvalidListing."""
    violations = [
        *check_id("case_id", request.case_id, required=True),
        *check_one_of("audience", request.audience, _AUDIENCES, pb.EvidenceAudience.Name),
        *check_text("disclosure_basis", request.disclosure_basis, limit=_MAX_BASIS_CHARACTERS),
        *check_text("recipient", request.recipient, limit=_MAX_RECIPIENT_CHARACTERS),
        *check_id("package_id", request.package_id, required=False),
        *check_range("max_bytes", request.max_bytes, low=1, high=MAX_PIECE_BYTES, default=DEFAULT_PIECE_BYTES),
    ]
    to_authority = request.audience == pb.EVIDENCE_AUDIENCE_AUTHORITY
    if to_authority and not request.package_id and not request.disclosure_basis.strip():
        violations.append(FieldViolation("disclosure_basis", "is empty; an authority is told by some law, name it"))
    if request.offset_bytes < 0:
        violations.append(FieldViolation("offset_bytes", f"{request.offset_bytes} is before the beginning; send 0"))
    elif request.offset_bytes and not request.package_id:
        violations.append(FieldViolation("package_id", "is missing; an offset is one of a package that was made"))
    refuse(violations)
    return Asked(
        case_id=request.case_id,
        audience=_AUDIENCES[request.audience],
        recipient=request.recipient,
        basis=request.disclosure_basis,
        package_id=request.package_id,
        offset=request.offset_bytes,
        limit=request.max_bytes or DEFAULT_PIECE_BYTES,
    )


def from_package(package: EvidencePackage, content: bytes, asked: Asked) -> pb.ExportEvidenceResponse:
    """Cut the piece out. Raises InvalidListing for an offset beyond the end."""
    if asked.offset >= len(content):
        remedy = f"{asked.offset} is beyond the end; the package has {len(content)} bytes"
        refuse([FieldViolation("offset_bytes", remedy)])
    end = asked.offset + asked.limit
    return pb.ExportEvidenceResponse(
        package_id=package.package_id,
        package_sha256=package.digest,
        package_size_bytes=package.size_bytes,
        content=content[asked.offset : end],
        next_offset_bytes=end if end < len(content) else 0,
    )
