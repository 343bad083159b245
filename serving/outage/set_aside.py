"""What becomes of decisions that cannot be recorded? They lie in a folder of their own, for an operator to look at.

One that the store refuses, or that this release cannot read, lies in a spool file of its own: moved back into the
spool, it is tried again. What was damaged on disk is no decision any more; its bytes lie there as they were found.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from index.durable import sync_directory, write_file
from serving.outage.spool_file import SUFFIX, SpoolFile

REFUSED = "refused"
DAMAGED = ".damaged"


@dataclass(frozen=True)
class SetAside:
    """What was set aside of the spool in `spool`. The same name again replaces what was kept under it."""

    spool: Path

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.spool / REFUSED

    def keep(self, name: str, text: bytes) -> Path:
        """Keep a line's text, and return where. Raises OSError."""
        with contextlib.closing(SpoolFile(self.folder / f"{name}{SUFFIX}")) as file:
            file.clear()
            file.append(text)
        return file.path

    def keep_damaged(self, name: str, line: bytes) -> Path:
        """Keep what is left of a line, and return where. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}{DAMAGED}"
        write_file(path, line)
        sync_directory(self.folder)
        return path

    def count(self) -> int:
        """Count what lies there."""
        return sum(path.suffix in (SUFFIX, DAMAGED) for path in self.folder.glob("*"))
