"""How is a scan run on one machine? Some blocks at a time, one embedding owner, results to disk as they come.

Each block in hand has a thread that waits: for files, for the one owner of the networks (`serving.batching`), for the
decisions. While the owner embeds one block the next is read and decoded and the last is decided on. Threads are
enough: decoding, hashing and keypoints leave the interpreter free. No more blocks are read than are in hand, so memory
does not depend on the length of the source.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

from serving.scan.blocks import ScanBlock
from serving.scan.rows import BlockResult
from serving.scan.workspace import Tally, Workspace, tally_of

IN_HAND = 3
"""Blocks at a time: one that is read, one that is embedded, one that is decided on."""


class Screener(Protocol):
    """What makes rows of a block: `serving.scan.screening.ScanScreener`, or one that decides again."""

    def screen(self, block: ScanBlock) -> BlockResult:
        """Give each item its row, and tell all faults."""


Progress = Callable[[Tally, bool], None]
"""Told of each block that is done, and whether it was done before this run."""


@dataclass
class Stopping:
    """Whether the scan was asked to stop; set from a signal handler or another thread."""

    _asked: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask it to finish what it has in hand."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether it was."""
        return self._asked.is_set()


def scan_locally(
    screener: Screener,
    blocks: Iterable[ScanBlock],
    workspace: Workspace,
    *,
    progress: Progress = lambda _tally, _before: None,
    stopping: Stopping | None = None,
    in_hand: int = IN_HAND,
) -> bool:
    """Do every block that is not done, and make the file; False when the scan was stopped before.

    What a screener raises ends the scan once the blocks in hand are kept; it can be resumed.
    """
    stopping = stopping or Stopping()
    count = 0
    under_way: set[Future[BlockResult]] = set()

    def keep(done: Iterable[Future[BlockResult]]) -> None:
        failures = []
        for each in done:
            if (error := each.exception()) is not None:
                failures.append(error)
                continue
            workspace.keep(each.result())
            progress(tally_of(each.result()), False)
        if failures:
            raise failures[0]

    with ThreadPoolExecutor(in_hand, thread_name_prefix="block") as pool:
        try:
            for block in blocks:
                if stopping.asked:
                    break
                count += 1
                if block.number in workspace:
                    progress(workspace.tally(block.number), True)
                    continue
                under_way.add(pool.submit(screener.screen, block))
                if len(under_way) >= in_hand:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    keep(done)
        finally:
            keep(under_way)
    if stopping.asked:
        return False
    workspace.finish(count)
    return True
