"""What is switched on? From the settings to a `Telemetry`; without metrics and traces nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import SettingsError
from serving.settings import Settings
from serving.telemetry.telemetry import UNOBSERVED, Telemetry


@contextmanager
def open_telemetry(settings: Settings, *, metrics: bool = False) -> Iterator[Telemetry]:
    """Make what an application tells of itself; traces that are not sent yet are sent when the block ends.

    Raises SettingsError for an endpoint that is none.
    """
    meter = tracing = None
    if metrics:
        from serving.telemetry.meter import Meter

        meter = Meter()
    if settings.trace_endpoint:
        if not settings.trace_endpoint.startswith(("http://", "https://")):
            raise SettingsError(
                f"trace_endpoint: {settings.trace_endpoint!r} is no address; give one such as http://localhost:4317"
            )
        from serving.telemetry.tracing import Tracing, exporter_to

        tracing = Tracing(exporter_to(settings.trace_endpoint), share=settings.trace_share)
    if meter is None and tracing is None:
        yield UNOBSERVED
        return
    try:
        yield Telemetry(meter, tracing)
    finally:
        if tracing is not None:
            tracing.close()
