"""Spans of a lane's batches, what becomes of errors, and how spans reach a collector."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.deadline import NEVER
from serving.lane import Crops, Lane, Work
from serving.settings import Settings
from serving.telemetry.opening import open_telemetry
from serving.telemetry.telemetry import Telemetry
from serving.telemetry.tracing import Tracing

CROP = np.zeros((2, 2, 3), np.uint8)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Keep spans."""
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(spans: InMemorySpanExporter) -> Iterator[Telemetry]:
    """Trace everything."""
    tracing = Tracing(SimpleSpanProcessor(spans), share=1.0)
    yield Telemetry(None, tracing)
    tracing.close()


def _as_request(telemetry: Telemetry, name: str, work: Callable[[], object]) -> None:
    """Do something as a request of its own."""

    def do() -> None:
        assert telemetry.tracing is not None
        span = telemetry.tracing.begin(name, (), {})
        try:
            work()
        finally:
            span.end()

    contextvars.copy_context().run(do)


def _named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def test_requests_of_one_batch_are_linked_with_it(telemetry: Telemetry, spans: InMemorySpanExporter) -> None:
    """Three callers share a batch: each has its waiting in its own trace, linked to the one batch."""
    began, hold = threading.Event(), threading.Event()

    def slow(crops: Crops) -> Any:
        began.set()
        hold.wait(10)
        return crops

    work, lane = Work("embedding", slow), Lane("embedder", max_crops=8, max_waiting=8, observer=telemetry)

    def call(name: str) -> None:
        _as_request(telemetry, name, lambda: lane.do(work, [CROP], NEVER))

    with futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, "first")]
        assert began.wait(10)
        calls += [pool.submit(call, name) for name in ("second", "third", "fourth")]
        while lane.waiting < 3:
            pass
        hold.set()
        futures.wait(calls)
    lane.close()

    batches = {str((span.attributes or {})["requests"]): span for span in _named(spans, "batch")}
    waits = _named(spans, "wait for the lane")
    assert sorted(batches) == ["1", "3"]
    shared = batches["3"]
    assert len(shared.links) == 2
    linked = [wait for wait in waits if wait.links[0].context.span_id == shared.context.span_id]
    assert len({wait.context.trace_id for wait in linked}) == 3
    for wait in linked:
        assert wait.end_time == shared.start_time
        assert wait.start_time is not None
        assert wait.end_time is not None
        assert wait.start_time < wait.end_time


def test_errors_are_told_by_class_and_never_by_message(telemetry: Telemetry, spans: InMemorySpanExporter) -> None:
    """What an error says may quote a listing: stages and batches tell its class."""

    def fails(_: Crops) -> Any:
        raise ValueError("Zebrafinch clogs")

    lane = Lane("embedder", max_crops=8, max_waiting=8, observer=telemetry)

    def staged() -> None:
        with pytest.raises(ValueError, match="Zebrafinch"), telemetry.stage("embed"):
            lane.do(Work("embedding", fails), [CROP], NEVER)

    _as_request(telemetry, "request", staged)
    lane.close()

    for name in ("embed", "batch"):
        (span,) = _named(spans, name)
        assert span.attributes is not None
        assert span.attributes["error.type"] == "ValueError"
        assert not span.status.is_ok
    assert "Zebrafinch" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_observer_that_fails_costs_no_caller(caplog: pytest.LogCaptureFixture) -> None:
    """The lane's owner outlives whoever watches it, and its callers have their answers."""

    class Failing:
        def ticket(self) -> object:
            return None

        def ran(self, batch: object) -> None:
            raise RuntimeError("no room")

    lane = Lane("embedder", max_crops=8, max_waiting=8, observer=Failing())
    work = Work("embedding", lambda crops: crops)

    answers = [lane.do(work, [CROP], NEVER) for _ in range(2)]
    lane.close()

    assert [len(answer) for answer in answers] == [1, 1]
    assert caplog.text.count("could not be told of") == 2


def test_spans_reach_a_collector() -> None:
    """With an endpoint spans are sent by OTLP, the last ones when the application closes."""
    with _collector() as (port, received):
        settings = Settings(trace_endpoint=f"http://127.0.0.1:{port}", trace_share=1.0)
        with open_telemetry(settings) as telemetry:
            _as_request(telemetry, "page", lambda: None)

    (request,) = received
    assert [span.name for scope in request.resource_spans[0].scope_spans for span in scope.spans] == ["page"]
    resource = {one.key: one.value.string_value for one in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "touchstone"


@contextmanager
def _collector() -> Iterator[tuple[int, list[trace_service_pb2.ExportTraceServiceRequest]]]:
    received: list[trace_service_pb2.ExportTraceServiceRequest] = []

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            received.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port, received
    finally:
        server.stop(None).wait()
