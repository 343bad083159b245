"""Where do files of references and photos lie? The seam of every blob store: bytes under their own sha256.

`index.local_blobs` keeps them in a folder and `index.s3_blobs` in a bucket; `open_blobs` says which. What nothing
names any more is collected by `index.blob_upkeep`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from index.errors import BlobDamaged, BlobMissing

_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobStore(Protocol):
    """Keeps files by content. Any number of threads and processes may use it at once."""

    def put(self, content: bytes) -> str:
        """Keep `content`, once, and return its sha256 in hex; it is durable when this returns."""

    def get(self, sha256: str) -> bytes:
        """Return a file, verified against its digest. Raises BlobMissing or BlobDamaged."""


@dataclass(frozen=True)
class Blob:
    """A file that is kept: `size` in bytes, and when it was put for the last time."""

    sha256: str
    size: int
    put_time: datetime


class BlobShelf(BlobStore, Protocol):
    """A blob store as its upkeep sees it: everything in it, and a way to lose what is of no use."""

    def blobs(self) -> Iterator[Blob]:
        """Walk over all files, each once. What is put meanwhile may or may not be among them."""

    def discard(self, sha256: str, *, before: datetime) -> bool:
        """Delete a file that was put before a time, and return True; leave it when it was put again since.

        A put at the same moment either makes this leave the file or writes it again: it is there when put returns.
        """


def open_blobs(place: str | Path) -> BlobShelf:
    """Open the blob store in a folder, or at a URL such as s3://bucket/prefix?endpoint=https://host&region=name.

    Raises:
        BlobError: the URL is none of a blob store; nothing is reached before the first use.

    """
    if "://" in str(place):
        from index.s3_blobs import S3Blobs

        return S3Blobs.at(str(place))
    from index.local_blobs import LocalBlobs

    return LocalBlobs(Path(place))


def digest_of(content: bytes) -> str:
    """Return the sha256 of a file in hex: the name that it goes by."""
    return hashlib.sha256(content).hexdigest()


def is_digest(name: str) -> bool:
    """Tell whether a name is one of a file: 64 lower-case hexadecimal digits, and so never a path."""
    return _DIGEST.fullmatch(name) is not None


def missing(sha256: str, *, where: object) -> BlobMissing:
    """Say that there is no such file."""
    return BlobMissing(f"{where} has no file {sha256!r}: put the original back with `touchstone blobs copy`")


def verified(content: bytes, sha256: str, *, where: object) -> bytes:
    """Return what was read if it is what was kept. Raises BlobDamaged."""
    if (found := digest_of(content)) != sha256:
        raise BlobDamaged(
            f"{where}: the file {sha256} has {len(content)} bytes of digest {found}; "
            "upload the original again, or put back a backup"
        )
    return content
