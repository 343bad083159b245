"""What stands ready for when the store is away? The guard before it and the spool behind it, opened together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from index.store.store import Store
from serving.outage.draining import Drain
from serving.outage.guard import StoreGuard
from serving.outage.spool import Spool
from serving.recording import Recorder
from serving.settings import Settings


@dataclass(frozen=True)
class Outage:
    """What a process needs to go on without its store."""

    guard: StoreGuard
    spool: Spool


def spool_folder(settings: Settings) -> Path:
    """Return where decisions wait while the store is away."""
    return settings.data_dir / "spool"


@contextmanager
def open_outage(settings: Settings, store: Store) -> Iterator[Outage]:
    """Open both until the block ends. Nothing is probed or recorded yet: see `recovering`."""
    with ExitStack() as resources:
        # A question that was given up goes on until the store lets go of it, so there may be more than workers.
        guard = StoreGuard(store.ping, patience_s=settings.store_patience_s, at_once=2 * settings.workers)
        resources.enter_context(guard)
        spool = Spool(spool_folder(settings), most_bytes=settings.spool_mib * 2**20)
        resources.callback(spool.close)
        yield Outage(guard, spool)


@contextmanager
def recovering(guard: StoreGuard, spool: Spool, recorder: Recorder) -> Iterator[None]:
    """Probe the store, keep this process from one that is away, and record what waits, until the block ends."""
    store = recorder.store
    store.admitting(guard.check)
    try:
        with guard.probing(), Drain(spool, recorder).running():
            yield
    finally:
        store.admitting(lambda: None)
