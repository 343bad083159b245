"""Who makes new bases, and when does a replica change to one? A thread of its own, beside that which follows the store.

`touchstone index build --follow` builds for all replicas of a data folder. Where no such process runs, a replica builds
itself; either way each replica notices the new snapshot, reads and verifies it here, and hands it over ready: the
next renewal takes it up (`serving.knowledge`), listings under way keep the one they began with.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from index.background import background
from index.build_lock import building
from index.catalogue import ReferenceCatalogue
from index.columns import ReferenceSource
from index.errors import SnapshotError, StoreAway
from index.opening import build_catalogue, is_due, open_snapshot
from index.snapshot import check_vectors_file, current_snapshot
from vision.errors import TouchstoneError

logger = logging.getLogger(__name__)


class Upkeep:
    """Keeps the base of the catalogue `in_use` young. One thread calls `look`; any other may take what it found."""

    def __init__(
        self,
        source: ReferenceSource,
        directory: Path,
        *,
        fingerprint: str,
        backend: str,
    ) -> None:
        self._source = source
        self._directory = directory
        self._fingerprint = fingerprint
        self._backend = backend
        self._fresh: ReferenceCatalogue | None = None
        self._seen = ""  # the last snapshot that was looked at, whether it could be used or not
        self._checked = ""  # the last one whose vectors were digested

    def taken(self, in_use: ReferenceCatalogue) -> ReferenceCatalogue:
        """Give the catalogue that takes the place of the one in use: a fresh one once, otherwise the same.

        Raises StoreError; a fresh one is then given the next time.
        """
        fresh = self._fresh
        if fresh is None:
            return in_use
        if in_use.store_version < fresh.base_version:
            in_use = in_use.up_to_date(self._source)  # which learns whether a brand changed until then
        self._fresh = None
        return fresh.following(in_use) if fresh.is_of(self._source) else in_use

    def look(self, in_use: ReferenceCatalogue) -> None:
        """Read a new snapshot, build one that is due, or check the vectors of the one in use; else do nothing.

        What goes wrong is logged: the catalogue in use still follows the store.
        """
        try:
            self._look(in_use)
        except StoreAway as error:
            logger.debug("%s", error)
        except TouchstoneError as error:
            logger.warning("%s The index in use goes on.", error)

    @contextmanager
    def running(self, in_use: Callable[[], ReferenceCatalogue], *, interval_s: float = 1.0) -> Iterator[None]:
        """Look each `interval_s` seconds in a thread of its own, until the `with` block ends."""

        def work(stop: threading.Event) -> None:
            while not stop.wait(interval_s):
                try:
                    self.look(in_use())
                except Exception:
                    logger.exception("the upkeep of the index failed; it goes on")

        with background("upkeep", work):
            yield

    def _look(self, in_use: ReferenceCatalogue) -> None:
        if self._fresh is not None:
            return
        if self._is_new(in_use):
            self._fresh = self._opened(in_use)
        elif not in_use.is_of(self._source):
            return  # the store was set back: what follows it builds anew
        elif is_due(in_use, self._source.version()):
            self._fresh = self._built()
        elif in_use.snapshot is not None and not in_use.snapshot.checked:
            self._check(in_use)

    def _is_new(self, in_use: ReferenceCatalogue) -> bool:
        path = current_snapshot(self._directory)
        name = path.name if path else ""
        known = {"", self._seen, in_use.snapshot.path.name if in_use.snapshot else ""}
        self._seen = name
        return name not in known

    def _opened(self, in_use: ReferenceCatalogue) -> ReferenceCatalogue | None:
        opened = open_snapshot(self._directory, self._fingerprint, self._backend)
        if opened is None or opened.base_version < in_use.base_version or not opened.is_of(self._source):
            return None
        return opened.up_to_date(self._source)

    def _built(self) -> ReferenceCatalogue | None:
        """Build, unless another process does."""
        try:
            with building(self._directory) as alone:
                if not alone:
                    return None
                built = build_catalogue(self._source, self._directory, self._fingerprint, self._backend)
        except SnapshotError as error:
            logger.warning("%s The index is built in memory.", error)
            built = ReferenceCatalogue.build(self._source, self._fingerprint, self._backend)
        return built.up_to_date(self._source)

    def _check(self, in_use: ReferenceCatalogue) -> None:
        assert in_use.snapshot is not None
        if self._checked == in_use.snapshot.path.name:
            return
        self._checked = in_use.snapshot.path.name
        try:
            check_vectors_file(in_use.snapshot)
        except SnapshotError as error:
            logger.error("%s It is replaced now.", error)
            self._fresh = self._built() or ReferenceCatalogue.build(self._source, self._fingerprint, self._backend)
