"""What is a scan on the wire? Requests for scans, checked, and scans on record as messages.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from index.scan_records import ScanRecord, ScanState
from serving.errors import FieldViolation, InvalidListing
from serving.scan.blocks import ScanFault
from serving.scan.pace import Pace
from serving.scan.progress import ScanProgress
from serving.status import ERROR_DOMAIN
from serving.wire.find import filter_violations
from serving.wire.rules import check_id, check_one_of, check_range, check_request_id, check_text
from touchstone.moderation.v1 import scan_pb2
from touchstone.moderation.v1 import scan_service_pb2 as pb

DEFAULT_CASES, MAX_CASES = 1_000, 100_000
_MAX_URI_CHARACTERS = 2_000
_STATES = {state: scan_pb2.ScanState.Value(f"SCAN_STATE_{state.name}") for state in ScanState}
# What `ScanFault.code` is to gRPC; anything else is a defect.
_FAULTS = {
    "MANIFEST_ROW": grpc.StatusCode.INVALID_ARGUMENT,
    "DUPLICATE_ID": grpc.StatusCode.ALREADY_EXISTS,
    "IMAGE_MISSING": grpc.StatusCode.NOT_FOUND,
    "IMAGE_UNREADABLE": grpc.StatusCode.INVALID_ARGUMENT,
    "NO_FACTS": grpc.StatusCode.NOT_FOUND,
}
_MAX_FAULT_CHARACTERS = 300


# --- requests --------------------------------------------------------------------------------------------------------


def check_start(request: pb.StartScanRequest) -> None:
    """Check a request for a scan, as far as it can be told from the request alone. Raises InvalidListing."""
    if violations := tuple(_violations(request)):
        raise InvalidListing(violations)


def to_scan_id(request: pb.GetScanRequest | pb.WatchScanRequest | pb.CancelScanRequest) -> str:
    """Translate what names a scan. Raises InvalidListing when it is none."""
    if violations := tuple(check_id("scan_id", request.scan_id, required=True)):
        raise InvalidListing(violations)
    return request.scan_id


def _violations(request: pb.StartScanRequest) -> Iterator[FieldViolation]:
    work = request.WhichOneof("work")
    if work is None:
        yield FieldViolation("work", "is missing; send a spec, or a resume_scan_id")
    yield from check_request_id("request_id", request.request_id)
    if work == "resume_scan_id":
        yield from check_id("resume_scan_id", request.resume_scan_id, required=True)
        if request.plan_only:
            yield FieldViolation("plan_only", "goes with a spec; a scan to resume is planned already, so leave it out")
    if work == "spec":
        yield from _spec_violations(request.spec)


def _spec_violations(spec: scan_pb2.ScanSpec) -> Iterator[FieldViolation]:
    source = spec.WhichOneof("source")
    if source is None:
        yield FieldViolation("spec.source", "is missing; send a manifest_uri, a folder_uri or a catalogue query")
    if source in ("manifest_uri", "folder_uri"):
        yield from check_text(f"spec.{source}", getattr(spec, source), limit=_MAX_URI_CHARACTERS)
    if source == "catalogue":
        yield from _query_violations(spec.catalogue)
    if not spec.output_uri.endswith(".parquet"):
        yield FieldViolation("spec.output_uri", "must end in .parquet; name the file that the rows go to")
    yield from check_text("spec.output_uri", spec.output_uri, limit=_MAX_URI_CHARACTERS)
    yield from filter_violations("spec.filter", spec.filter)
    yield from check_one_of("spec.mode", spec.mode, scan_pb2.ScanMode.values(), scan_pb2.ScanMode.Name)
    yield from check_one_of("spec.runner", spec.runner, scan_pb2.ScanRunner.values(), scan_pb2.ScanRunner.Name)
    yield from check_range("spec.max_cases", spec.max_cases, low=1, high=MAX_CASES, default=DEFAULT_CASES)


def _query_violations(query: scan_pb2.CatalogueQuery) -> Iterator[FieldViolation]:
    yield from check_id("spec.catalogue.reference_id", query.reference_id, required=False)
    if query.HasField("min_similarity"):
        least = query.min_similarity
        if not (math.isfinite(least) and -1.0 <= least <= 1.0):
            yield FieldViolation("spec.catalogue.min_similarity", f"{least} is out of range; send -1 to 1, or nothing")
        if not query.reference_id:
            yield FieldViolation("spec.catalogue.min_similarity", "goes with a reference_id; send one, or leave it out")


# --- answers ---------------------------------------------------------------------------------------------------------


def from_scan(record: ScanRecord) -> scan_pb2.Scan:
    """Write a scan down as it stands."""
    scan = scan_pb2.Scan(
        scan_id=record.scan_id,
        state=_STATES[record.state],
        spec=scan_pb2.ScanSpec.FromString(record.spec),
        plan=scan_pb2.ScanPlan.FromString(record.plan),
        progress=scan_pb2.ScanProgress.FromString(record.progress),
        versions=scan_pb2.ScanVersions.FromString(record.versions),
        error=Status.FromString(record.error) if record.error else None,
        started_by=record.started_by,
        create_time=_timestamp(record.create_time),
        start_time=_timestamp(record.start_time),
        end_time=_timestamp(record.end_time),
    )
    if not scan.progress.total_count:
        scan.progress.total_count = scan.plan.listing_count
    return scan


def from_progress(progress: ScanProgress, pace: Pace) -> scan_pb2.ScanProgress:
    """Write down how far a scan is, and how fast it goes."""
    left = max(0, progress.total - progress.done)
    return scan_pb2.ScanProgress(
        done_count=progress.done,
        total_count=progress.total,
        fault_count=progress.faults,
        allow_count=progress.allow,
        review_count=progress.review,
        takedown_count=progress.takedown,
        case_count=progress.cases,
        listings_per_second=pace.per_second,
        remaining_ms=round(1_000 * pace.remaining_s(left)),
        first_faults=[from_fault(fault) for fault in progress.first_faults],
    )


def replanned(plan: bytes, progress: ScanProgress) -> scan_pb2.ScanPlan:
    """Add to the plan of a scan what only the process that runs it can tell, if it tells."""
    message = scan_pb2.ScanPlan.FromString(plan)
    if progress.estimated_s:
        message.reused_image_count = progress.reused_images
        message.estimated_duration_ms = round(1_000 * progress.estimated_s)
    return message


def from_versions(versions: Mapping[str, str]) -> scan_pb2.ScanVersions:
    """Write down what a scan's rows are made with."""
    names = scan_pb2.ScanVersions.DESCRIPTOR.fields_by_name
    return scan_pb2.ScanVersions(**{name: versions.get(name, "") for name in names})


def from_fault(fault: ScanFault) -> scan_pb2.ScanFault:
    """Write down an item that could not be done."""
    code = _FAULTS.get(fault.code, grpc.StatusCode.INTERNAL)
    error = Status(code=code.value[0], message=fault.message[:_MAX_FAULT_CHARACTERS])
    error.details.add().Pack(ErrorInfo(reason=f"SCAN_{fault.code}", domain=ERROR_DOMAIN))
    return scan_pb2.ScanFault(line=fault.line, listing_id=fault.listing_id, error=error)


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message
