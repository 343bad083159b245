"""What may stand in a cell of CSV? Spreadsheets run what begins like a formula, and sellers choose ids and titles."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula (OWASP, "CSV Injection").
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_cell(value: T) -> T | str:
    """Return a value as it is written to CSV: a text that a spreadsheet would run gets an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA) else value
