"""Where do the files of references lie? The seam of every blob store: bytes under their own sha256."""

from __future__ import annotations

from typing import Protocol


class BlobStore(Protocol):
    """Keeps files by content. Any number of threads and processes may use it at once."""

    def put(self, content: bytes) -> str:
        """Keep `content`, once, and return its sha256 in hex; it is durable when this returns."""

    def get(self, sha256: str) -> bytes:
        """Return a file, verified against its digest. Raises BlobMissing or BlobDamaged."""
