"""How does the index stay young? The process of its own that builds for all replicas of a data folder.

`touchstone index build --follow` is this loop. It holds the build lock all the time, so replicas leave building to it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from index.columns import ReferenceSource
from index.errors import SnapshotError, StoreError
from index.opening import build_catalogue, changes_until_due

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BuiltIndex:
    """What was built, of the state `store_version` of the store, and how many seconds it took."""

    index_version: str
    store_version: int
    references: int
    model: str
    seconds: float


def build_index(source: ReferenceSource, directory: Path, fingerprint: str, backend: str) -> BuiltIndex:
    """Build a snapshot and make it the current one. Raises SnapshotError, StoreError."""
    began = time.monotonic()
    catalogue = build_catalogue(source, directory, fingerprint, backend)
    return BuiltIndex(
        index_version=catalogue.version,
        store_version=catalogue.store_version,
        references=len(catalogue),
        model=fingerprint,
        seconds=round(time.monotonic() - began, 3),
    )


def follow(
    source: ReferenceSource,
    directory: Path,
    fingerprint: str,
    backend: str,
    *,
    last: BuiltIndex,
    changes: int | None,
    wait: Callable[[], bool],
    built: Callable[[BuiltIndex], None],
) -> None:
    """Build each time that `changes` changes came since the `last` snapshot, as long as `wait` says to go on.

    Without `changes`, as many as `index.opening.changes_until_due` says. What goes wrong is logged and tried again.
    """
    while wait():
        try:
            if 0 <= source.version() - last.store_version < (changes or changes_until_due(last.references)):
                continue
            last = build_index(source, directory, fingerprint, backend)
        except (SnapshotError, StoreError) as error:
            logger.error("%s The last snapshot stays in use.", error)
        else:
            built(last)
