"""How does other software have listings scanned by the service? A typed client of ScanService.

    with ScanClient("touchstone.example:50051", credentials) as client:
        scan = client.start(scan_pb2.ScanSpec(manifest_uri="/data/listings.jsonl", output_uri="/data/out.parquet"))
        for scan in client.follow(scan.scan_id):
            print(scan.progress.done_count, scan.progress.total_count)

Following survives a server that drains or restarts: the scan goes on, and so does following it. Refused fields raise
InvalidListing, everything else grpc.RpcError. `metadata` goes with every call, such as who calls where a proxy says so.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import grpc

from serving.channel import Credentials
from serving.service_client import ServiceClient, repeating
from touchstone.moderation.v1 import scan_pb2
from touchstone.moderation.v1 import scan_service_pb2 as pb
from touchstone.moderation.v1.scan_service_pb2_grpc import ScanServiceStub

# Planning reads a manifest to its end.
DEFAULT_TIMEOUT_S = 60.0
_PAUSE_S, _GIVEN_UP_S = 0.5, 120.0
# Safe because starting carries an idempotency key, and the others may be called any number of times.
_OPTIONS = repeating("ScanService", ("StartScan", "GetScan", "CancelScan"))


class ScanClient(ServiceClient):
    """A channel to ScanService. Thread-safe; use it as a context manager. Each call raises as the module says."""

    def __init__(
        self,
        target: str,
        credentials: Credentials | None = None,
        *,
        metadata: Sequence[tuple[str, str]] = (),
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        """Connect to "host:port". Without `credentials`, in plaintext, with the token of TOUCHSTONE_TOKEN if any."""
        super().__init__(ScanServiceStub, target, credentials, metadata=metadata, timeout_s=timeout_s, options=_OPTIONS)

    def start(self, spec: scan_pb2.ScanSpec, *, plan_only: bool = False, request_id: str = "") -> scan_pb2.Scan:
        """Plan a scan and start it; without a `request_id` one is made up for this call."""
        request = pb.StartScanRequest(spec=spec, plan_only=plan_only, request_id=request_id or uuid.uuid4().hex)
        return _scan(self._ask("StartScan", request))

    def resume(self, scan_id: str, *, request_id: str = "") -> scan_pb2.Scan:
        """Let a scan go on that was planned, cancelled or interrupted."""
        request = pb.StartScanRequest(resume_scan_id=scan_id, request_id=request_id or uuid.uuid4().hex)
        return _scan(self._ask("StartScan", request))

    def get(self, scan_id: str) -> scan_pb2.Scan:
        """Read a scan as it now stands."""
        return _scan(self._ask("GetScan", pb.GetScanRequest(scan_id=scan_id)))

    def cancel(self, scan_id: str) -> scan_pb2.Scan:
        """Ask a scan to stop; it can be resumed."""
        return _scan(self._ask("CancelScan", pb.CancelScanRequest(scan_id=scan_id)))

    def follow(self, scan_id: str) -> Iterator[scan_pb2.Scan]:
        """Yield a scan at once, whenever it has come further, and when it ends.

        Goes on when the server goes away, and raises its error when none has come back for two minutes.
        """
        heard = time.monotonic()
        while True:
            watched = self._stub.WatchScan(pb.WatchScanRequest(scan_id=scan_id), metadata=self._metadata)
            try:
                for response in watched:
                    heard = time.monotonic()
                    yield response.scan
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() - heard > _GIVEN_UP_S:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return
            finally:
                watched.cancel()  # also when whoever follows has seen enough


def _scan(response: Any) -> scan_pb2.Scan:
    scan: scan_pb2.Scan = response.scan
    return scan
