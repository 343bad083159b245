"""What does a location hold: a manifest or a folder of photos? The source that a scan of it reads."""

from __future__ import annotations

from index.errors import CatalogueError
from serving.scan.files import ScanFiles
from serving.scan.filter import EVERYTHING, ScanFilter
from serving.scan.folder import FolderSource
from serving.scan.manifest import FORMATS, ManifestSource
from serving.scan.places import suffix_of


def open_source(location: str, files: ScanFiles, only: ScanFilter = EVERYTHING) -> ManifestSource | FolderSource:
    """Open the manifest or folder at a location, both `ScanSource`s.

    Raises:
        CatalogueError: there is nothing there that may be read; or it is neither; or its header or schema cannot be
            used; or a folder, whose photos say nothing of seller, market, brand or category, is to be filtered.

    """
    try:
        is_folder = files.is_folder(location)
    except OSError as error:
        raise CatalogueError(f"{location}: {error.strerror or error}.") from error
    if is_folder and only:
        raise CatalogueError(f"{location}: photos in a folder say nothing of what a filter asks; filter a manifest.")
    if not is_folder and suffix_of(location) not in FORMATS:
        raise CatalogueError(
            f"{location}: what to scan is told by the end of its name; give a manifest that ends in "
            f"{', '.join(FORMATS)}, or a folder of photos."
        )
    source = FolderSource(location, files) if is_folder else ManifestSource(location, files, only)
    source.check()
    return source
