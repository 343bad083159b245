"""How does each page of the console go? Timed and traced, and the rpcs that it asks go on with its request.

A browser's own headers are not taken up: whoever reaches the console could name what is logged and traced.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serving.telemetry.metrics import PAGE_SECONDS
from serving.telemetry.request import REQUEST_ID, begin_request
from serving.telemetry.telemetry import Telemetry


@dataclass
class PageRequest:
    """A page that is being answered; who answers says with which `status`."""

    request_id: str
    status: int = 500


@contextmanager
def watching_page(telemetry: Telemetry, page: str) -> Iterator[PageRequest]:
    """Stand around the answer to one request for a page, "GET /cases/{case_id}"."""
    answering = PageRequest(begin_request(None).request_id)
    tracing = telemetry.tracing
    span = None if tracing is None else tracing.begin(page, (), {REQUEST_ID: answering.request_id})
    began = time.perf_counter()
    try:
        yield answering
    finally:
        if telemetry.meter is not None:
            telemetry.meter.observe(PAGE_SECONDS, time.perf_counter() - began, page, str(answering.status))
        if span is not None:
            span.set_attribute("http.response.status_code", answering.status)
            span.end()
