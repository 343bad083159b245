"""What does ScanService answer? Blocking, from request to response.

A scan is planned here and put on record; a worker of any server (`serving.scan.worker`) takes it from there, and the
store is where what it does is seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from index.rulings import RequestKey
from index.scan_records import ScanRecord, ScanState
from index.store.store import Store
from serving.access.caller import Caller
from serving.deadline import Deadline
from serving.errors import Overloaded
from serving.request_keys import key_of
from serving.wire.scan import check_start, from_scan, to_scan_id
from touchstone.moderation.v1 import scan_pb2
from touchstone.moderation.v1 import scan_service_pb2 as pb

MAX_WAITING = 32
"""Scans that may wait; with one worker a server and scans of hours, more is a mistake of some program."""

_TRY_AGAIN_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a scan will be: its plan, and the one name of the file that it writes."""

    plan: scan_pb2.ScanPlan
    output: str


class Planner(Protocol):
    """Works out what a scan is about."""

    def plan(self, spec: scan_pb2.ScanSpec, deadline: Deadline) -> Planned:
        """Check a spec against what there is, and count it. Raises InvalidListing, NotFound, DeadlineExceeded."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ScanAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    planner: Planner
    max_waiting: int = MAX_WAITING
    clock: Callable[[], datetime] = _now

    def start(self, request: pb.StartScanRequest, caller: Caller, *, deadline: Deadline) -> pb.StartScanResponse:
        """Answer StartScan.

        Raises:
            InvalidListing, NotFound: the request breaks a rule, or names something that there is not.
            Conflict: another scan writes to the output, or the one to resume cannot be.
            Overloaded, DeadlineExceeded: it cannot be done now.

        """
        check_start(request)
        who, key = caller.required(), key_of(request, request.request_id, caller)
        known = None if key is None else self.store.find_request(key)
        if known is not None:
            return pb.StartScanResponse(scan=from_scan(self.store.get_scan(known)))
        if not request.plan_only:
            self._check_room()
        if request.WhichOneof("work") == "resume_scan_id":
            record = self.store.resume_scan(request.resume_scan_id, time=self.clock(), request=key)
        else:
            record = self._begin(request, who, key, deadline)
        return pb.StartScanResponse(scan=from_scan(record))

    def get(self, request: pb.GetScanRequest) -> pb.GetScanResponse:
        """Answer GetScan. Raises InvalidListing, NotFound."""
        return pb.GetScanResponse(scan=from_scan(self.store.get_scan(to_scan_id(request))))

    def cancel(self, request: pb.CancelScanRequest) -> pb.CancelScanResponse:
        """Answer CancelScan. Raises InvalidListing, NotFound."""
        return pb.CancelScanResponse(scan=from_scan(self.store.cancel_scan(to_scan_id(request), time=self.clock())))

    def _begin(self, request: pb.StartScanRequest, who: str, key: RequestKey | None, deadline: Deadline) -> ScanRecord:
        planned = self.planner.plan(request.spec, deadline)
        deadline.check("the scan was put on record")
        now = self.clock()
        record = ScanRecord(
            scan_id=uuid.uuid4().hex,
            state=ScanState.PLANNED if request.plan_only else ScanState.QUEUED,
            spec=request.spec.SerializeToString(),
            output=planned.output,
            plan=planned.plan.SerializeToString(),
            started_by=who,
            create_time=now,
            queue_time=None if request.plan_only else now,
        )
        return self.store.add_scan(record, request=key)

    def _check_room(self) -> None:
        if (waiting := self.store.count_waiting_scans()) >= self.max_waiting:
            raise Overloaded(f"{waiting} scans wait already", retry_after_s=_TRY_AGAIN_S)
