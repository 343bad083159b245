"""What did a scan write? Its Parquet file, read a few thousand rows at a time, by whoever needs only some columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from index.errors import CatalogueError
from serving.scan.rows import SCHEMA

_ROWS = 4_096
# After so many Arrow gives back to the system what it would keep: 60 MB of a million.
_RELEASED = 8 * _ROWS
# What a scan's metadata says of what made its rows.
VERSIONS = ("model_fingerprint", "index_version", "policy_version", "fusion_version", "calibration_version")


@dataclass(frozen=True)
class ScanFile:
    """An open file of a scan; `metadata` is what its schema says."""

    path: Path
    metadata: dict[str, str]
    _file: pq.ParquetFile

    def __len__(self) -> int:
        """Count the rows."""
        return int(self._file.metadata.num_rows)

    @property
    def scan_id(self) -> str:
        """Name the scan. Raises CatalogueError when the file does not say."""
        if not self.metadata.get("scan_id"):
            raise CatalogueError(f"{self.path}: does not say of which scan it is; give the file as the scan wrote it")
        return self.metadata["scan_id"]

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows in their order, with these columns. Raises CatalogueError where the file is damaged."""
        for _, table in self.tables(columns):
            yield from table.to_pylist()

    def tables(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Yield a few thousand rows at a time, with the number of the first. Raises CatalogueError as `rows` does."""
        first_row = 0
        try:
            for batch in self._file.iter_batches(_ROWS, columns=list(columns), use_threads=False):
                yield first_row, pa.Table.from_batches([batch])
                first_row += batch.num_rows
                if first_row % _RELEASED == 0 or first_row == len(self):
                    pa.default_memory_pool().release_unused()
        except (pa.ArrowException, OSError) as error:
            raise CatalogueError(f"{self.path}: is damaged: {error}") from error


@contextmanager
def open_scan(path: Path) -> Iterator[ScanFile]:
    """Open a scan's file.

    Raises:
        CatalogueError: it is none: no Parquet, or without the columns of one.
        OSError: it cannot be opened.

    """
    with path.open("rb"):  # says what is wrong in the system's words
        pass
    try:
        # `pre_buffer` would keep what was read until the file is closed.
        file = pq.ParquetFile(path, pre_buffer=False)
    except pa.ArrowException as error:
        raise CatalogueError(f"{path}: cannot be read as Parquet: {error}") from error
    with file:
        schema = file.schema_arrow
        wrong = [field.name for field in SCHEMA if not _has(schema, field)]
        if wrong:
            raise CatalogueError(f"{path}: is not a scan's: {', '.join(wrong)} missing or of another type")
        metadata = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in (schema.metadata or {}).items()
        }
        yield ScanFile(path, metadata, file)


def _has(schema: pa.Schema, field: pa.Field) -> bool:
    return field.name in schema.names and bool(schema.field(field.name).type == field.type)
