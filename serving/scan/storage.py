"""How are files opened and folders listed? On this machine, and in a storage that fsspec knows.

`serving.scan.files` chooses one of the two and says what may be read. Whatever a storage's library raises leaves here
as an OSError that names the location.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO

from serving.scan.places import OBJECT_STORES, Place, Root, refusal

_TRIES = 3
_PATIENCE = timedelta(seconds=30)
_BUFFER_BYTES = 2**20
_GONE = "there is no such file or folder; correct the name or put it there"
# Under which of these a storage says that a file changed.
_STAMPS = ("e_tag", "ETag", "etag", "mtime", "last_modified", "LastModified", "created")


@dataclass(frozen=True, order=True)
class FolderEntry:
    """A file or folder in a folder. `stamp` changes when the file does, as far as its storage tells."""

    name: str
    is_folder: bool
    size: int = 0
    stamp: str = ""


def open_local(path: str, *, root: Root | None, location: str) -> BinaryIO:
    """Open a regular file. Below a root no link is followed any more: `path` is resolved. Raises OSError."""
    raw: BinaryIO | None = None
    with told(location), _descriptor(path, root, flags=os.O_NONBLOCK) as descriptor:
        # Before anything is read: a pipe or a device could keep its reader waiting for ever.
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raw = open(os.dup(descriptor), "rb", buffering=0)  # noqa: PTH123, SIM115 - closed by who reads
    if raw is None:
        raise refusal(errno.EINVAL, "is no regular file; give one", location)
    return io.BufferedReader(_Stored(raw, location), _BUFFER_BYTES)


def list_local(path: str, *, root: Root | None, location: str) -> list[FolderEntry]:
    """List a folder by name. What is a link to a folder is listed as a file, so that no walk goes round in circles."""
    entries = []
    with told(location), _descriptor(path, root, flags=os.O_DIRECTORY) as descriptor, os.scandir(descriptor) as found:
        for each in found:
            if each.is_dir(follow_symlinks=False):
                entries.append(FolderEntry(each.name, is_folder=True))
            else:
                state = each.stat(follow_symlinks=False)
                entries.append(
                    FolderEntry(each.name, is_folder=False, size=state.st_size, stamp=str(state.st_mtime_ns))
                )
    return sorted(entries)


def open_remote(place: Place, options: Mapping[str, str], *, location: str) -> BinaryIO:
    """Open a file of a storage. Raises OSError."""
    with told(location):
        storage = _filesystem(place.scheme, options)
        found = storage.info(place.path)
    if found["type"] == "directory":
        raise refusal(errno.EISDIR, "is a folder; give a file", location)
    with told(location):
        raw = _Stored(storage.open(place.path, "rb", size=found["size"]), location)
    return io.BufferedReader(raw, _BUFFER_BYTES)


def list_remote(place: Place, options: Mapping[str, str], *, location: str) -> list[FolderEntry]:
    """List a folder of a storage by name. Raises OSError."""
    with told(location):
        found = _filesystem(place.scheme, options).ls(place.path, detail=True, refresh=True)
    return sorted(_entry(each) for each in found if each["name"].strip("/") != place.path)


def is_remote_folder(place: Place, options: Mapping[str, str], *, location: str) -> bool:
    """Whether a storage has a folder, not a file, of this name. Raises OSError when it has neither."""
    with told(location):
        return bool(_filesystem(place.scheme, options).info(place.path)["type"] == "directory")


class _Stored(io.RawIOBase):
    """An open file whose errors come out as OSErrors that name it."""

    def __init__(self, file: BinaryIO, location: str) -> None:
        self._file = file
        self._location = location

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer. Raises OSError."""
        with told(self._location):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place. Raises OSError."""
        with told(self._location):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Say where it is."""
        return self._file.tell()

    def close(self) -> None:
        """Close it."""
        if not self.closed:
            self._file.close()
        super().close()


def _entry(found: Mapping[str, Any]) -> FolderEntry:
    name = found["name"].rstrip("/").rpartition("/")[2]
    if found["type"] == "directory":
        return FolderEntry(name, is_folder=True)
    stamp = next((str(found[key]) for key in _STAMPS if found.get(key) is not None), "")
    return FolderEntry(name, is_folder=False, size=int(found["size"] or 0), stamp=stamp)


def _filesystem(scheme: str, options: Mapping[str, str]) -> Any:
    """Reach a storage; fsspec keeps one object for each process, thread and set of options."""
    import fsspec

    if scheme not in OBJECT_STORES:
        return fsspec.filesystem(scheme)
    from obstore.fsspec import FsspecStore

    config = dict(options)
    return FsspecStore(  # type: ignore[call-overload]  # its overloads want literals
        scheme,
        config=config or None,
        client_options={
            "timeout": _PATIENCE,
            **({"allow_http": True} if config.get("endpoint", "").startswith("http://") else {}),
        },
        retry_config={"max_retries": _TRIES, "retry_timeout": _PATIENCE},
    )


@contextmanager
def _descriptor(path: str, root: Root | None, *, flags: int) -> Iterator[int]:
    """Open a path; below a root part by part from the root on, so that a link put there meanwhile leads nowhere."""
    flags |= os.O_CLOEXEC
    if root is None:
        opened, parts = os.open(path, flags), []
    else:
        opened = os.open(root.place.path, os.O_CLOEXEC)
        parts = [part for part in path[len(root.place.path) :].split("/") if part]
    try:
        for part in parts:
            inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=opened)
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


@contextmanager
def told(location: str) -> Iterator[None]:
    """Turn what a file system or a storage's library says into an OSError that names the location as it was given."""
    try:
        yield
    except FileNotFoundError as error:
        raise refusal(errno.ENOENT, _GONE, location) from error
    except OSError as error:
        said = error.strerror or _first_line(error)
        raise refusal(
            error.errno or errno.EIO, f"cannot be read ({said}); check its rights and its storage", location
        ) from error
    except ImportError as error:
        remedy = f"lies in a storage whose library is not installed ({_first_line(error)}); install it"
        raise refusal(errno.EPROTONOSUPPORT, remedy, location) from error
    except Exception as error:  # storages raise whatever they like
        remedy = f"cannot be read ({_first_line(error)}); check bucket, endpoint, region and credentials"
        raise refusal(errno.EIO, remedy, location) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
