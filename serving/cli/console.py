"""`touchstone console`: the pages of a service that runs elsewhere, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal

import click

from serving.access.signing_in import check_listening
from serving.channel import Credentials
from serving.cli.common import address_of, settings_of
from serving.cli.connection import with_credentials
from serving.console.opening import console_of
from serving.settings import Settings
from serving.telemetry.opening import open_telemetry
from serving.telemetry.telemetry import Telemetry


@click.command()
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@with_credentials("The service; without it 127.0.0.1:50051. A token of yours is not used: people sign in.")
@click.option(
    "--allow-insecure-public",
    is_flag=True,
    default=None,
    help="Listen beyond this machine also without TLS or authentication.",
)
@click.pass_context
def console(
    context: click.Context,
    /,
    listen: str,
    server: str | None,
    credentials: Credentials,
    *,
    allow_insecure_public: bool | None,
) -> None:
    """Serve pages for people over a running service. `touchstone serve --console` does it beside the service."""
    settings = settings_of(context, allow_insecure_public=allow_insecure_public)
    check_listening(listen, settings)
    with open_telemetry(settings) as telemetry:
        asyncio.run(_serve(server or "127.0.0.1:50051", credentials, settings, listen, telemetry))


async def _serve(target: str, credentials: Credentials, settings: Settings, listen: str, telemetry: Telemetry) -> None:
    stop = asyncio.Event()
    async with console_of(target, settings, listen=listen, credentials=credentials, telemetry=telemetry) as port:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        click.echo(f"console on {address_of(listen, port, settings)}", err=True)
        await stop.wait()
