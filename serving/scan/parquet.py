"""What are the rows of a manifest in Parquet? Read in batches, a part that is damaged is passed over and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from index.errors import CatalogueError
from index.manifest_fields import Fields
from serving.scan.columns import COLUMNS, TEXTS, check_names, from_columns
from serving.scan.lines import Record

_BATCH_ROWS = 1_024
_BUFFER_BYTES = 2**20
# What reading damaged pages raises; ArrowInvalid is a ValueError.
_DAMAGE = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


def parquet_records(file: BinaryIO) -> Iterator[Record]:
    """Read the rows, numbered from 1. Raises CatalogueError when the file is none, or a column is of another type."""
    try:
        # Not `pre_buffer`, which holds whole row groups.
        table = pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        schema = table.schema_arrow
    except _DAMAGE as error:
        raise CatalogueError(f"it is no Parquet file that can be read ({_first_line(error)}).") from error
    _check(schema)
    columns = [name for name in schema.names if name in COLUMNS]
    first = 1
    for group in range(table.num_row_groups):
        count = table.metadata.row_group(group).num_rows
        yield from _group(table, group, columns, first=first, count=count)
        first += count


def _group(table: pq.ParquetFile, group: int, columns: list[str], *, first: int, count: int) -> Iterator[Record]:
    """Read one row group; after damage nothing more of it can be read."""
    number = first
    try:
        for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
            for values in _rows(batch):
                yield number, _row(values, number)
                number += 1
    except _DAMAGE as error:
        last = first + count - 1
        message = f"the rows {number} to {last} cannot be read ({_first_line(error)}); write the file again."
        yield number, CatalogueError(f"row {number}: {message}")


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | None]:
    """Turn a batch into values; None for a row that holds bytes that are not UTF-8."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        for row in range(batch.num_rows):
            try:
                yield batch.slice(row, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield None


def _row(values: dict[str, Any] | None, number: int) -> Fields | CatalogueError:
    where = f"row {number}"
    if values is None:
        return CatalogueError(f"{where}: its texts are not UTF-8; write them as UTF-8.")
    return Fields(from_columns(values), where=where)


def _check(schema: pa.Schema) -> None:
    """Check names and types of the columns that are read. Raises CatalogueError."""
    check_names(schema.names)
    for column in schema:
        if column.name in COLUMNS:
            fits, expected = _TYPES[column.name]
            if not fits(column.type):
                raise CatalogueError(f"the column {column.name} is of type {column.type}; write it as {expected}.")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))


def _is_texts(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return _is_text(kind) or (is_list and _is_text(kind.value_type))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _is_text(kind)


def _is_price(kind: pa.DataType) -> bool:
    return _is_number(kind) or pa.types.is_struct(kind)


_TYPES: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    **dict.fromkeys(TEXTS, (_is_text, "string")),
    "images": (_is_texts, "list<string>"),
    "price": (_is_price, "a struct of amount and currency, or a number beside a column currency"),
    "price_amount": (_is_number, "double or decimal"),
    "unit_count": (_is_number, "int32"),
}


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
