"""Log lines are text or JSON, and say which request they belong to."""

from __future__ import annotations

import contextvars
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from serving.telemetry.logs import JsonFormatter, TextFormatter, configure_logging
from serving.telemetry.request import begin_request, note_failure

LOG = logging.getLogger("serving.somewhere")


@contextmanager
def _bare_root() -> Iterator[logging.Logger]:
    """Take the test runner's own handlers off for a while: a program of its own has none."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _within(name: str, work: Callable[[], object]) -> None:
    def do() -> None:
        begin_request(name)
        work()

    contextvars.copy_context().run(do)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger, message, request and exception; lines of a message do not break the line."""

    def fail() -> None:
        try:
            raise ValueError("broken\nin two")
        except ValueError:
            LOG.exception("a\nb %s", 1)

    with _bare_root():
        configure_logging("info", "json")
        _within("upload-7", fail)
        LOG.info("outside")

    first, second = map(json.loads, _lines(capsys))
    assert first["message"] == "a\nb 1"
    assert (first["level"], first["logger"], first["request_id"]) == ("ERROR", "serving.somewhere", "upload-7")
    assert "ValueError: broken" in first["exception"]
    assert first["time"].endswith("Z")
    assert "request_id" not in second


def test_text_ends_with_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    """People read the same, with the request's name at the end."""
    with _bare_root():
        configure_logging("info")
        _within("upload-7", lambda: LOG.warning("late"))
        LOG.warning("outside")

    first, second = _lines(capsys)
    assert first.endswith("WARNING serving.somewhere: late [upload-7]")
    assert second.endswith("WARNING serving.somewhere: outside")


def test_configuring_again_changes_and_adds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """The command line logs before the settings are read; afterwards there is still one handler."""
    with _bare_root() as root:
        configure_logging("warning")
        configure_logging("error", "json")
        LOG.warning("not told")
        LOG.error("told")
        handlers = len(root.handlers)

    assert handlers == 1
    assert [json.loads(line)["message"] for line in _lines(capsys)] == ["told"]


def test_handlers_of_a_program_around_this_one_stay_alone() -> None:
    """Whoever runs this within a program of their own has set logging up already."""
    theirs = logging.StreamHandler(io.StringIO())

    with _bare_root() as root:
        root.addHandler(theirs)
        configure_logging("debug", "json")
        handlers = root.handlers[:]

    assert handlers == [theirs]


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_anything_can_be_logged(formatter: logging.Formatter) -> None:
    """Fields that are no JSON, and messages in any script, are written down all the same."""
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "商标 %s", ("é",), None)
    record.__dict__["fields"] = {"what": object()}

    assert "商标 é" in formatter.format(record)


def test_failure_is_noted_where_there_is_a_request() -> None:
    """The class of the last failure stands in the request; outside of one nothing happens."""
    told: list[str] = []

    def fail() -> None:
        request = begin_request(None)
        request.on_failure = told.append
        note_failure("Overloaded")
        assert request.error == "Overloaded"

    contextvars.copy_context().run(fail)
    note_failure("StoreError")

    assert told == ["Overloaded"]
