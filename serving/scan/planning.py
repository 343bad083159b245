"""How much is there to scan, and may it be? The source is read to its end, once, before a scan is put on record.

Only what the operator opened to scans (setting `scan_roots`) is read or written.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index.errors import NotFound
from index.scans import ScreenedListing
from index.store.engine import in_batches
from index.store.store import Store
from serving.deadline import Deadline
from serving.errors import FieldViolation, InvalidListing
from serving.scan.answers import Planned
from serving.scan.blocks import ScanEntry, ScanItem
from serving.scan.catalogue import select, to_query
from serving.scan.files import ScanFiles
from serving.scan.filter import to_filter
from serving.scan.forecast import LOOKED_AT, forecast_s
from serving.scan.offered import not_offered
from serving.scan.places import Place, root_of, to_place
from serving.scan.sources import open_source
from serving.wire.find import to_where
from touchstone.moderation.v1 import scan_pb2
from vision.calibration import MatchCalibration

# Entries between two looks at the clock.
_LOOK_EVERY = 1_000


@dataclass(frozen=True, kw_only=True)
class SourcePlanner:
    """Plans scans of manifests and folders that `files` may read, and of what the store has on record.

    `calibration` is of the model that screens; `ray`: whether scans may run over Ray.
    """

    files: ScanFiles
    store: Store
    calibration: MatchCalibration
    ray: bool

    def plan(self, spec: scan_pb2.ScanSpec, deadline: Deadline) -> Planned:
        """Check a spec against what there is, count it, and say how long it will take if the like was done before.

        Raises:
            InvalidListing: something lies outside the roots, or is not offered.
            NotFound: there is no such manifest, folder or reference.
            CatalogueError: the manifest cannot be used.
            DeadlineExceeded: it is too long to be counted in time.

        """
        refused = not_offered(spec, ray=self.ray)
        faults = tuple(itertools.chain(refused, self._source_faults(spec), self._output_faults(spec)))
        if faults:
            raise InvalidListing(faults)
        plan = self._counted(spec, deadline)
        plan.estimated_duration_ms = round(1_000 * forecast_s(spec, plan, self.store.done_scans(LOOKED_AT)))
        return Planned(plan=plan, output=str(output_of(spec)))

    def _counted(self, spec: scan_pb2.ScanSpec, deadline: Deadline) -> scan_pb2.ScanPlan:
        query, plan = spec.catalogue, scan_pb2.ScanPlan()
        if spec.WhichOneof("source") == "catalogue" and not query.reference_id:
            return scan_pb2.ScanPlan(listing_count=self.store.count_screened(to_where(spec.filter)))
        for some in in_batches(self._entries(spec), _LOOK_EVERY):
            deadline.check("the scan's source was counted")
            plan.listing_count += len(some)
            plan.image_count += sum(len(one.images) for one in some if isinstance(one, ScanItem))
        return plan

    def _entries(self, spec: scan_pb2.ScanSpec) -> Iterator[ScanEntry] | Iterator[ScreenedListing]:
        if spec.WhichOneof("source") != "catalogue":
            return open_source(location_of(spec), self.files, to_filter(spec.filter)).entries()
        query, model = to_query(spec.catalogue, spec.filter), self.calibration
        return select(self.store, query, fingerprint=model.fingerprint, calibration=model)

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


def location_of(spec: scan_pb2.ScanSpec) -> str:
    """Name the manifest or folder that a spec is about."""
    return spec.manifest_uri or spec.folder_uri


def output_of(spec: scan_pb2.ScanSpec) -> Path:
    """Name the file that a scan writes, its links resolved: one name for one file."""
    return Path(os.path.realpath(to_place(spec.output_uri).path))
