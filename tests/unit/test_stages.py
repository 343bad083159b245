"""A stage is timed, and its failure costs a person's look instead of the listing."""

from __future__ import annotations

import logging

import pytest

from serving.deadline import NEVER, Deadline
from serving.errors import DeadlineExceeded, Overloaded, ServingError
from serving.stages import Stages
from vision.errors import ModelError


def _raise(error: Exception) -> str:
    raise error


def test_stage_gives_its_result_and_its_time() -> None:
    """A stage that works leaves its result and its milliseconds, and no fault."""
    stages = Stages(NEVER)

    result = stages.run("search", lambda: "found", "nothing")

    assert result == "found"
    assert stages.faults == []
    assert stages.timings_ms["search"] >= 0


@pytest.mark.parametrize("error", [ValueError("a defect"), ModelError("no device"), ServingError("odd"), MemoryError()])
def test_failing_stage_leaves_a_fault_and_its_time(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """What fails is skipped with a fault that names the stage, is timed as well, and its traceback is logged."""
    stages = Stages(NEVER)

    with caplog.at_level(logging.ERROR):
        result = stages.run("search", lambda: _raise(error), "nothing")

    assert result == "nothing"
    assert [fault.code for fault in stages.faults] == ["STAGE_FAILED"]
    assert "search" in stages.faults[0].text
    assert "search" in stages.timings_ms
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("error", [DeadlineExceeded("late"), Overloaded("full", retry_after_s=1.0)])
def test_late_and_overloaded_end_the_listing(error: Exception) -> None:
    """No later stage can mend a passed deadline or a full queue: the caller learns of it; the time is still noted."""
    stages = Stages(NEVER)

    with pytest.raises(type(error)):
        stages.run("embed", lambda: _raise(error), "nothing")

    assert stages.faults == []
    assert "embed" in stages.timings_ms


def test_stage_does_not_begin_after_the_deadline() -> None:
    """When the time is over before a stage, its work is not begun."""
    begun: list[str] = []
    stages = Stages(Deadline.after(0.0))

    with pytest.raises(DeadlineExceeded, match="before embed"):
        stages.run("embed", lambda: begun.append("embed"), None)

    assert begun == []


def test_times_of_a_repeated_stage_add_up() -> None:
    """A stage that runs once a photo is accounted for as one, and the total is at least the sum of all."""
    stages = Stages(NEVER)

    stages.run("decode", lambda: None, None)
    once = stages.timings_ms["decode"]
    stages.run("decode", lambda: None, None)
    stages.run("search", lambda: None, None)
    timings = stages.finish()

    assert timings["decode"] > once
    assert list(timings) == ["decode", "search", "total"]
    assert timings["total"] >= timings["decode"] + timings["search"]
