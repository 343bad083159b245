"""Which listings does a path mean? The one place where a scan's source and the reader of its files are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from serving.scan import sources as scan_sources
from serving.scan.blocks import Opener, ScanSource
from serving.scan.files import ScanFiles
from serving.scan.filter import EVERYTHING, ScanFilter


@dataclass(frozen=True)
class OpenedSource:
    """What is scanned, and what reads its images."""

    source: ScanSource
    opener: Opener


def open_source(place: str, files: ScanFiles | None = None, only: ScanFilter = EVERYTHING) -> OpenedSource:
    """Open a manifest or a folder; without `files`, what the user can read. Raises CatalogueError."""
    files = files or ScanFiles.of_user()
    return OpenedSource(scan_sources.open_source(place, files, only), files)
