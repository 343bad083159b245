"""Which files may a scan read, and how much of each? The one way from a location to its bytes.

`ScanFiles.of_user` reads what the person who typed the command can read. `ScanFiles.of_service` reads what lies in the
roots that the operator opened (setting `scan_roots`) and nothing else, whatever names, links or URLs a manifest holds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from serving.scan.places import OBJECT_STORES, Place, Root, refusal, root_of, to_place, to_root
from serving.scan.storage import FolderEntry, is_remote_folder, list_local, list_remote, open_local, open_remote
from vision.decode import DecodeLimits

MAX_IMAGE_BYTES = DecodeLimits().max_bytes


@dataclass(frozen=True)
class ScanFiles:
    """Reads the files of a scan; an `Opener`. It can be sent to other processes.

    `roots` say how storages are reached; where `only_roots`, nothing outside of them is read.
    """

    roots: tuple[Root, ...] = ()
    only_roots: bool = True

    @classmethod
    def of_user(cls, roots: Iterable[str] = ()) -> Self:
        """Read whatever the user can read. Raises SettingsError for a root that is none."""
        return cls(tuple(map(to_root, roots)), only_roots=False)

    @classmethod
    def of_service(cls, roots: Iterable[str]) -> Self:
        """Read only what lies in roots; none means nothing. Raises SettingsError for a root that is none."""
        return cls(tuple(map(to_root, roots)), only_roots=True)

    def read(self, location: str) -> bytes:
        """Return an image file's bytes, at most 25 MiB. Raises OSError that names it."""
        with self.open(location) as file:
            content = file.read(MAX_IMAGE_BYTES + 1)
        if len(content) > MAX_IMAGE_BYTES:
            remedy = f"has more than {MAX_IMAGE_BYTES:,} bytes; compress the image or make it smaller"
            raise refusal(errno.EFBIG, remedy, location)
        return content

    def open(self, location: str) -> BinaryIO:
        """Open a file, to be read piece by piece and closed. Raises OSError that names it."""
        place, root = self._allowed(location)
        if place.scheme == "file":
            return open_local(place.path, root=root if self.only_roots else None, location=location)
        return open_remote(place, root.options if root else {}, location=location)

    def listing(self, folder: str) -> list[FolderEntry]:
        """List what a folder holds, by name. Raises OSError that names it."""
        place, root = self._allowed(folder)
        if place.scheme == "file":
            return list_local(place.path, root=root if self.only_roots else None, location=folder)
        return list_remote(place, root.options if root else {}, location=folder)

    def is_folder(self, location: str) -> bool:
        """Whether it is a folder. Raises OSError when there is nothing of this name."""
        place, root = self._allowed(location)
        if place.scheme != "file":
            return is_remote_folder(place, root.options if root else {}, location=location)
        path = Path(place.path)
        if not path.exists():
            raise refusal(errno.ENOENT, "there is no such file or folder; correct the name or put it there", location)
        return path.is_dir()

    def _allowed(self, location: str) -> tuple[Place, Root | None]:
        """Resolve a location and find its root. Raises OSError; outside the roots the same, whatever lies there."""
        place = to_place(location)
        if place.scheme == "file" and self.only_roots:
            place = Place("file", os.path.realpath(place.path))
        root = root_of(place, self.roots)
        if self.only_roots and root is None:
            remedy = "lies outside the folders and buckets open to scans (setting scan_roots); move it into one"
            raise refusal(errno.EACCES, remedy, location)
        if root is None and place.scheme not in {"file", *OBJECT_STORES}:
            known = ", ".join(f"{scheme}://" for scheme in ("file", *sorted(OBJECT_STORES)))
            remedy = f"has a scheme that is not read; give a path, {known} or a scheme of the setting scan_roots"
            raise refusal(errno.EPROTONOSUPPORT, remedy, location)
        return place, root
