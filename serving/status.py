"""Which gRPC status tells a client of an error? One table for the whole exception tree, and a pure function over it.

The servicer's only way to report an error; the per-item errors of a stream go through it as well. An error about the
caller's own request is passed on in its words. One about this installation names files and settings, so the caller
gets a general sentence and the log gets the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from index.errors import (
    AuditBroken,
    BackendError,
    BackupError,
    BlobDamaged,
    BlobError,
    BlobMissing,
    CatalogueError,
    Conflict,
    DecidedAnew,
    KeyReused,
    ListingIndexError,
    LostRace,
    NameTaken,
    NotFound,
    NotPermitted,
    PriceDataError,
    ReferenceTooSmall,
    SellerDataError,
    SnapshotError,
    StoreAway,
    StoreError,
)
from reference_brands.errors import RenderError, SeedError
from serving.errors import (
    BatchTooLarge,
    BenchError,
    DeadlineExceeded,
    IndexBehind,
    InvalidListing,
    KeysUnavailable,
    NotKept,
    Overloaded,
    PackageError,
    PermissionDenied,
    PolicyError,
    RunnerError,
    ScanBusy,
    ScanError,
    SettingsError,
    Unauthenticated,
)
from vision.errors import (
    CheckpointError,
    ImageError,
    ModelError,
    ModelUnavailable,
    NoDecoder,
    TaxonomyError,
    UnsupportedByModel,
)

# `ErrorInfo.domain`: whose reasons these are.
ERROR_DOMAIN = "touchstone"
# When to ask again for what is UNAVAILABLE: a store that comes back is noticed about that soon.
AGAIN_S = 1.0
# Message and details travel in HTTP/2 trailers, which gRPC refuses from 8 KiB on.
_MAX_MESSAGE_CHARACTERS = 1_000
_MAX_VIOLATIONS_BYTES = 3_000  # which become a third more on the wire, and the message stands there twice


@dataclass(frozen=True)
class Answer:
    """What clients are told of a class of errors: the code, and a sentence in place of the error's own message."""

    code: grpc.StatusCode
    sentence: str = ""


_NOT_READY = Answer(grpc.StatusCode.UNAVAILABLE, "the service cannot do this at the moment; try again with back-off")
_BUG = Answer(grpc.StatusCode.INTERNAL, "an internal error; report it with the time of this call")

ANSWERS: dict[type[BaseException], Answer] = {
    InvalidListing: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    ImageError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    PriceDataError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    SellerDataError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    CatalogueError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    ReferenceTooSmall: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    RenderError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    SeedError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    DecodeError: Answer(
        grpc.StatusCode.INVALID_ARGUMENT, "the request's bytes are not the protobuf message of this rpc"
    ),
    UnsupportedByModel: Answer(grpc.StatusCode.UNIMPLEMENTED),
    NotFound: Answer(grpc.StatusCode.NOT_FOUND),
    Conflict: Answer(grpc.StatusCode.ABORTED),
    NameTaken: Answer(grpc.StatusCode.ABORTED),
    DecidedAnew: Answer(grpc.StatusCode.ABORTED),
    LostRace: Answer(
        grpc.StatusCode.ABORTED, "another change was under way at the same time; nothing was written, try again"
    ),
    KeyReused: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    NotPermitted: Answer(grpc.StatusCode.PERMISSION_DENIED),
    Unauthenticated: Answer(grpc.StatusCode.UNAUTHENTICATED),
    KeysUnavailable: _NOT_READY,
    NoDecoder: _NOT_READY,
    IndexBehind: Answer(grpc.StatusCode.UNAVAILABLE),
    DeadlineExceeded: Answer(grpc.StatusCode.DEADLINE_EXCEEDED),
    Overloaded: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED),
    PackageError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    ScanError: Answer(grpc.StatusCode.INVALID_ARGUMENT),
    ScanBusy: Answer(grpc.StatusCode.ABORTED),
    BatchTooLarge: Answer(grpc.StatusCode.RESOURCE_EXHAUSTED),
    PermissionDenied: Answer(grpc.StatusCode.PERMISSION_DENIED),
    StoreError: _NOT_READY,
    StoreAway: _NOT_READY,
    NotKept: _NOT_READY,
    ModelError: _NOT_READY,
    ModelUnavailable: _NOT_READY,
    CheckpointError: _NOT_READY,
    SnapshotError: _NOT_READY,
    BackendError: _NOT_READY,
    AuditBroken: _NOT_READY,
    BackupError: _NOT_READY,
    BlobError: _NOT_READY,
    BlobMissing: _NOT_READY,
    BlobDamaged: _NOT_READY,
    ListingIndexError: _NOT_READY,
    TaxonomyError: _NOT_READY,
    PolicyError: _NOT_READY,
    SettingsError: _NOT_READY,
    RunnerError: _NOT_READY,
    BenchError: _NOT_READY,
}


def to_status(error: BaseException) -> Status:
    """Translate an error into code, message and details. What stands in no table is a bug: INTERNAL, and no message."""
    answer = answer_to(error)
    status = Status(code=answer.code.value[0], message=answer.sentence or _message(error))
    for detail in _details(error):
        status.details.add().Pack(detail)
    return status


def answer_to(error: BaseException) -> Answer:
    """Return what clients are told of this error: the answer for its class, or for the nearest class above it."""
    return next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), _BUG)


def _message(error: BaseException) -> str:
    if isinstance(error, InvalidListing):  # whose details carry the descriptions already
        fields = dict.fromkeys(violation.field for violation in error.violations)
        message = f"the request breaks the rules of {', '.join(fields) or 'this rpc'}"
    else:
        message = str(error)
    return message if len(message) <= _MAX_MESSAGE_CHARACTERS else message[: _MAX_MESSAGE_CHARACTERS - 1] + "…"


def _details(error: BaseException) -> list[Message]:
    if isinstance(error, InvalidListing):
        return [BadRequest(field_violations=_violations(error))]
    if isinstance(error, KeyReused):
        return [BadRequest(field_violations=[BadRequest.FieldViolation(field="request_id", description=str(error))])]
    if isinstance(error, ImageError):
        return [ErrorInfo(reason=f"IMAGE_{error.fault.name}", domain=ERROR_DOMAIN)]
    if isinstance(error, Overloaded):
        # A quota's description says which it is; the subject is whoever asks.
        quota = QuotaFailure.Violation(subject="caller", description=error.limit)
        delay = _retry_after(error.retry_after_s)
        return [delay, *([QuotaFailure(violations=[quota])] if error.limit else [])]
    if answer_to(error).code is grpc.StatusCode.UNAVAILABLE:
        return [_retry_after(AGAIN_S)]
    return []


def _retry_after(seconds: float) -> RetryInfo:
    delay = Duration()
    delay.FromMilliseconds(max(1, round(seconds * 1_000)))
    return RetryInfo(retry_delay=delay)


def _violations(error: InvalidListing) -> list[BadRequest.FieldViolation]:
    """List the violations, the first ones of too many: the client corrects those and learns of the others then."""
    told: list[BadRequest.FieldViolation] = []
    left = _MAX_VIOLATIONS_BYTES
    for one in error.violations:
        violation = BadRequest.FieldViolation(field=one.field, description=one.description)
        left -= violation.ByteSize()
        if left < 0 and told:
            more = f"breaks a rule, too, as do {len(error.violations) - len(told) - 1} more fields"
            return [*told, BadRequest.FieldViolation(field=one.field, description=more)]
        told.append(violation)
    return told
