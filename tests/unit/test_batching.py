"""Many callers, one owner of the embedder: equal results, full batches, bounded waiting, and nobody forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.batching import BatchingEmbedder, Vectors
from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, Overloaded
from serving.lane import Crops
from serving.pace import Pace
from serving.urgency import in_bulk
from vision.errors import ModelError
from vision.fake import FakeEmbedder
from vision.reading import Words
from vision.regions import Box, Region

PATIENCE_S = 20.0


class HeldEmbedder(FakeEmbedder):
    """A fake whose every pass waits until the test lets it go; notes the size of each batch."""

    def __init__(self) -> None:
        super().__init__(dim=16)
        self.batches: list[int] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.failure: Exception | None = None
        self.lost_rows = 0

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Embed when let go, or raise what the test has put in `failure`."""
        self.batches.append(len(crops))
        self.begun.release()
        assert self.go.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure
        return super().embed(crops)[self.lost_rows :]


class TellingEmbedder(HeldEmbedder):
    """A held fake whose vectors tell how a crop was embedded: those of marks point the other way. Notes each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[tuple[str, int]] = []

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Embed as the fake does."""
        self.passes.append(("embed", len(crops)))
        return super().embed(crops)

    def embed_marks(self, crops: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Embed as the fake does, the other way round."""
        self.passes.append(("embed_marks", len(crops)))
        return -super().embed(crops)


class HeightFinder:
    """A `Finder` whose one region tells the photo's height; `lost` answers go missing. Notes each pass."""

    forwards = 0.0

    def __init__(self, passes: list[tuple[str, int]], *, lost: int = 0) -> None:
        self._passes = passes
        self._lost = lost

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name one region of each photo."""
        self._passes.append(("find", len(photos)))
        return [region_of(photo) for photo in photos][self._lost :]


class HeightReader:
    """A `Reader` whose one line tells the crop's height; `lost` answers go missing. Notes each pass."""

    forwards = 0.75

    def __init__(self, passes: list[tuple[str, int]], *, lost: int = 0) -> None:
        self._passes = passes
        self._lost = lost

    def read(self, crops: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read one line in each crop."""
        self._passes.append(("read", len(crops)))
        return [line_of(crop) for crop in crops][self._lost :]

    def read_rims(self, rims: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read one line around each mark."""
        self._passes.append(("read_rims", len(rims)))
        return [line_of(rim) for rim in rims][self._lost :]

    def read_pages(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Words, ...]]:
        """Read one line in each photo."""
        self._passes.append(("read_pages", len(photos)))
        return [line_of(photo) for photo in photos][self._lost :]


def line_of(crop: NDArray[np.uint8]) -> tuple[Words, ...]:
    """Say what `HeightReader` reads in a crop."""
    return (Words(str(crop.shape[0]), 1.0),)


def region_of(photo: NDArray[np.uint8]) -> tuple[Region, ...]:
    """Say what `HeightFinder` finds in a photo of less than 1,000 rows."""
    return (Region(Box(0.0, 0.0, 1.0, photo.shape[0] / 1000), "mark"),)


@pytest.fixture
def held() -> Iterator[HeldEmbedder]:
    """Hold every pass until the test sets `go`, and let go of the rest in the end."""
    embedder = HeldEmbedder()
    yield embedder
    embedder.go.set()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """Call from up to 32 threads."""
    with ThreadPoolExecutor(32) as pool:
        yield pool


def _in_bulk(batching: BatchingEmbedder) -> Callable[[Crops], Vectors]:
    """Embed as a preview does."""

    def embed(crops: Crops) -> Vectors:
        with in_bulk():
            return batching.embed(crops)

    return embed


def _crops(count: int, *, seed: int = 0) -> Crops:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (8 + n, 12, 3), dtype=np.uint8) for n in range(count)]


def _wait_for_queue(batching: BatchingEmbedder, callers: int) -> None:
    """Return as soon as so many callers are in the queue; only the queue itself can tell when that is."""
    lane = batching._seeing
    with lane._changed:
        assert lane._changed.wait_for(lambda: len(lane._waiting) == callers, PATIENCE_S)


def _occupy(batching: BatchingEmbedder, held: HeldEmbedder, callers: ThreadPoolExecutor) -> Future[Vectors]:
    """Keep the owner busy with one crop until `held.go` is set."""
    first = callers.submit(batching.embed, _crops(1))
    assert held.begun.acquire(timeout=PATIENCE_S)
    return first


