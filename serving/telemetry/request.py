"""Which request is this thread or task working on? What log lines and error counts are tied together by.

`serving.telemetry.rpc` and the console begin a request; contexts carry it into tasks and worker threads.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID = "x-request-id"
# What a caller may name its request: it goes into logs as it is.
_FIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


@dataclass
class Request:
    """A request under way. `error` is the class of what failed last, "" while nothing has; `on_failure` hears each."""

    request_id: str
    error: str = ""
    on_failure: Callable[[str], None] = lambda _: None

    def failed(self, error: str) -> None:
        """Note that the request, or an item of its stream, failed with an error of a class."""
        self.error = error
        self.on_failure(error)


REQUEST: ContextVar[Request | None] = ContextVar("request", default=None)


def begin_request(named: object) -> Request:
    """Begin a request in this context, under the name that its caller gave if it is fit for one, else a new one."""
    fits = isinstance(named, str) and _FIT.fullmatch(named)
    request = Request(str(named) if fits else secrets.token_hex(16))
    REQUEST.set(request)
    return request


def note_failure(error: str) -> None:
    """Note the class of what the request under way failed with, for its line in the log and for who counts it."""
    request = REQUEST.get()
    if request is not None:
        request.failed(error)
