"""How does a service get its console? From its address and the settings to pages at an address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from serving.access.signing_in import check_listening
from serving.channel import Credentials
from serving.console.application import make_console
from serving.console.guard import host_of
from serving.console.running import listening
from serving.console.sessions import Sessions
from serving.errors import SettingsError
from serving.settings import Settings
from serving.telemetry.telemetry import UNOBSERVED, Telemetry
from serving.tls import CertificateFiles
from serving.wire.requests import MAX_MESSAGE_BYTES

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
_LEAST_SECRET = 32


@asynccontextmanager
async def console_of(
    target: str,
    settings: Settings,
    *,
    listen: str,
    credentials: Credentials | None = None,
    telemetry: Telemetry = UNOBSERVED,
) -> AsyncIterator[int]:
    """Serve the console of the service at `target` until the block ends; give its port.

    Raises:
        SettingsError: the address must not be listened at or cannot be bound, tokens would leave this machine in
            plaintext, or a file cannot be read.

    """
    check_listening(listen, settings)
    async with (credentials or Credentials()).shared_channel(target, options=_OPTIONS) as channel:
        app = make_console(
            channel,
            sessions=sessions_of(settings),
            proxy=settings.console_proxy,
            hosts=_hosts(listen, settings),
            telemetry=telemetry,
        )
        async with listening(app, listen=listen, certificates=CertificateFiles.of(settings)) as port:
            yield port


def sessions_of(settings: Settings) -> Sessions:
    """Make what seals sessions. Raises SettingsError for a secret that could be guessed."""
    secret = settings.console_secret.get_secret_value() if settings.console_secret is not None else ""
    if secret and len(secret) < _LEAST_SECRET:
        raise SettingsError(f"console_secret has {len(secret)} characters; use {_LEAST_SECRET} random ones or more")
    return Sessions(secret)


def _hosts(listen: str, settings: Settings) -> Collection[str] | None:
    """Name the hosts by which the console is reached; where everybody shows a credential it does not matter."""
    return None if settings.access is not None else {host_of(listen)}
