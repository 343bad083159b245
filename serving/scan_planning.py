"""How much is there to scan, and may it be? The source is read to its end, once, before a scan is put on record.

Only what the operator opened to scans (setting `scan_roots`) is read or written. What this service does not offer is
refused by the name of its field, never passed over.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index.errors import NotFound
from serving.deadline import Deadline
from serving.errors import FieldViolation, InvalidListing
from serving.scan_answers import Planned
from serving.scan_blocks import ScanItem
from serving.scan_files import ScanFiles
from serving.scan_filter import to_filter, undecided_violations
from serving.scan_places import Place, root_of, to_place
from serving.scan_sources import open_source
from touchstone.moderation.v1 import scan_pb2

# Entries between two looks at the clock.
_LOOK_EVERY = 1_000
_ALLOWED_RUNNERS = (scan_pb2.SCAN_RUNNER_UNSPECIFIED, scan_pb2.SCAN_RUNNER_LOCAL)
_ALLOWED_MODES = (scan_pb2.SCAN_MODE_UNSPECIFIED, scan_pb2.SCAN_MODE_SCREEN)
_BY_COMMAND = "is not offered by this service; leave it out, or run `touchstone scan` beside the store"


@dataclass(frozen=True)
class SourcePlanner:
    """Plans scans of manifests and folders that `files` may read."""

    files: ScanFiles

    def plan(self, spec: scan_pb2.ScanSpec, deadline: Deadline) -> Planned:
        """Check a spec against what there is, and count it.

        Raises:
            InvalidListing: something lies outside the roots, or is not offered.
            NotFound: there is no such manifest or folder.
            CatalogueError: the manifest cannot be used.
            DeadlineExceeded: it is too long to be counted in time.

        """
        faults = tuple(itertools.chain(not_offered(spec), self._source_faults(spec), self._output_faults(spec)))
        if faults:
            raise InvalidListing(faults)
        plan = scan_pb2.ScanPlan()
        entries = open_source(location_of(spec), self.files, to_filter(spec.filter)).entries()
        while some := list(itertools.islice(entries, _LOOK_EVERY)):
            deadline.check("the scan's source was counted")
            plan.listing_count += len(some)
            plan.image_count += sum(len(one.images) for one in some if isinstance(one, ScanItem))
        return Planned(plan=plan, output=str(output_of(spec)))

    def _source_faults(self, spec: scan_pb2.ScanSpec) -> Iterator[FieldViolation]:
        field = spec.WhichOneof("source")
        if field not in ("manifest_uri", "folder_uri"):
            return
        wanted = "a folder" if field == "folder_uri" else "a manifest"
        try:
            is_folder = self.files.is_folder(location_of(spec))
        except FileNotFoundError as error:
            raise NotFound(f"There is no {wanted.removeprefix('a ')} {location_of(spec)!r}; check the name.") from error
        except OSError as error:
            yield FieldViolation(f"spec.{field}", str(error.strerror or error))
            return
        if is_folder != (field == "folder_uri"):
            yield FieldViolation(f"spec.{field}", f"is not {wanted}; name one, or send it as the other kind of source")

    def _output_faults(self, spec: scan_pb2.ScanSpec) -> Iterator[FieldViolation]:
        try:
            place = to_place(spec.output_uri)
        except OSError as error:
            yield FieldViolation("spec.output_uri", str(error.strerror or error))
            return
        if place.scheme != "file":
            yield FieldViolation("spec.output_uri", "is no file of the service's machines; rows are written to those")
            return
        output = output_of(spec)
        if root_of(Place("file", str(output)), self.files.roots) is None:
            yield FieldViolation("spec.output_uri", "lies outside the folders open to scans (setting scan_roots)")
        elif not output.parent.is_dir():
            yield FieldViolation("spec.output_uri", "lies in no folder that there is; make it, or name another")
        elif output.exists():
            yield FieldViolation("spec.output_uri", "exists already; name another file, or take that one away")


def not_offered(spec: scan_pb2.ScanSpec) -> Iterator[FieldViolation]:
    """Name what a spec asks for that scans run by the service do not do."""
    if spec.WhichOneof("source") == "catalogue":
        yield FieldViolation("spec.catalogue", _BY_COMMAND)
    else:
        yield from undecided_violations("spec.filter", spec.filter)
    if spec.mode not in _ALLOWED_MODES:
        yield FieldViolation("spec.mode", _BY_COMMAND)
    if spec.runner not in _ALLOWED_RUNNERS:
        yield FieldViolation("spec.runner", _BY_COMMAND)
    for field in ("open_cases", "max_cases"):
        if getattr(spec, field):
            yield FieldViolation(f"spec.{field}", _BY_COMMAND)


def location_of(spec: scan_pb2.ScanSpec) -> str:
    """Name the manifest or folder that a spec is about."""
    return spec.manifest_uri or spec.folder_uri


def output_of(spec: scan_pb2.ScanSpec) -> Path:
    """Name the file that a scan writes, its links resolved: one name for one file."""
    return Path(os.path.realpath(to_place(spec.output_uri).path))
