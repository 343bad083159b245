"""What are the rows of a manifest in JSON Lines or CSV? Read line by line, none longer than a cap.

A row that cannot be read is given as the error that says why, and the rows after it are read all the same.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from index.errors import CatalogueError
from index.manifest_fields import Fields, json_fields
from serving.scan.columns import check_names, from_columns

MAX_LINE_BYTES = 2 * 2**20
"""A description of 50,000 characters that JSON writes as 12 bytes each has 600 kB, 64 paths of 4,096 bytes 260 kB."""

Record = tuple[int, Fields | CatalogueError]
"""The line on which it begins, from 1, and what stands there."""

_BOM = b"\xef\xbb\xbf"


def json_records(file: BinaryIO) -> Iterator[Record]:
    """Read JSON Lines; blank ones are skipped. Raises OSError."""
    for number, line in _lines(file):
        if not line.strip():
            continue
        where = f"line {number}"
        try:
            if len(line) > MAX_LINE_BYTES:
                raise _too_long(number)
            yield number, json_fields(line, where=where)
        except CatalogueError as error:
            yield number, error


def csv_records(file: BinaryIO) -> Iterator[Record]:
    """Read CSV with a header, as RFC 4180 has it; blank lines are skipped.

    A record that is broken costs the line on which it begins: what follows is read afresh, so that a quote which is
    never closed takes no other row with it. Raises CatalogueError for a header that cannot be used, OSError.
    """
    lines = _Returnable(_lines(file))
    rows = csv.reader(lines, strict=True)
    header: list[str] | None = None
    while True:
        lines.start()
        try:
            cells = next(rows)
            number = lines.taken[0][0]
            if header is None:
                header = _header(cells)
            elif lines.are_blank():
                continue
            else:
                yield number, _row(header, cells, number)
        except StopIteration:
            if header is None:
                raise CatalogueError("the manifest is empty; give a header and rows.") from None
            return
        except (csv.Error, CatalogueError) as error:
            if header is None:
                raise _no_header(error) from error
            number = lines.taken[0][0]
            lines.give_back()
            yield number, error if isinstance(error, CatalogueError) else _broken(number, error)


class _Returnable:
    """Numbered lines as text, of which those after the first taken can be given back."""

    def __init__(self, lines: Iterable[tuple[int, bytes]]) -> None:
        self._lines = iter(lines)
        self._returned: deque[tuple[int, bytes]] = deque()
        self.taken: list[tuple[int, bytes]] = []
        self._size = 0

    def __iter__(self) -> _Returnable:
        return self

    def __next__(self) -> str:
        number, line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append((number, line))
        self._size += len(line)
        if self._size > MAX_LINE_BYTES:
            raise _too_long(self.taken[0][0])
        # What is no UTF-8 arrives as lone surrogates, which the row is refused for: the lines stay in step.
        return line.decode("utf-8", "surrogateescape")

    def start(self) -> None:
        """Begin a record."""
        self.taken.clear()
        self._size = 0

    def give_back(self) -> None:
        """Let all lines of the record but its first be read again."""
        self._returned.extendleft(reversed(self.taken[1:]))

    def are_blank(self) -> bool:
        """Whether the record is nothing but an empty line."""
        return not any(line.strip() for _, line in self.taken)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield lines with their numbers. One that is too long arrives cut, a byte longer than allowed."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        rest = line
        while len(line) > MAX_LINE_BYTES and rest and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE_BYTES)
        yield number, line.removeprefix(_BOM) if number == 1 else line


def _header(cells: list[str]) -> list[str]:
    if any(not cell.isascii() and "\udc80" <= max(cell) <= "\udcff" for cell in cells):
        raise CatalogueError("its bytes are not UTF-8")
    names = [cell.strip() for cell in cells]
    check_names(names)
    return names


def _row(header: list[str], cells: list[str], number: int) -> Fields | CatalogueError:
    where = f"line {number}"
    if len(cells) != len(header):
        return CatalogueError(
            f"{where}: the row has {len(cells)} cells and the header {len(header)}; quote a cell that holds a comma."
        )
    return Fields(from_columns(dict(zip(header, cells, strict=True))), where=where)


def _no_header(error: Exception) -> CatalogueError:
    said = str(error).rstrip(".")
    return CatalogueError(f"the first line is no header ({said}); save it as CSV with commas, in UTF-8.")


def _broken(number: int, error: csv.Error) -> CatalogueError:
    return CatalogueError(f'line {number}: not a row of CSV ({error}); write a quote within a quoted cell as "".')


def _too_long(number: int) -> CatalogueError:
    return CatalogueError(f"line {number}: the row has more than {MAX_LINE_BYTES:,} bytes; shorten it.")