def test_results_equal_those_without_batching(callers: ThreadPoolExecutor) -> None:
    """Whatever shares a batch, each caller gets exactly the vectors of its own crops."""
    alone = FakeEmbedder(dim=16)
    wanted = [_crops(seed % 5, seed=seed) for seed in range(60)]

    with BatchingEmbedder(FakeEmbedder(dim=16), max_crops=7) as batching:
        found = list(callers.map(batching.embed, wanted))

    for crops, vectors in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(vectors, alone.embed(crops))


def test_says_what_it_wraps() -> None:
    """The owner stands in for the embedder: same fingerprint, same length of vectors."""
    alone = FakeEmbedder(dim=16)

    with BatchingEmbedder(FakeEmbedder(dim=16)) as batching:
        assert (batching.fingerprint, batching.dim) == (alone.fingerprint, 16)


def test_no_crops_need_no_embedder(held: HeldEmbedder) -> None:
    """A listing without regions does not wait behind others."""
    with BatchingEmbedder(held) as batching:
        vectors = batching.embed([])

    assert vectors.shape == (0, 16)
    assert held.batches == []


def test_batches_form_while_the_owner_is_busy(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """What queued meanwhile goes together, whole jobs up to `max_crops`; one that is larger goes alone in its turn."""
    with BatchingEmbedder(held, max_crops=6) as batching:
        waiting = [_occupy(batching, held, callers)]
        for place, count in enumerate([3, 3, 2, 9, 1, 1], start=1):
            waiting.append(callers.submit(batching.embed, _crops(count, seed=place)))
            _wait_for_queue(batching, place)
        held.go.set()
        counts = [len(future.result(PATIENCE_S)) for future in waiting]

    assert counts == [1, 3, 3, 2, 9, 1, 1]
    assert held.batches == [1, 6, 4, 9]


def test_error_reaches_every_caller_and_the_owner_survives(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """A failing pass fails the callers of its batch, and the next batch is embedded."""
    with BatchingEmbedder(held) as batching:
        first = _occupy(batching, held, callers)
        others = [callers.submit(batching.embed, _crops(2)) for _ in range(3)]
        _wait_for_queue(batching, 3)
        held.failure = ModelError("out of memory")
        held.go.set()
        errors = [future.exception(PATIENCE_S) for future in (first, *others)]
        held.failure = None
        vectors = batching.embed(_crops(2))

    assert [str(error) for error in errors] == ["out of memory"] * 4
    assert held.batches == [1, 6, 2]
    assert len(vectors) == 2


def test_vectors_that_do_not_fit_the_crops_are_refused(held: HeldEmbedder) -> None:
    """An embedder that loses a row must not shift vectors from one caller to another."""
    held.go.set()
    held.lost_rows = 1

    with BatchingEmbedder(held) as batching, pytest.raises(ModelError, match=r"fake@\w+ gave 2 answers for 3 crops"):
        batching.embed(_crops(3))


def test_a_finder_that_loses_a_photo_is_refused() -> None:
    """Regions must not shift from one photo to another; the message says that it was the finder."""
    finder = HeightFinder([], lost=1)

    with BatchingEmbedder(FakeEmbedder(dim=16), finder) as batching:
        with pytest.raises(ModelError, match="the finder gave 2 answers for 3 crops"):
            batching.find(_crops(3))
        with pytest.raises(ModelError, match="the finder gave 0 answers for 1 crops"):
            batching.find(_crops(1))


def test_a_reader_that_loses_a_crop_is_refused() -> None:
    """Words must not shift from one photo to another; the message says that it was the reader."""
    reader = HeightReader([], lost=1)

    with (
        BatchingEmbedder(FakeEmbedder(dim=16), reader=reader) as batching,
        pytest.raises(ModelError, match="the reader gave 2 answers for 3 crops"),
    ):
        batching.read(_crops(3))


def test_the_reader_s_work_is_counted() -> None:
    """What reading costs is part of what screening costs; without a reader there are no words and no cost."""
    with BatchingEmbedder(FakeEmbedder(dim=16), reader=HeightReader([])) as batching:
        batching.embed(_crops(2))
        assert batching.forwards == 2.75
        assert batching.read([]) == []
    with BatchingEmbedder(FakeEmbedder(dim=16)) as batching:
        assert batching.read(_crops(2)) == [(), ()]
        assert batching.forwards == 0


def test_kinds_of_work_never_share_a_batch(callers: ThreadPoolExecutor) -> None:
    """Those of the kind that is first in line go together, and each caller gets its own crops' answers."""
    embedder, alone = TellingEmbedder(), FakeEmbedder(dim=16)
    kinds = ["embed", "embed_marks", "embed_marks", "find", "find", "embed"]
    queued = list(zip(kinds, [2, 2, 1, 3, 1, 2], strict=True))
    wanted = [_crops(count, seed=place) for place, (_, count) in enumerate(queued)]

    with BatchingEmbedder(embedder, HeightFinder(embedder.passes)) as batching:
        _occupy(batching, embedder, callers)
        waiting = []
        for (kind, _), crops in zip(queued, wanted, strict=True):
            waiting.append(callers.submit(getattr(batching, kind), crops))
            _wait_for_queue(batching, len(waiting))
        embedder.go.set()
        answers = [future.result(PATIENCE_S) for future in waiting]

    assert embedder.passes == [("embed", 1), ("embed", 4), ("embed_marks", 3), ("find", 4)]
    for (kind, _), crops, answer in zip(queued, wanted, answers, strict=True):
        if kind == "find":
            assert answer == [region_of(photo) for photo in crops]
        else:
            np.testing.assert_array_equal(answer, alone.embed(crops) * (-1 if kind == "embed_marks" else 1))


def test_reading_does_not_wait_for_the_embedder(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """A crop is read in milliseconds: its caller gets the words while a large batch is still being embedded."""
    crops = _crops(3)
    passes: list[tuple[str, int]] = []

    with BatchingEmbedder(held, reader=HeightReader(passes)) as batching:
        busy = _occupy(batching, held, callers)
        lines = callers.submit(batching.read, crops).result(PATIENCE_S)
        pages = callers.submit(batching.read_pages, crops[:1]).result(PATIENCE_S)
        rims = callers.submit(batching.read_rims, crops[1:]).result(PATIENCE_S)
        waits = not busy.done()
        held.go.set()
        busy.result(PATIENCE_S)

    assert waits
    assert passes == [("read", 3), ("read_pages", 1), ("read_rims", 2)]
    assert lines == [line_of(crop) for crop in crops]
    assert pages == [line_of(crops[0])]
    assert rims == [line_of(crop) for crop in crops[1:]]


def test_embedder_s_own_timeout_is_not_the_caller_s_deadline(held: HeldEmbedder) -> None:
    """A time-out inside the embedder is a failure of the embedder."""
    held.go.set()
    held.failure = TimeoutError("no answer from the device")

    with BatchingEmbedder(held) as batching, pytest.raises(TimeoutError, match="no answer"):
        batching.embed(_crops(1), deadline=Deadline.after(PATIENCE_S))


def test_deadline_ends_the_waiting_and_frees_the_place(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """A caller whose time is over leaves; its work is dropped and its place in the queue is free again."""
    with BatchingEmbedder(held, max_waiting=1) as batching:
        first = _occupy(batching, held, callers)
        for _ in range(3):
            with pytest.raises(DeadlineExceeded, match="deadline"):
                batching.embed(_crops(5), deadline=Deadline.after(0.0))
        second = callers.submit(batching.embed, _crops(2))
        _wait_for_queue(batching, 1)
        held.go.set()
        counts = [len(future.result(PATIENCE_S)) for future in (first, second)]

    assert counts == [1, 2]
    assert held.batches == [1, 2]


def test_deadline_during_the_pass_leaves_the_others_alone(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """A caller's time may end while its crops are on the device; the owner finishes the pass and goes on."""
    with BatchingEmbedder(held) as batching:
        hasty = callers.submit(batching.embed, _crops(3), deadline=Deadline.after(0.5))
        assert held.begun.acquire(timeout=PATIENCE_S)
        patient = callers.submit(batching.embed, _crops(2))
        error = hasty.exception(PATIENCE_S)
        held.go.set()
        vectors = patient.result(PATIENCE_S)

    assert isinstance(error, DeadlineExceeded)
    assert len(vectors) == 2
    assert held.batches == [3, 2]


def test_full_queue_refuses_with_a_time_to_come_back(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """Waiting is bounded: the next caller is told at once when to try again, and those in the queue are served."""
    with BatchingEmbedder(held, max_waiting=2) as batching:
        waiting = [_occupy(batching, held, callers)]
        waiting += [callers.submit(batching.embed, _crops(1)) for _ in range(2)]
        _wait_for_queue(batching, 2)
        with pytest.raises(Overloaded, match="2 requests wait") as caught:
            batching.embed(_crops(1))
        held.go.set()
        counts = [len(future.result(PATIENCE_S)) for future in waiting]

    assert caught.value.retry_after_s == pytest.approx(0.1)  # nothing was measured yet
    assert counts == [1, 1, 1]


def test_uploads_go_before_bulk(
    held: HeldEmbedder, callers: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preview that came first stands back for uploads, and shares no batch with them."""
    monkeypatch.setattr("serving.lane.AGED_S", 3 * PATIENCE_S)
    with BatchingEmbedder(held) as batching:
        waiting = [_occupy(batching, held, callers)]
        for place, (embed, count) in enumerate([(_in_bulk(batching), 5), (batching.embed, 2), (batching.embed, 1)]):
            waiting.append(callers.submit(embed, _crops(count)))
            _wait_for_queue(batching, place + 1)
        held.go.set()
        counts = [len(future.result(PATIENCE_S)) for future in waiting]

    assert counts == [1, 5, 2, 1]
    assert held.batches == [1, 3, 5]


def test_bulk_that_has_waited_long_is_served(
    held: HeldEmbedder, callers: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many uploads come, bulk has its turn once it has aged."""
    monkeypatch.setattr("serving.lane.AGED_S", 0.0)
    with BatchingEmbedder(held) as batching:
        waiting = [_occupy(batching, held, callers)]
        for place, (embed, count) in enumerate([(_in_bulk(batching), 5), (batching.embed, 2)]):
            waiting.append(callers.submit(embed, _crops(count)))
            _wait_for_queue(batching, place + 1)
        held.go.set()
        for future in waiting:
            future.result(PATIENCE_S)

    assert held.batches == [1, 5, 2]


def test_who_would_still_wait_at_the_deadline_is_refused_at_once(
    held: HeldEmbedder, callers: ThreadPoolExecutor
) -> None:
    """By the pace of the last passes the line is too long: the caller learns when to come back, and nothing is done."""
    with BatchingEmbedder(held) as batching:
        for _ in range(3):
            batching._seeing._paces.setdefault(batching._wholes, Pace()).note(10.0)
        waiting = [_occupy(batching, held, callers), callers.submit(batching.embed, _crops(2))]
        _wait_for_queue(batching, 1)
        with pytest.raises(Overloaded, match=r"takes about 20\.0 s, and the deadline leaves 5\.0 s") as caught:
            batching.embed(_crops(1), deadline=Deadline.after(5.0))
        patient = callers.submit(batching.embed, _crops(1), deadline=Deadline.after(2 * PATIENCE_S))
        _wait_for_queue(batching, 2)
        held.go.set()
        counts = [len(future.result(PATIENCE_S)) for future in (*waiting, patient)]

    assert caught.value.retry_after_s == pytest.approx(20.0)
    assert counts == [1, 2, 1]


def test_nobody_is_refused_where_nobody_waits(held: HeldEmbedder) -> None:
    """However slow the last passes were, a line without anybody in it is tried."""
    held.go.set()
    with BatchingEmbedder(held) as batching:
        for _ in range(3):
            batching._seeing._paces.setdefault(batching._wholes, Pace()).note(1_000.0)

        assert len(batching.embed(_crops(1), deadline=Deadline.after(PATIENCE_S))) == 1


def test_closing_serves_those_who_wait_and_refuses_newcomers(held: HeldEmbedder, callers: ThreadPoolExecutor) -> None:
    """Shutting down drains the queue, then the owner's thread ends; closing twice is no harm."""
    batching = BatchingEmbedder(held, max_crops=1)
    waiting = [_occupy(batching, held, callers)]
    waiting += [callers.submit(batching.embed, _crops(1)) for _ in range(3)]
    _wait_for_queue(batching, 3)

    closing = callers.submit(batching.close)
    lane = batching._seeing
    with lane._changed:
        assert lane._changed.wait_for(lambda: lane._closed, PATIENCE_S)
    with pytest.raises(Overloaded, match="shutting down"):
        batching.embed(_crops(1))
    held.go.set()
    closing.result(PATIENCE_S)
    batching.close()

    assert [len(future.result(PATIENCE_S)) for future in waiting] == [1, 1, 1, 1]
    assert not batching._seeing._owner.is_alive()
    assert not batching._spelling._owner.is_alive()
