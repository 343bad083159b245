"""How are files of references kept in a folder? One file a digest, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from index.errors import BlobDamaged, BlobMissing


class LocalBlobs:
    """A `BlobStore` in `folder`, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        """Keep a file, once; return its sha256 in hex."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{uuid.uuid4().hex}")
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return a file, verified. Raises BlobMissing, BlobDamaged."""
        try:
            content = self._path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise BlobMissing(f"There is no file {sha256} in {self._folder}.") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BlobDamaged(f"The file {sha256} in {self._folder} is damaged; put it in again.")
        return content

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256
