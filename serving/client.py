"""How does the upload pipeline call the service? A typed client: deadlines, retries, and never ALLOW by mistake.

    with ModerationClient("127.0.0.1:50051") as client:
        decision = client.screen(listing, timeout_s=2.0)
        if decision.verdict == decision_pb2.VERDICT_ALLOW: ...

    credentials = Credentials(ca=Path("ca.pem"), token_file=Path("token"))
    with ModerationClient("touchstone.example:50051", credentials) as client: ...

    with ModerationClient("dns:///touchstone:50051") as client: ...  # a name with the addresses of all replicas

When the service cannot answer within the deadline, `screen` returns a REVIEW of its own making with reason
`SERVICE_UNAVAILABLE`; `screen_or_raise` raises instead. A rejected request always raises: it is the caller's to mend.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import grpc
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from serving.channel import Credentials, from_environment
from serving.domain import Listing
from serving.errors import FieldViolation, InvalidListing
from serving.wire.requests import MAX_MESSAGE_BYTES, from_listing
from touchstone.moderation.v1 import case_service_pb2, decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

DEFAULT_TIMEOUT_S = 10.0

# gRPC retries by itself, with back-off and jitter, within the call's deadline. Safe because every screening carries an
# idempotency key: a retry of one that was recorded returns what stands.
# Calls take turns between addresses (`ipv4:10.0.0.1:50051,10.0.0.2:50051`, or a name that stands for several), and pass
# over those whose health says NOT_SERVING: a replica that drains is left before it refuses anything.
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "touchstone.moderation.v1.ModerationService"},
        "methodConfig": [
            {
                "name": [
                    {"service": "touchstone.moderation.v1.ModerationService"},
                    {"service": "touchstone.moderation.v1.CaseService", "method": "ReportListing"},
                    {"service": "touchstone.moderation.v1.CaseService", "method": "AppealDecision"},
                ],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
                },
            }
        ],
    }
)
_OPTIONS = [
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.enable_retries", 1),
    # A replica that comes back is used again before the next one goes: by default gRPC looks after up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # gRPC gives up retrying what it cannot keep: by default 256 KiB, which a single photo exceeds.
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
]


class ModerationClient:
    """A channel to one service. Thread-safe; use it as a context manager."""

    def __init__(self, target: str, credentials: Credentials | None = None) -> None:
        """Connect to "host:port", or to the addresses of several replicas.

        Without `credentials`, in plaintext, with the token of TOUCHSTONE_TOKEN if any.

        Raises SettingsError when they cannot be used, as when a token would leave this machine in plaintext.
        """
        self._channel = (credentials or from_environment()).channel(target, options=_OPTIONS)
        self._stub = ModerationServiceStub(self._channel)
        self._cases = CaseServiceStub(self._channel)

    def screen(
        self, listing: Listing, *, timeout_s: float = DEFAULT_TIMEOUT_S, request_id: str = ""
    ) -> decision_pb2.Decision:
        """Screen a listing; a REVIEW with reason `SERVICE_UNAVAILABLE` when there is no answer in time.

        Without a `request_id` one is made up for this call, so that retries cannot record two decisions.

        Raises:
            InvalidListing: the service refused the listing; every violation is named.

        """
        try:
            return self.screen_or_raise(listing, timeout_s=timeout_s, request_id=request_id)
        except grpc.RpcError as error:
            return _held(listing, error)

    def screen_or_raise(
        self, listing: Listing, *, timeout_s: float = DEFAULT_TIMEOUT_S, request_id: str = ""
    ) -> decision_pb2.Decision:
        """Screen a listing. Raises InvalidListing, and grpc.RpcError when there is no answer."""
        request = pb.ScreenListingRequest(listing=from_listing(listing), request_id=request_id or uuid.uuid4().hex)
        try:
            return self._stub.ScreenListing(request, timeout=timeout_s).decision
        except grpc.RpcError as error:
            if refused := violations_of(error):
                raise InvalidListing(refused) from error
            raise

    def screen_many(
        self, listings: Iterable[Listing], *, timeout_s: float | None = None
    ) -> Iterator[pb.ScreenListingsResponse]:
        """Screen a stream; responses come as they are done, each with `sequence` and a decision or an error.

        Raises grpc.RpcError when the stream breaks; what was not answered can be sent again.
        """
        requests = (
            pb.ScreenListingsRequest(listing=from_listing(listing), request_id=uuid.uuid4().hex) for listing in listings
        )
        yield from self._stub.ScreenListings(requests, timeout=timeout_s)

    def decision(self, decision_id: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> decision_pb2.Decision:
        """Look up a recorded decision. Raises grpc.RpcError."""
        return self._stub.GetDecision(pb.GetDecisionRequest(decision_id=decision_id), timeout=timeout_s).decision

    def capabilities(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> pb.GetCapabilitiesResponse:
        """Ask what the server is. Raises grpc.RpcError."""
        return self._stub.GetCapabilities(pb.GetCapabilitiesRequest(), timeout=timeout_s)

    def watch(self, cursor: str = "") -> Iterator[pb.WatchDecisionsResponse]:
        """Follow verdicts from `cursor` on, without end. Raises grpc.RpcError when it breaks; resume with the last."""
        yield from self._stub.WatchDecisions(pb.WatchDecisionsRequest(cursor=cursor))

    def remove(
        self, listing_id: str, reason: pb.RemovalReason.ValueType, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> pb.RemoveListingResponse:
        """Say that a listing was removed. Raises grpc.RpcError."""
        return self._stub.RemoveListing(
            pb.RemoveListingRequest(listing_id=listing_id, reason=reason), timeout=timeout_s
        )

    def report(
        self,
        listing_id: str,
        *,
        reporter_id: str,
        reason_code: str,
        text: str = "",
        request_id: str = "",
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> case_service_pb2.ReportListingResponse:
        """Pass on a buyer's report; without a `request_id` one is made up. Raises grpc.RpcError."""
        request = case_service_pb2.ReportListingRequest(
            listing_id=listing_id,
            reporter_id=reporter_id,
            reason_code=reason_code,
            text=text,
            request_id=request_id or uuid.uuid4().hex,
        )
        return self._cases.ReportListing(request, timeout=timeout_s)

    def appeal(
        self, decision_id: str, *, seller_id: str, statement: str, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> case_service_pb2.AppealDecisionResponse:
        """Pass on a seller's appeal against a decision. Raises grpc.RpcError."""
        request = case_service_pb2.AppealDecisionRequest(
            decision_id=decision_id, appellant_id=seller_id, statement=statement
        )
        return self._cases.AppealDecision(request, timeout=timeout_s)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def violations_of(error: grpc.RpcError) -> tuple[FieldViolation, ...]:
    """Read what INVALID_ARGUMENT names; malformed bytes name no field, yet are refused all the same."""
    if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
        return ()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        bad_request = BadRequest()
        if detail.Unpack(bad_request):
            return tuple(FieldViolation(each.field, each.description) for each in bad_request.field_violations)
    return (FieldViolation("", error.details() or "refused"),)


def _held(listing: Listing, error: grpc.RpcError) -> decision_pb2.Decision:
    text = f"No decision in time ({error.code().name}: {error.details()}); a moderator must look"
    return decision_pb2.Decision(
        listing_id=listing.listing_id,
        verdict=decision_pb2.VERDICT_REVIEW,
        reasons=[decision_pb2.Reason(code="SERVICE_UNAVAILABLE", text=text)],
    )
