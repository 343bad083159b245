"""The holder of the current catalogue: new content comes in one step, and trouble leaves the old one in use."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from index.catalogue import ReferenceCatalogue
from index.errors import StoreError
from index.fake_source import FakeSource
from index.records import Brand, Reference, ReferenceEmbedding, ReferenceKind
from index.refresh import Holder

MODEL = "model@1"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE_S = 30.0


def add_reference(source: FakeSource, number: int) -> None:
    """Register one more reference of Acme."""
    name = f"r{number}"
    reference = Reference(reference_id=name, brand_id="acme", kind=ReferenceKind.LOGO, image_sha256=f"{number:064x}")
    vector = np.eye(8, dtype=np.float32)[number]
    source.put_reference(
        reference, [ReferenceEmbedding(reference_id=name, variant=0, fingerprint=MODEL, vector=vector)]
    )


@pytest.fixture
def source() -> FakeSource:
    """Register a brand with one reference."""
    registry = FakeSource()
    registry.put_brand(Brand(brand_id="acme", name="Acme"))
    add_reference(registry, 0)
    return registry


@pytest.fixture
def holder(source: FakeSource) -> Holder[ReferenceCatalogue]:
    """Hold the registry's catalogue, with a clock that moves a minute at each look."""
    minutes = iter(range(1000))
    catalogue = ReferenceCatalogue.build(source, MODEL, "exact")
    return Holder(catalogue, lambda old: old.renewed(source), clock=lambda: NOON + timedelta(minutes=next(minutes)))


class AnnouncingSource(FakeSource):
    """A registry that tells when its version was asked for, so that a test can wait for a poll."""

    def __init__(self) -> None:
        super().__init__()
        self.polls = threading.Semaphore(0)

    def version(self) -> int:
        """Count the changes, and announce that somebody asked."""
        self.polls.release()
        return super().version()

    def await_polls(self, count: int) -> None:
        """Wait until the version was asked for `count` times from now on."""
        while self.polls.acquire(blocking=False):
            pass
        for _ in range(count):
            assert self.polls.acquire(timeout=PATIENCE_S)


def test_an_unchanged_store_leaves_the_catalogue_alone(holder: Holder[ReferenceCatalogue]) -> None:
    """A refresh without news builds nothing."""
    before = holder.current

    assert not holder.refresh()
    assert holder.current is before


def test_a_change_brings_a_new_catalogue_and_readers_keep_theirs(
    source: FakeSource, holder: Holder[ReferenceCatalogue]
) -> None:
    """Whoever took the old catalogue goes on with it; whoever asks next gets the new one."""
    old = holder.current
    add_reference(source, 1)

    assert holder.refresh()

    assert (len(old), len(holder.current)) == (1, 2)
    assert holder.current.store_version == source.version()
    assert holder.current.backend == old.backend


def test_a_failure_keeps_the_old_catalogue_and_tells_since_when(
    source: FakeSource, holder: Holder[ReferenceCatalogue]
) -> None:
    """While the store is away the old catalogue serves; `stale_since` is the first failure, and success clears it."""
    old = holder.current
    add_reference(source, 1)
    source.failure = StoreError("the database has gone away")
    assert holder.stale_since is None

    for _ in range(2):
        with pytest.raises(StoreError, match="gone away"):
            holder.refresh()

    assert holder.current is old
    assert holder.stale_since == NOON
    source.failure = None
    assert holder.refresh()
    assert holder.stale_since is None


def test_polling_brings_changes_without_being_asked() -> None:
    """Within the block a change of the store reaches readers by itself; after it the thread is gone."""
    source = AnnouncingSource()
    source.put_brand(Brand(brand_id="acme", name="Acme"))
    holder = Holder(ReferenceCatalogue.build(source, MODEL, "exact"), lambda old: old.renewed(source))
    others = set(threading.enumerate())  # services of other tests may still run in this process

    with holder.polling(interval_s=0.001):
        add_reference(source, 0)
        source.await_polls(6)  # a round asks twice at most, so at least two whole ones have passed

    assert len(holder.current) == 1
    assert "refresh" not in {thread.name for thread in set(threading.enumerate()) - others}


def test_polling_survives_failures_and_recovers(caplog: pytest.LogCaptureFixture) -> None:
    """A store that goes away and comes back is logged once each way, and then its changes arrive."""
    source = AnnouncingSource()
    source.put_brand(Brand(brand_id="acme", name="Acme"))
    holder = Holder(ReferenceCatalogue.build(source, MODEL, "exact"), lambda old: old.renewed(source))
    source.failure = StoreError("the database has gone away")

    with caplog.at_level(logging.INFO), holder.polling(interval_s=0.001):
        source.await_polls(6)
        was_stale = holder.stale_since is not None
        source.failure = None
        add_reference(source, 0)
        source.await_polls(6)

    assert was_stale
    assert len(holder.current) == 1
    assert holder.stale_since is None
    messages = [record.getMessage() for record in caplog.records]
    assert sum(message.startswith("cannot refresh") for message in messages) == 1
    assert sum(message.startswith("up to date") for message in messages) == 1


def test_a_pause_of_nothing_is_refused(holder: Holder[ReferenceCatalogue]) -> None:
    """Polling without a pause would keep the store busy."""
    with pytest.raises(ValueError, match="interval_s is 0"), holder.polling(interval_s=0):
        pass


def test_age_counts_from_the_last_look_that_succeeded(source: FakeSource, holder: Holder[ReferenceCatalogue]) -> None:
    """Only while something polls: a command that reads once is never behind; a failure lets the age grow."""
    before = holder.behind_s
    with holder.polling(interval_s=3600.0):
        first = holder.behind_s
        threading.Event().wait(0.02)
        grown = holder.behind_s
        holder.refresh()
        fresh = holder.behind_s
        source.failure = StoreError("away")
        with pytest.raises(StoreError):
            holder.refresh()
        failed = holder.behind_s

    assert before is holder.behind_s is None
    assert None not in (first, grown, fresh, failed)
    assert (grown or 0.0) >= 0.02
    assert (fresh or 0.0) < (grown or 0.0)
    assert (failed or 0.0) >= (fresh or 0.0)
