"""How long will a scan take? As long as its like took before: what is on record of the scans that this service ran.

All photos of those scans (listings, where no photos are read) by all their time, from their start to their end: large
ones weigh more than small ones, of whose time most is start. It knows nothing of photos embedded before, nor of what
else the machines do; once the scan runs, its process measures a sample and says better.
"""

from __future__ import annotations

from collections.abc import Iterable

from index.scan_records import ScanRecord
from touchstone.moderation.v1 import scan_pb2

LOOKED_AT = 20
"""Scans that ended last: enough to find some of a kind, few enough to follow a change of machines."""


def forecast_s(spec: scan_pb2.ScanSpec, plan: scan_pb2.ScanPlan, earlier: Iterable[ScanRecord]) -> float:
    """Return how long a scan will take, in seconds; 0 when there was none like it."""
    work, took = 0, 0.0
    for record in earlier:
        if record.start_time is None or record.end_time is None:
            continue
        if _kind(scan_pb2.ScanSpec.FromString(record.spec)) == _kind(spec):
            work += _work(scan_pb2.ScanPlan.FromString(record.plan))
            took += (record.end_time - record.start_time).total_seconds()
    return _work(plan) * took / work if work else 0.0


def _kind(spec: scan_pb2.ScanSpec) -> tuple[bool, scan_pb2.ScanRunner.ValueType]:
    return spec.mode == scan_pb2.SCAN_MODE_REDECIDE, spec.runner


def _work(plan: scan_pb2.ScanPlan) -> int:
    return plan.image_count or plan.listing_count
