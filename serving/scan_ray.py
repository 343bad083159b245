"""How is a scan spread over Ray? Ray Data streams its blocks through a pool of workers, each with an application.

    source, read on the driver's node -> ScanWorker, ScanWorker, ... -> results, as they come, to the driver

The driver alone writes parts (`serving.scan_workspace`), so that a row appears once for the same reason as locally. A
reader stops after a few blocks that no worker has taken, and a worker takes one at a time: memory does not depend on
how much is scanned. A worker that dies is replaced and its block screened again, which changes nothing, for a block's
rows depend on the block alone. A block whose worker dies `ATTEMPTS` times is cut up, so that only the listing that does
it gets a fault in place of a verdict.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from serving.domain import Verdict
from serving.errors import RunnerError
from serving.ray_session import ray_session
from serving.scan_blocks import BLOCK_ENTRIES, Opener, ScanBlock, ScanEntry, ScanFault, ScanItem, ScanSource, blocks
from serving.scan_ray_worker import Probe, Refusal, ScanWorker, WorkerTask
from serving.scan_rows import BlockResult, ScanRow
from serving.settings import Settings

ATTEMPTS = 3
"""So often is a block tried: a machine that goes away takes some with it, and once more may be bad luck."""
MOST_LOST = 16
"""More blocks than this, lost with their workers, say that the cluster is at fault and not the listings."""


@contextmanager
def ray_runner(task: WorkerTask, *, address: str | None, workers: int) -> Iterator[RayRunner]:
    """Start Ray here (`address` None) or join a cluster, for as long as the block runs.

    workers: how many; 0 is one for each GPU, without GPUs one for each processor.

    Raises:
        RunnerError: Ray cannot be had, is too small, or reaches over machines that cannot share the store.

    """
    with ray_session(address, workers=workers):
        total = _resources()
        gpus = total["GPU"] if task.settings.embedder == "torch" and task.settings.device != "cpu" else 0
        workers = workers or int(gpus) or int(total["CPU"])
        _check(task.settings, total, workers, gpus)
        share = min(1.0, gpus / workers)
        yield RayRunner(replace(task, settings=_for_workers(task.settings, share)), workers=workers, gpus=share)


@dataclass(frozen=True)
class RayRunner:
    """Runs blocks over the Ray that is connected, in `workers` processes with so much of a GPU each."""

    task: WorkerTask
    workers: int
    gpus: float = 0.0
    attempts: int = ATTEMPTS

    def run(self, source: ScanSource, *, done: Collection[int] = frozenset()) -> Iterator[BlockResult]:
        """Yield the result of each block of the source whose number is not in `done`, as soon as it is there.

        The source is read in another process: it must be picklable, and must not need what only this one has.

        Raises:
            RunnerError: a worker cannot be set up, differs from the driver or has a defect, or too many died.

        """
        received: set[int] = set(done)
        count = None
        for answer in self._screened(partial(_pending, source, frozenset(done)), most_lost=MOST_LOST):
            if answer.rows or answer.faults:
                received.add(answer.number)
                yield answer
            else:
                count = answer.number
        if count is None:
            raise RunnerError(f"the last of the blocks was lost with {self.attempts} workers")
        if len(received) < count:
            yield from self._screen_singly(
                [block for block in blocks(source.entries()) if block.number not in received]
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
        row = ScanRow(
            listing_id=entry.listing_id,
            line=entry.line,
            verdict=str(Verdict.REVIEW),
            error=f"{fault.code}: {message}",
            title=entry.title or None,
            seller_id=entry.seller_id or None,
            market=entry.market or None,
            images=entry.images,
        )
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

        context = DataContext.get_current().copy()
        context.max_errored_blocks = most_lost
        context.enable_progress_bars = False
        context.target_max_block_size = 1  # a block of ours is a block of Ray's, passed on at once
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        with DataContext.current(context), warnings.catch_warnings():
            # Ray 2.60 calls `max_task_retries` deprecated and has nothing in its place.
            warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
            return (
                ray.data.from_items([0], override_num_blocks=1)
                .map_batches(partial(_rows, read), batch_size=None, num_cpus=0, label_selector=here)
                .map(
                    ScanWorker,
                    fn_constructor_args=(self.task,),
                    compute=ActorPoolStrategy(size=self.workers, max_tasks_in_flight_per_actor=1),
                    num_cpus=1,
                    num_gpus=self.gpus,
                    max_task_retries=self.attempts - 1,
                )
            )


def probe_of(source: ScanSource, opener: Opener) -> Probe | None:
    """Read the first image that there is, so that workers can be asked whether they see the same one."""
    for entry in itertools.islice(source.entries(), BLOCK_ENTRIES):
        for image in entry.images if isinstance(entry, ScanItem) else ():
            try:
                return Probe(image, sha256(opener.read(image)).hexdigest())
            except OSError:
                continue  # a fault of that listing, told in its place
    return None


def _resources() -> dict[str, float]:
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    return {"CPU": 0.0, "GPU": 0.0} | ray.cluster_resources() | {"nodes": len(nodes)}


def _check(settings: Settings, total: dict[str, float], workers: int, gpus: float) -> None:
    """Raise RunnerError where waiting would not help."""
    if workers > total["CPU"]:
        raise RunnerError(f"{workers} workers are asked for, and Ray has {total['CPU']:.0f} processors for them")
    if settings.device.startswith("cuda") and not gpus:
        raise RunnerError(f"device is {settings.device}, and Ray knows of no GPU")
    place = settings.store_place
    if total["nodes"] > 1 and (isinstance(place, Path) or not place.startswith("postgresql")):
        raise RunnerError(
            f"Ray has {total['nodes']:.0f} machines, and an SQLite store is one machine's: set `store` to PostgreSQL"
            " (docs/storage.md)"
        )


def _for_workers(settings: Settings, share: float) -> Settings:
    """Make settings mean the same in another process: whole paths, and the one GPU that Ray shows a worker."""
    paths = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update={**paths, "device": "cuda" if share else "cpu"})


def _pending(source: ScanSource, done: frozenset[int]) -> Iterator[ScanBlock]:
    """Read the blocks that are not done, and an empty one after the last, whose number says how many there are."""
    number = -1
    for block in blocks(source.entries()):
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
