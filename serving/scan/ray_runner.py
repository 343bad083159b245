"""How is a scan spread over Ray? Ray Data streams its blocks through a pool of workers, each with an application.

    source, read on the driver's node -> ScanWorker, ScanWorker, ... -> results, as they come, to the driver

The driver alone writes parts (`serving.scan.workspace`), so that a row appears once for the same reason as locally. A
reader stops after a few blocks that no worker has taken, and a worker takes one at a time: memory does not depend on
how much is scanned. A worker that dies is replaced and its block screened again, which changes nothing, for a block's
rows depend on the block alone. A block whose worker dies `ATTEMPTS` times is cut up, so that only the listing that does
it gets a fault in place of a verdict.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from serving.errors import RunnerError
from serving.scan.blocks import BLOCK_ENTRIES, ScanBlock, ScanEntry, ScanFault, ScanSource, blocks
from serving.scan.outcome import failed_row
from serving.scan.ray_worker import Refusal, ScanWorker, WorkerTask
from serving.scan.rows import BlockResult

ATTEMPTS = 3
"""So often is a block tried: a machine that goes away takes some with it, and once more may be bad luck."""
MOST_LOST = 16
"""More blocks than this, lost with their workers, say that the cluster is at fault and not the listings."""


class Parts(Protocol):
    """Where results are kept, whole and once: the scan's workspace."""

    def __contains__(self, number: int, /) -> bool:
        """Whether this block's result is there."""

    def keep(self, result: BlockResult) -> None:
        """Take a block's result in."""

    def finish(self, block_count: int) -> None:
        """Make the file of all of them."""


@dataclass(frozen=True)
class RayRunner:
    """Runs blocks over the Ray that is connected, in `workers` processes with so much of a GPU each.

    A block of `size` entries is tried `attempts` times.
    """

    task: WorkerTask
    workers: int
    gpus: float = 0.0
    attempts: int = ATTEMPTS
    size: int = BLOCK_ENTRIES

    def run(self, source: ScanSource, *, done: Collection[int] = frozenset()) -> Generator[BlockResult, None, None]:
        """Yield the result of each block of the source whose number is not in `done`, as soon as it is there.

        The source is read in another process: it must be picklable, and must not need what only this one has.

        Raises:
            RunnerError: a worker cannot be set up, differs from the driver or has a defect, or too many died.

        """
        received: set[int] = set(done)
        count = None
        for answer in self._screened(partial(_pending, source, self.size, frozenset(done)), most_lost=MOST_LOST):
            if answer.rows or answer.faults:
                received.add(answer.number)
                yield answer
            else:
                count = answer.number
        if count is None:
            raise RunnerError(f"the last of the blocks was lost with {self.attempts} workers")
        if len(received) < count:
            yield from self._screen_singly(
                [block for block in blocks(source.entries(), self.size) if block.number not in received]
            )

    def _screen_singly(self, lost: Sequence[ScanBlock]) -> Iterator[BlockResult]:
        """Screen each entry of these blocks by itself; one whose worker dies again gets a fault."""
        singles = [ScanBlock(place, (entry,)) for place, entry in enumerate(e for block in lost for e in block.entries)]
        found = {answer.number: answer for answer in self._screened(partial(iter, singles), most_lost=len(singles))}
        answers = (found.get(single.number) or self._lost(single.entries[0]) for single in singles)
        for block in lost:
            own = list(itertools.islice(answers, len(block.entries)))
            rows = tuple(row for answer in own for row in answer.rows)
            yield BlockResult(block.number, rows, tuple(fault for answer in own for fault in answer.faults))

    def _lost(self, entry: ScanEntry) -> BlockResult:
        """Give what stands for a listing that kills its worker."""
        if isinstance(entry, ScanFault):
            return BlockResult(0, (), (entry,))
        message = f"the worker died at this listing, {self.attempts} times with its block and as often by itself"
        fault = ScanFault(line=entry.line, listing_id=entry.listing_id, code="FAILED", message=message)
        row = failed_row(entry, f"{fault.code}: {message}")
        return BlockResult(0, (row,), (fault,))

    def _screened(self, read: Callable[[], Iterator[ScanBlock]], *, most_lost: int) -> Iterator[BlockResult]:
        import ray

        try:
            for row in self._dataset(read, most_lost).iter_rows():
                if isinstance(row["answer"], Refusal):
                    raise RunnerError(row["answer"].message)
                yield row["answer"]
        except ray.exceptions.RayError as error:
            raise RunnerError(f"Ray gave up: {error}") from error

    def _dataset(self, read: Callable[[], Iterator[ScanBlock]], most_lost: int) -> Any:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        with warnings.catch_warnings():
            # Ray 2.60 warns of names that its own copying of a context uses, and of `max_task_retries`, which has no
            # other name yet.
            warnings.simplefilter("ignore", DeprecationWarning)
            context = DataContext.get_current().copy()
            context.max_errored_blocks = most_lost
            context.enable_progress_bars = False
            context.target_max_block_size = 1  # a block of ours is a block of Ray's, passed on at once
            with DataContext.current(context):
                start: Any = ray.data.from_items([0], override_num_blocks=1)
                entries = start.map_batches(partial(_rows, read), batch_size=None, num_cpus=0, label_selector=here)
                return entries.map(
                    ScanWorker,
                    fn_constructor_args=(self.task,),
                    compute=ActorPoolStrategy(size=self.workers, max_tasks_in_flight_per_actor=1),
                    num_cpus=1,
                    num_gpus=self.gpus,
                    max_task_retries=self.attempts - 1,
                )


def scan_over_ray(
    runner: RayRunner,
    source: ScanSource,
    parts: Parts,
    *,
    block_count: int,
    kept: Callable[[BlockResult], None] = lambda _result: None,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Do every block that is not done, and make the file; False when the scan was stopped before.

    `kept` is told of each result once it is on disk. What workers have in hand when the scan is stopped is left, and
    done by the scan that goes on.
    """
    done = {number for number in range(block_count) if number in parts}
    with closing(runner.run(source, done=done)) as results:
        for result in results:
            parts.keep(result)
            kept(result)
            if stopped():
                return False
    parts.finish(block_count)
    return True


def _pending(source: ScanSource, size: int, done: frozenset[int]) -> Iterator[ScanBlock]:
    """Read the blocks that are not done, and an empty one after the last, whose number says how many there are."""
    number = -1
    for block in blocks(source.entries(), size):
        number = block.number
        if number not in done:
            yield block
    yield ScanBlock(number + 1, ())


def _rows(read: Callable[[], Iterator[ScanBlock]], _: Any) -> Iterator[dict[str, Any]]:
    """Make rows of Ray's of blocks; what goes wrong is a row, too, for Ray would count it as one block lost."""
    try:
        for block in read():
            yield _row(block)
    except Exception as error:  # noqa: BLE001 - the driver must be told, whatever it is
        yield _row(Refusal(f"the listings cannot be read: {type(error).__name__}: {error}"))


def _row(value: ScanBlock | Refusal) -> dict[str, Any]:
    cell = np.empty(1, object)
    cell[0] = value
    return {"block": cell}
