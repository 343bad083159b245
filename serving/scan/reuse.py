"""Which images were embedded before? A file of embeddings by the sha256 of the image's file, for scans.

A cache in SQLite beside the store: it may be deleted at any time, and a process may die while it writes. Vectors are
kept as float32 to the bit, and those of one `space` (model, finder, device, batches) alone are found, so that taking
one from here changes no row (`serving.steadying`).
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from serving.embedders import path_of
from serving.scan.sight import PhotoRegions
from serving.settings import Settings
from serving.steadying import SCAN_BATCH
from vision.regions import Box, Region

log = logging.getLogger(__name__)

_PATIENCE_S = 30.0
_TABLE = """
CREATE TABLE IF NOT EXISTS photos (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    space TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    regions TEXT NOT NULL,
    vectors BLOB NOT NULL,
    UNIQUE (space, sha256)
)
"""
_AT_ONCE = 500  # variables of a statement


class EmbeddingFile:
    """Embeddings of at most `most` photos, the latest; any number of threads and processes may use the file.

    What goes wrong with it is logged, and the photos are embedded anew. Close it, or use it as a context manager.
    """

    def __init__(self, path: Path, space: str, *, most: int) -> None:
        self._space = space
        self._most = most
        self._path = path
        self._lock = threading.Lock()
        self._connection = self._open()
        self.found = 0
        """How many photos were found so far."""

    def find(self, sha256s: Sequence[str]) -> dict[str, PhotoRegions]:
        """Give those that are on file; a damaged row counts as none."""
        rows: list[tuple[str, str, bytes]] = []
        for start in range(0, len(sha256s), _AT_ONCE):
            asked = sha256s[start : start + _AT_ONCE]
            places = ",".join("?" * len(asked))
            sql = f"SELECT sha256, regions, vectors FROM photos WHERE space = ? AND sha256 IN ({places})"  # noqa: S608
            rows += self._do(sql, (self._space, *asked))
        found = {sha256: seen for sha256, *row in rows if (seen := _unpacked(*row)) is not None}  # type: ignore[arg-type]
        self.found += len(found)
        return found

    def keep(self, seen: Mapping[str, PhotoRegions]) -> None:
        """Take embeddings in and drop the oldest beyond the limit, all in one transaction."""
        if self._connection is None or not seen:
            return
        rows = [(self._space, sha256, *_packed(one)) for sha256, one in seen.items()]
        try:
            with self._lock, self._connection as connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO photos (space, sha256, regions, vectors) VALUES (?, ?, ?, ?)", rows
                )
                connection.execute(
                    "DELETE FROM photos WHERE number <= (SELECT max(number) FROM photos) - ?", (self._most,)
                )
        except sqlite3.Error as error:
            self._complain(error)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection | None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_PATIENCE_S, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
            connection.commit()
        except (sqlite3.Error, OSError) as error:
            self._complain(error)
            return None
        return connection

    def _do(self, sql: str, values: Sequence[str]) -> list[tuple[str, str, bytes]]:
        if self._connection is None:
            return []
        try:
            with self._lock:
                return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._complain(error)
            return []

    def _complain(self, error: Exception) -> None:
        log.warning("%s cannot be used (%s): photos are embedded anew; it may be deleted", self._path, error)


def open_reuse(settings: Settings, fingerprint: str) -> EmbeddingFile:
    """Open the file of embeddings in the data folder, for the space that the settings name."""
    path = settings.data_dir / "scan-embeddings.db"
    return EmbeddingFile(path, _space(settings, fingerprint), most=settings.scan_reuse_photos)


def _space(settings: Settings, fingerprint: str) -> str:
    """Name all that vectors depend on: model, finder, device, the path of the networks and the size of batches."""
    if settings.embedder == "fake":
        return f"{fingerprint} grid {SCAN_BATCH}"
    from vision.clip import resolve_device
    from vision.finder import FINDER, MOST, FinderManifest

    finder = FinderManifest.load(FINDER).sha256[:16]
    # Of a server's networks no more is known than where they are.
    if settings.embedder == "triton":
        where = f"triton {settings.triton_url}"
    else:
        where = f"{resolve_device(settings.device)} {path_of(settings)}"
    return f"{fingerprint} {finder} {MOST} {where} {SCAN_BATCH}"


def _packed(seen: PhotoRegions) -> tuple[str, bytes]:
    regions = [(*_edges(one.box), one.source, one.confidence) for one in seen.regions]
    return json.dumps(regions), seen.vectors.astype("<f4").tobytes()


def _unpacked(regions: str, vectors: bytes) -> PhotoRegions | None:
    try:
        places = tuple(Region(Box(*edges), source, confidence) for *edges, source, confidence in json.loads(regions))
        rows = np.frombuffer(vectors, "<f4").reshape(len(places), -1).astype(np.float32, copy=False)
    except (ValueError, TypeError):
        return None
    return PhotoRegions(places, rows) if rows.size else None


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.x1, box.y1, box.x2, box.y2
