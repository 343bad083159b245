"""Where did the time of one request go? OpenTelemetry spans, sent to where the operator says; without that, none.

A request's trace is the caller's (W3C `traceparent`) or a new one, of which `share` are recorded. Within a request that
is not recorded no span is made at all. Attributes hold ids, counts and classes: no words of a listing, no names, no
credentials; of an error its class, since its message may hold any of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Any

from opentelemetry import context as contexts
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.lane import Batch

Attributes = Mapping[str, str | int | float | bool]

_NOTHING: AbstractContextManager[None] = nullcontext()
_HEADERS = ("traceparent", "tracestate")
_PROPAGATOR = TraceContextTextMapPropagator()


class Tracing:
    """Makes spans. Thread-safe; nothing is global: which span is the present one stands in the context."""

    def __init__(self, processor: SpanProcessor, *, share: float) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource({"service.name": "touchstone", "service.version": version("touchstone")}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("touchstone")

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def begin(self, name: str, headers: Sequence[tuple[str, str | bytes]], attributes: Attributes) -> Span:
        """Begin a request's span, under its caller's if `headers` name one. It is this context's until that ends."""
        carried = {key: str(value) for key, value in headers if key in _HEADERS}
        parent = _PROPAGATOR.extract(carried) if carried else contexts.Context()
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        contexts.attach(set_span_in_context(span))
        return span

    def span(self, name: str, **attributes: str | float | bool) -> AbstractContextManager[Any]:
        """Make a span of a block, below the present one; none where that is not recorded."""
        return self._span(name, attributes) if get_current_span().is_recording() else _NOTHING

    def note(self, attributes: Attributes) -> None:
        """Add attributes to the present span."""
        get_current_span().set_attributes(attributes)

    def ran(self, batch: Batch) -> None:
        """Make the spans of a batch: one of the batch, and for each request that is recorded one of its waiting.

        The batch's stands in the first request's trace and links to the others; each waiting links to the batch.
        """
        asked = [
            (ticket, queued)
            for ticket, queued in zip(batch.tickets, batch.queued, strict=True)
            if isinstance(ticket, Span)
        ]
        if not asked:
            return
        since = time.time_ns() - round(time.perf_counter() * 1e9)

        def at(moment: float) -> int:
            return since + round(moment * 1e9)

        first, others = asked[0][0], [Link(ticket.get_span_context()) for ticket, _ in asked[1:]]
        which: Attributes = {"lane": batch.lane, "work": batch.work}
        said = {**which, "crops": batch.crops, "requests": len(batch.tickets)}
        doing = self._tracer.start_span(
            "batch", set_span_in_context(first), attributes=said, links=others, start_time=at(batch.began)
        )
        if batch.error is not None:
            _fail(doing, batch.error)
        doing.end(at(batch.ended))
        link = Link(doing.get_span_context())
        for ticket, queued in asked:
            waiting = self._tracer.start_span(
                "wait for the lane",
                set_span_in_context(ticket),
                attributes=which,
                links=[link],
                start_time=at(queued),
            )
            waiting.end(at(batch.began))

    @contextmanager
    def _span(self, name: str, attributes: Attributes) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                _fail(span, error)
                raise


def end(span: Span, *, code: str, error: str) -> None:
    """End a request's span."""
    span.set_attribute("rpc.grpc.status", code)
    if error:
        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)
    span.end()


def present() -> Span | None:
    """Return the present span if it is recorded."""
    span = get_current_span()
    return span if span.is_recording() else None


def ids() -> tuple[str, str]:
    """Return the ids of the present trace and span, in hexadecimal digits; "" without."""
    found = get_current_span().get_span_context()
    return (f"{found.trace_id:032x}", f"{found.span_id:016x}") if found.is_valid else ("", "")


def carried() -> tuple[tuple[str, str], ...]:
    """Return the headers by which a request to another service goes on with the present trace."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers)
    return tuple(headers.items())


def exporter_to(endpoint: str) -> SpanProcessor:
    """Send spans to an OTLP endpoint over gRPC, such as `http://localhost:4317`; `https` is with TLS."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter: SpanExporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http:"))
    return BatchSpanProcessor(exporter)


def _fail(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)
