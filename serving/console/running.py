"""Where does the console listen? uvicorn on the event loop of whoever serves, ended with the block and not by a signal.

The service and its console share one loop: the console asks the service over a socket in a folder that nobody else may
enter, so that no port is opened for it and no certificate of the service's own has to be believed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from serving.errors import SettingsError
from serving.tls import CertificateFiles

log = logging.getLogger(__name__)

# How often the certificate's files are looked at.
_LOOK_S = 5.0
# Requests under way when the console ends get this long.
_DRAIN_S = 5


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def listening(app: ASGIApp, *, listen: str, certificates: CertificateFiles | None = None) -> AsyncIterator[int]:
    """Serve `app` at "host:port" until the block ends; give the port. Raises SettingsError when it cannot be bound."""
    tls = {}
    if certificates is not None:
        certificates.load()  # so that a fault is told as ours
        tls = {"ssl_certfile": str(certificates.certificate), "ssl_keyfile": str(certificates.key)}
    bound = _bind(listen)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `serving.console.proxies` reads them
        timeout_graceful_shutdown=_DRAIN_S,
        **tls,  # type: ignore[arg-type]
    )
    config.load()
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[bound]))
    following = asyncio.create_task(_follow(config.ssl, certificates))
    try:
        yield bound.getsockname()[1]
    finally:
        following.cancel()
        server.should_exit = True
        await running
        bound.close()


async def _follow(context: ssl.SSLContext | None, certificates: CertificateFiles | None) -> None:
    """Show a renewed certificate from the next connection on, as the service does."""
    if context is None or certificates is None:
        return
    shown = certificates.state()
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            if (state := certificates.state()) == shown:
                continue
            certificates.load()
            context.load_cert_chain(certificates.certificate, certificates.key)
            shown = state
        except (SettingsError, OSError) as error:
            log.error("the console goes on with the old certificate, for the new one cannot be used: %s", error)


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot listen on {listen}: {error}; choose a free HOST:PORT") from error
