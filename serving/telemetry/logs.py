"""How are log lines written? As text for people or as JSON, one object a line, each with the request it belongs to.

Lines hold ids, counts and classes. Nothing here takes anything out of a message: whoever logs leaves words of listings,
credentials and names out of it, which a test holds every rpc to.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from serving.telemetry.request import REQUEST

Format = Literal["text", "json"]


class TextFormatter(logging.Formatter):
    """Time, level, logger, message and, where there is one, the request."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Write one line."""
        request = REQUEST.get()
        line = super().formatMessage(record)
        return line if request is None else f"{line} [{request.request_id}]"


class JsonFormatter(logging.Formatter):
    """One JSON object: `time` (RFC 3339, UTC), `level`, `logger`, `message`, the request's ids, and `exception`.

    What a record carries as `fields` stands beside them.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = REQUEST.get()
        if request is not None:
            line["request_id"] = request.request_id
        line |= _trace()
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Ours, to be told from others' handlers; writes to what stderr is when it writes."""

    @property
    def stream(self) -> object:
        return sys.stderr

    @stream.setter
    def stream(self, _: object) -> None:
        pass


def configure_logging(level: str, form: Format = "text") -> None:
    """Log to stderr from `level` on; called again it changes that. Handlers of a program around this one stay alone."""
    root = logging.getLogger()
    ours = next((one for one in root.handlers if isinstance(one, _Handler)), None)
    if ours is None:
        if root.handlers:
            return
        ours = _Handler()
        root.addHandler(ours)
    ours.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root.setLevel(level.upper())


def _trace() -> dict[str, object]:
    """Return the ids of the trace, where there may be one: OpenTelemetry is not imported for it."""
    if "serving.telemetry.tracing" not in sys.modules:
        return {}
    from serving.telemetry.tracing import ids

    trace_id, span_id = ids()
    return {"trace_id": trace_id, "span_id": span_id} if trace_id else {}
