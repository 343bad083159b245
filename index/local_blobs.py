"""How are files of references kept in a folder? One file a digest, written whole or not at all.

    DIR/ab/abcd…     256 shards by the digest's first two digits; only the owner may read them

A writer holds its shard's lock (flock) and writes to the shard's one `.put` file, which is renamed when it is on disk:
a process that is killed leaves no more than a `.put` that the next one overwrites.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from index.blobs import Blob, digest_of, is_digest, missing, verified
from index.errors import BlobDamaged, BlobError

_UNFINISHED = ".put"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


class LocalBlobs:
    """A `BlobShelf` in `folder`, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep a file; one that is there counts as put now, and one that is damaged is mended. Raises BlobError."""
        sha256 = digest_of(content)
        path = self._path(sha256)
        with _told(path), self._shard(path.parent) as shard:
            if _is_sound(path, sha256):
                os.utime(path)
            else:
                _write(path.with_name(_UNFINISHED), content)
                path.with_name(_UNFINISHED).replace(path)
            os.fsync(shard)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return a file, verified. Raises BlobMissing, BlobDamaged, BlobError."""
        if not is_digest(sha256):
            raise missing(sha256, where=self._folder)
        path = self._path(sha256)
        with _told(path):
            try:
                content = path.read_bytes()
            except FileNotFoundError as error:
                raise missing(sha256, where=self._folder) from error
        return verified(content, sha256, where=self._folder)

    def blobs(self) -> Iterator[Blob]:
        """Walk over all files, shard by shard. Raises BlobError."""
        with _told(self._folder):
            for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]/*")):
                if not is_digest(path.name):
                    continue
                try:
                    found = path.stat()
                except FileNotFoundError:  # collected meanwhile
                    continue
                yield Blob(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def discard(self, sha256: str, *, before: datetime) -> bool:
        """Delete a file that was put before a time. Raises BlobError."""
        if not is_digest(sha256):
            return False
        path = self._path(sha256)
        with _told(path), self._shard(path.parent) as shard:
            try:
                put_time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except FileNotFoundError:
                return False
            if put_time >= before:
                return False
            path.unlink()
            os.fsync(shard)
            return True

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    @contextmanager
    def _shard(self, folder: Path) -> Iterator[int]:
        """Hold a shard's lock, against threads and processes alike; give its descriptor. It ends with the process."""
        if not folder.is_dir():
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._folder.chmod(_FOLDER_MODE)
            _sync(self._folder)
            _sync(self._folder.parent)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def _is_sound(path: Path, sha256: str) -> bool:
    try:
        verified(path.read_bytes(), sha256, where=path.parent)
    except (FileNotFoundError, BlobDamaged):
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is on disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system says into an error of ours."""
    try:
        yield
    except OSError as error:
        raise BlobError(
            f"{path}: {error.strerror or error}; make the folder writable for this user, make room, or choose another "
            "place (setting `blobs`)"
        ) from error
