"""Which listings does a folder of photos hold? Each photo is one, named after its path in the folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from index.errors import CatalogueError
from serving.scan.blocks import ScanEntry, ScanFault, ScanItem
from serving.scan.files import ScanFiles
from serving.scan.manifest import MANIFEST_ROW
from serving.scan.places import suffix_of
from serving.scan.storage import FolderEntry
from serving.wire.rules import check_id

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif"})


@dataclass(frozen=True)
class FolderSource:
    """A folder with its subfolders; a `ScanSource`. Names that begin with a dot, and links to folders, are passed over.

    A listing's id is the photo's path in the folder without its suffix, `shoes/a` for `shoes/a.jpg`; photos that would
    share one keep their suffixes. `line` is the photo's place in the order of names, from 1. One folder's names are
    in memory at a time, with those of the folders above it.
    """

    location: str
    files: ScanFiles

    def check(self) -> None:
        """List it. Raises CatalogueError when there is no such folder or it cannot be read."""
        try:
            self.files.listing(self.location)
        except OSError as error:
            raise CatalogueError(f"{self.location}: the folder cannot be read: {error.strerror or error}.") from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the photos' names, sizes and times of change.

        Not of their bytes, which would mean to read every photo twice; the rows say the SHA-256 of each. A photo that
        is exchanged for one of the same size with the same time of change is not noticed.
        """
        content = hashlib.sha256()
        for found in self._photos():
            line = f"{found.path}\0{found.size}\0{found.stamp}\0{found.fault}\n"
            content.update(line.encode("utf-8", "surrogateescape"))
        return content.hexdigest()

    @cached_property
    def skipped(self) -> int:
        """How many files are no photos: of another suffix, or with a name that begins with a dot."""
        return sum(not found.is_photo for found in self._walk())

    def entries(self) -> Iterator[ScanEntry]:
        """Yield a listing for each photo, by name, and a fault for what cannot be one."""
        for line, found in enumerate(self._photos(), start=1):
            if fault := found.fault or _name_fault(found):
                yield ScanFault(line=line, listing_id="", code=MANIFEST_ROW, message=fault)
            else:
                image = f"{self.location.rstrip('/')}/{found.path}"
                yield ScanItem(line=line, listing_id=found.listing_id, images=(image,))

    def _photos(self) -> Iterator[_Found]:
        self.check()
        return (found for found in self._walk() if found.is_photo or found.fault)

    def _walk(self) -> Iterator[_Found]:
        """Go through all files, a folder's where its name stands among the files beside it."""
        above: list[Iterator[_Found]] = [iter(self._folder(""))]
        while above:
            found = next(above[-1], None)
            if found is None:
                above.pop()
            elif found.is_folder:
                above.append(iter(self._folder(f"{found.path}/")))
            else:
                yield found

    def _folder(self, inner: str) -> list[_Found]:
        """List one folder; one that cannot be read is a fault where its photos would be."""
        try:
            entries = self.files.listing(f"{self.location.rstrip('/')}/{inner}".rstrip("/") or "/")
        except OSError as error:
            fault = f"the folder {inner!r:.80} cannot be read: {error.strerror or error}"
            return [_Found(inner, fault=fault)]
        entries = [entry for entry in entries if not (entry.is_folder and entry.name.startswith("."))]
        names = [entry.name for entry in entries if _is_photo(entry)]
        stems = Counter(map(_stem, names))
        stems.update(names)  # "a.jpg" would be the id of "a.jpg.png", too
        return [
            _Found(
                inner + entry.name,
                listing_id=inner + (_stem(entry.name) if stems[_stem(entry.name)] == 1 else entry.name),
                is_photo=_is_photo(entry),
                is_folder=entry.is_folder,
                size=entry.size,
                stamp=entry.stamp,
            )
            for entry in entries
        ]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A file or folder by its path in the folder that is scanned."""

    path: str = field(kw_only=False)
    listing_id: str = ""
    is_photo: bool = False
    is_folder: bool = False
    size: int = 0
    stamp: str = ""
    fault: str = ""


def _is_photo(entry: FolderEntry) -> bool:
    return not entry.is_folder and not entry.name.startswith(".") and suffix_of(entry.name) in PHOTO_SUFFIXES


def _stem(name: str) -> str:
    return name[: -len(suffix_of(name))]


def _name_fault(found: _Found) -> str:
    """Say why a photo's path can be no id, "" when it can."""
    if not found.path.isprintable() and any("\udc80" <= character <= "\udcff" for character in found.path):
        return f"the name {found.path!r:.80} is not UTF-8; rename the file"
    faults = [violation.description for violation in check_id("listing_id", found.listing_id, required=True)]
    return f"the name {found.path!r:.80} can be no listing_id: {faults[0]}; rename the file" if faults else ""
