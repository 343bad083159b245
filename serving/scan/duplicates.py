"""Did this listing come before? Every id of a manifest, exactly, in a file that goes away by itself.

SQLite keeps up to 32 MiB of it in memory, and the rest in a file without a name in its folder for temporary files
(`SQLITE_TMPDIR`, `TMPDIR`, /var/tmp), which is to be a disk: some tens of bytes a listing.
"""

from __future__ import annotations

import sqlite3
from typing import Self

_CACHE_KIB = 32 * 1024


class SeenListings:
    """Which listings there were, each with its line. Close it."""

    def __init__(self) -> None:
        # "": a database in a temporary file. Whoever reads on may be another thread.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (listing_id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def first(self, listing_id: str, line: int) -> int:
        """Return the line on which the listing came first, which is `line` when it did not come before."""
        done = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (listing_id, line))
        if done.rowcount:
            return line
        found = self._database.execute("SELECT line FROM seen WHERE listing_id = ?", (listing_id,)).fetchone()
        return int(found[0])
