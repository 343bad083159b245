"""What of a scan can this service do? What it cannot is refused by the name of its field, never passed over.

Scans over Ray go where the operator says (setting `scan_ray_address`), never where a request says.
"""

from __future__ import annotations

from collections.abc import Iterator

from serving.errors import FieldViolation
from serving.scan.filter import undecided_violations
from serving.scan.words import BELOW, unsayable
from touchstone.moderation.v1 import scan_pb2


def not_offered(spec: scan_pb2.ScanSpec, *, ray: bool) -> Iterator[FieldViolation]:
    """Name what a spec asks for that cannot be done; `ray`: whether scans may run over Ray."""
    redecides = spec.mode == scan_pb2.SCAN_MODE_REDECIDE
    if spec.WhichOneof("source") == "catalogue":
        yield from _catalogue_faults(spec, redecides=redecides)
    else:
        yield from undecided_violations("spec.filter", spec.filter)
        if redecides:
            remedy = "decides on listings already screened; send a catalogue query, or SCAN_MODE_SCREEN"
            yield FieldViolation("spec.mode", remedy)
    if spec.runner == scan_pb2.SCAN_RUNNER_RAY:
        if redecides:
            yield FieldViolation("spec.runner", "is for photos, which SCAN_MODE_REDECIDE does without; leave it out")
        elif not ray:
            yield FieldViolation("spec.runner", "is not set up here (setting scan_ray_address); leave it out")
    if spec.max_cases and not spec.open_cases:
        yield FieldViolation("spec.max_cases", "goes with open_cases; set that, or leave it out")


def over_ray(spec: scan_pb2.ScanSpec, *, ray: bool) -> bool:
    """Whether a scan runs over Ray: if it may, unless it reads no photos or asks to be run locally."""
    local = spec.runner == scan_pb2.SCAN_RUNNER_LOCAL
    return ray and not local and spec.mode != scan_pb2.SCAN_MODE_REDECIDE


def _catalogue_faults(spec: scan_pb2.ScanSpec, *, redecides: bool) -> Iterator[FieldViolation]:
    if not redecides:
        remedy = "screens, but photos of listings already screened are not kept; send SCAN_MODE_REDECIDE, or a manifest"
        yield FieldViolation("spec.mode", remedy)
    if names := unsayable(spec.filter.category_path):
        remedy = (
            f"{names[0]!r} is no category's name: it is blank, holds {BELOW!r}, or has spaces around it; correct it"
        )
        yield FieldViolation("spec.filter.category_path", remedy)
