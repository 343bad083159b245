"""How are many decisions taken again at once? Processes side by side, each with its own reader of the store.

One process evaluates rules on one core. Each worker opens the store and what is in force itself, and is refused when
that is no longer what the scan began with.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process

from index.errors import Conflict
from index.store.store import Store
from serving.app import open_store
from serving.errors import RunnerError
from serving.scan.blocks import ScanBlock
from serving.scan.redecide import Judges, Redecider
from serving.scan.rows import BlockResult
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RedecideJob:
    """What every worker must do alike: `versions` are `Judges.versions` as the scan began with them."""

    settings: Settings
    scan_id: str
    versions: dict[str, str]


@dataclass(frozen=True)
class RedecideWorkers:
    """Decides on blocks in other processes. Any number of threads may use it; as many wait as there are processes."""

    job: RedecideJob
    _pool: ProcessPoolExecutor

    def screen(self, block: ScanBlock) -> BlockResult:
        """Decide on a block's listings again, as `Redecider.screen` does.

        Raises:
            Conflict: what decides was changed since the scan began.
            StoreError, PolicyError: see `Judges.open`.
            RunnerError: a process died.

        """
        try:
            return self._pool.submit(_screen, self.job, block).result()
        except BrokenProcessPool as error:
            raise RunnerError(
                "a process that decides was killed (out of memory?); what is done is kept, so go on with --resume"
            ) from error


@contextmanager
def redecide_workers(job: RedecideJob, *, processes: int) -> Iterator[RedecideWorkers]:
    """Start workers; they end with the block."""
    # Not forked: threads of this process may hold locks.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin) as pool:
        yield RedecideWorkers(job, pool)


def open_redecider(store: Store, job: RedecideJob) -> Redecider:
    """Open what decides. Raises Conflict when it is no longer what the scan began with."""
    judges = Judges.open(store, job.settings)
    changed = [name for name, version in judges.versions.items() if version != job.versions.get(name)]
    if changed:
        names = ", ".join(f"{name} {job.versions.get(name)!r} -> {judges.versions[name]!r}" for name in changed)
        raise Conflict(f"What decides was changed since the scan began ({names}); start it again.")
    return Redecider(store, judges, job.scan_id)


def _begin() -> None:
    """Leave Ctrl-C to whoever runs the scan, and end with it, even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end with the scan", daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Worker:
    """What a worker process keeps from block to block; it goes with the process."""

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._job: RedecideJob | None = None
        self._redecider: Redecider | None = None

    def redecider(self, job: RedecideJob) -> Redecider:
        if self._redecider is None or self._job != job:
            self._resources.close()
            store = self._resources.enter_context(open_store(job.settings))
            self._redecider, self._job = open_redecider(store, job), job
        return self._redecider


_worker = _Worker()


def _screen(job: RedecideJob, block: ScanBlock) -> BlockResult:
    return _worker.redecider(job).screen(block)
