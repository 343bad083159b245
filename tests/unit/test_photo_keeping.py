"""Photos are durable before anybody is told that they are kept, and a blob store that fails holds nobody up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.blobs import digest_of
from index.errors import BlobError
from index.local_blobs import LocalBlobs
from index.photos import Photo, PhotoOwner, PhotoState
from serving.case_rules import load_case_rules
from serving.deadline import Deadline
from serving.photo_keeping import PhotoKeeper, retention
from serving.settings import Settings

FILES = (b"first", b"second", b"first")
PHOTOS = tuple(
    Photo(
        owner=PhotoOwner.DECISION,
        owner_id="d",
        position=position,
        sha256=digest_of(file),
        size=len(file),
        listing_id="l",
        create_time=datetime(2026, 3, 1, tzinfo=UTC),
    )
    for position, file in enumerate(FILES)
)
LOST = tuple(replace(photo, state=PhotoState.LOST) for photo in PHOTOS)


@pytest.mark.parametrize(
    ("retention_days", "appeal_days", "kept_days"), [(None, 184, 190), (30, 184, 184), (400, 184, 400), (0, 184, 0)]
)
def test_photos_stay_while_a_takedown_can_be_appealed_against(
    retention_days: int | None, appeal_days: int, kept_days: int
) -> None:
    """The longer of both times counts, by default as well; 0 keeps none all the same."""
    rules = load_case_rules().model_copy(update={"appeal_days": appeal_days})
    chosen = {} if retention_days is None else {"photo_retention_days": retention_days}

    assert retention(Settings().model_copy(update=chosen), rules) == timedelta(days=kept_days)


class Broken:
    """A blob store whose disk is full of holes: what is in `takes` is kept, all else is refused."""

    def __init__(self, *takes: bytes) -> None:
        self.takes = takes
        self.puts: list[bytes] = []

    def put(self, content: bytes) -> str:
        """Keep what can be kept."""
        self.puts.append(content)
        if content not in self.takes:
            raise BlobError("the disk is full")
        return digest_of(content)

    def get(self, sha256: str) -> bytes:
        """Give nothing back."""
        raise BlobError(sha256)


class Stuck(Broken):
    """A blob store that answers once it is let go."""

    def __init__(self) -> None:
        super().__init__(*FILES)
        self.free = threading.Event()

    def put(self, content: bytes) -> str:
        """Wait, then keep."""
        self.free.wait(60)
        return super().put(content)


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    """Give a blob store that hangs, until the test ends."""
    store = Stuck()
    yield store
    store.free.set()


def test_kept_photos_can_be_read(tmp_path: Path) -> None:
    """When it returns every file is there, a file that comes twice once."""
    blobs = LocalBlobs(tmp_path)

    with PhotoKeeper(blobs) as keeper:
        kept = keeper.keep(PHOTOS, FILES)

    assert kept == PHOTOS
    assert [blobs.get(photo.sha256) for photo in kept] == list(FILES)
    assert len(list(blobs.blobs())) == 2


def test_a_photo_that_cannot_be_kept_is_told_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    """The others are kept, and the log names file, decision and fault."""
    with PhotoKeeper(Broken(b"first")) as keeper:
        kept = keeper.keep(PHOTOS, FILES)

    assert kept == (PHOTOS[0], LOST[1], PHOTOS[2])
    assert "decision d is not kept: BlobError: the disk is full" in caplog.text
    assert PHOTOS[1].sha256 in caplog.text


@pytest.mark.parametrize(("patience_s", "deadline_s"), [(0.05, None), (60.0, 0.1)], ids=["patience", "deadline"])
def test_a_store_that_hangs_is_not_waited_for(stuck: Stuck, patience_s: float, deadline_s: float | None) -> None:
    """It is given up after the patience, or half of what the deadline leaves; what was not begun never is."""
    began = time.monotonic()

    with PhotoKeeper(stuck, patience_s=patience_s) as keeper:
        kept = keeper.keep(PHOTOS, FILES, deadline=Deadline.after(deadline_s))

    assert kept == LOST
    assert time.monotonic() - began < 30


def test_what_waits_to_be_written_is_bounded(stuck: Stuck) -> None:
    """While the store hangs no more than so many bytes are held; what no longer fits is lost at once."""
    with PhotoKeeper(stuck, patience_s=0.05, most_bytes=8) as keeper:
        kept = keeper.keep(PHOTOS[:1], FILES) + keeper.keep(PHOTOS[1:2], FILES)
        stuck.free.set()

    assert kept == LOST[:2]
    assert b"second" not in stuck.puts


def test_what_was_written_makes_room() -> None:
    """The bound is on what waits, not on what was ever kept."""
    with PhotoKeeper(Broken(*FILES), most_bytes=5) as keeper:
        kept = [keeper.keep(PHOTOS[:1], FILES) for _ in range(3)]

    assert kept == [PHOTOS[:1]] * 3


def test_nothing_is_kept_unless_asked() -> None:
    """With a retention of 0 days nothing is written and nothing is on record."""
    blobs = Broken(*FILES)

    with PhotoKeeper(blobs, enabled=False) as keeper:
        assert keeper.keep(PHOTOS, FILES) == ()

    assert blobs.puts == []
