"""A worker that fails is begun again and seen; a process whose inference hangs is given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from index import background as module
from index.background import background, failing, workers
from serving.errors import DeadlineExceeded
from serving.hung import Hung
from vision.errors import ModelUnavailable

PATIENCE_S = 30.0


def _until(done: Callable[[], bool]) -> None:
    given_up = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < given_up
        threading.Event().wait(0.005)


@pytest.mark.parametrize("ending", [None, ValueError("a defect"), SystemExit(1)])
def test_a_worker_that_ends_is_begun_again(
    ending: BaseException | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it ended with, an orderly return or the end of its thread; it is logged each time."""
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.01)
    before = workers()  # a service that other suites of this process share has its own
    begun = 0

    def work(stop: threading.Event) -> None:
        nonlocal begun
        begun += 1
        if begun > 3:
            stop.wait()
        elif ending is not None:
            raise ending

    with background("clerk", work, vital=True) as worker:
        _until(lambda: begun == 4)
        seen = [one.name for one in workers() if one not in before]
        failures, red = worker.failures, failing(longer_than_s=0.0)

    assert failures == 3
    assert caplog.text.count("'clerk'") == 3
    assert seen == ["clerk"]
    assert [one.name for one in red] == ["clerk"]
    assert not worker.is_alive()


def test_only_a_worker_that_matters_and_keeps_failing_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that others do without, not at its first failure, and no more once it has worked for a while."""
    monkeypatch.setattr(module, "_WELL_AFTER_S", 0.2)
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.0)
    mended = threading.Event()

    def work(stop: threading.Event) -> None:
        if not mended.is_set():
            raise ValueError("not yet")
        stop.wait()

    with background("spare", work), background("vital", work, vital=True):
        _until(lambda: bool(failing(longer_than_s=0.01)))
        assert [one.name for one in failing(longer_than_s=0.01)] == ["vital"]
        assert failing(longer_than_s=PATIENCE_S) == []
        mended.set()
        _until(lambda: not failing(longer_than_s=0.0))


def test_a_worker_that_waits_is_woken_to_end() -> None:
    """The end of the block does not wait for its next look."""
    bell = threading.Event()

    def work(_: threading.Event) -> None:
        bell.wait(PATIENCE_S)

    with background("sleeper", work, wake=bell.set) as worker:
        pass

    assert not worker.is_alive()
    assert worker.failures == 0


def test_a_process_is_given_up_only_when_canaries_hang_on_end() -> None:
    """One that passes, or fails for another reason, begins the count anew; 0 never gives up."""
    late, away = DeadlineExceeded("late"), ModelUnavailable("away")
    hung, never = Hung(60.0), Hung(0.0)

    canaries = ((0, late), (45, late), (50, None), (55, late), (100, away), (110, late), (170, late), (171, late))

    told = [hung.after(error, now_s=now) for now, error in canaries]

    assert told == [False] * 7 + [True]
    assert not any(never.after(late, now_s=now) for now in (0.0, 1e9))
