"""Where are the metrics read? At `/metrics` of a listener of their own, with `/healthz` and `/readyz` beside it.

Nobody signs in there and nothing is encrypted, so it listens on this machine alone unless it is told otherwise: figures
name brands, policies and the load. Its threads are apart from those that screen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socket import AF_INET, AF_INET6
from socketserver import ThreadingTCPServer

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

from serving.access.signing_in import is_loopback
from serving.errors import SettingsError
from serving.settings import Settings
from serving.telemetry.meter import Meter
from serving.telemetry.metrics import READY

# A client that sends or takes nothing for so long is left.
_PATIENCE_S = 10.0


def check_metrics_listening(listen: str, settings: Settings) -> None:
    """Check that metrics may be listened for at "host:port". Raises SettingsError, which says what to set."""
    if not (is_loopback(listen) or settings.metrics_public or settings.allow_insecure_public):
        raise SettingsError(
            f"{listen} can be reached from other machines, and whoever reaches it reads the metrics unasked. "
            "Listen on 127.0.0.1, or say metrics_public: true if only your monitoring reaches it."
        )


@contextmanager
def metrics_at(listen: str, meter: Meter) -> Iterator[int]:
    """Answer scrapes at "host:port" until the block ends; give the port. Raises SettingsError if it cannot be bound."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")

    class Server(ThreadingTCPServer):  # not http.server's, which asks DNS for its own name
        daemon_threads = True
        allow_reuse_address = True
        address_family = AF_INET6 if ":" in host else AF_INET

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients who left."""

    class Handler(_Handler):
        of = meter

    try:
        server = Server((host, int(port)), Handler)
    except (OSError, ValueError, OverflowError) as error:
        raise SettingsError(f"cannot listen on {listen} for metrics: {error}; choose a free HOST:PORT") from error
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers GET of three paths."""

    of: Meter
    timeout = _PATIENCE_S
    server_version, sys_version = "touchstone", ""

    def do_GET(self) -> None:
        """Answer."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, self.of.page(), CONTENT_TYPE)
            case "/healthz":
                self._answer(HTTPStatus.OK, b"alive\n")
            case "/readyz" if self.of.value(READY.name) == 1:
                self._answer(HTTPStatus.OK, b"ready\n")
            case "/readyz":
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready: starting, draining, or the canary fails\n")
            case _:
                self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: scrapes come every few seconds."""

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
