"""How are many decisions taken again at once? Processes side by side, each with its own reader of the store.

Rules are evaluated by one processor at a time in one process. Each worker opens the store and what is in force itself,
and is refused when that is no longer what the scan began with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context

from index.errors import Conflict
from index.store.store import Store
from serving.app import open_store
from serving.scan_blocks import ScanBlock
from serving.scan_redecide import Judges, Redecider
from serving.scan_rows import BlockResult
from serving.settings import Settings

# Blocks handed out for each worker: one at work, one that waits for it.
_AHEAD = 2


@dataclass(frozen=True, kw_only=True)
class RedecideJob:
    """What every worker must do alike: `versions` are `Judges.versions` as the scan began with them."""

    settings: Settings
    scan_id: str
    versions: dict[str, str]


def redecide(blocks: Iterable[ScanBlock], job: RedecideJob, *, processes: int) -> Iterator[BlockResult]:
    """Decide on blocks again, and yield the results in the blocks' order, reading few blocks ahead.

    Raises:
        Conflict: what decides was changed meanwhile; blocks that were yielded stay good.
        StoreError, PolicyError: see `Judges.open`.

    """
    # Not forked: threads of this process may hold locks.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting: deque[Future[BlockResult]] = deque()
        try:
            for block in blocks:
                waiting.append(pool.submit(_screen, job, block))
                if len(waiting) >= _AHEAD * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def open_redecider(store: Store, job: RedecideJob) -> Redecider:
    """Open what decides. Raises Conflict when it is no longer what the scan began with."""
    judges = Judges.open(store, job.settings)
    changed = [name for name, version in judges.versions.items() if version != job.versions.get(name)]
    if changed:
        names = ", ".join(f"{name} {job.versions.get(name)!r} -> {judges.versions[name]!r}" for name in changed)
        raise Conflict(f"What decides was changed since the scan began ({names}); start it again.")
    return Redecider(store, judges, job.scan_id)


class _Worker:
    """What a worker process keeps from block to block; closed as the process ends."""

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
