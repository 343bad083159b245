"""`touchstone serve`: run the service until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import click

from serving.access.signing_in import check_listening
from serving.app import open_application
from serving.cli.common import address_of, settings_of
from serving.decoding import serving_workers
from serving.server import serve_until_signalled
from serving.telemetry.opening import open_telemetry

DEFAULT_LISTEN = "127.0.0.1:50051"


@click.command()
@click.option("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option("--console", metavar="HOST:PORT", help="Where the console listens, for browsers. [no console]")
@click.option("--metrics", metavar="HOST:PORT", help="Where Prometheus scrapes, with /readyz. [no metrics]")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (YAML).")
@click.option(
    "--allow-insecure-public",
    is_flag=True,
    default=None,
    help="Listen beyond this machine also without TLS or authentication.",
)
@click.pass_context
def serve(
    context: click.Context,
    /,
    listen: str,
    console: str | None,
    metrics: str | None,
    config: Path | None,
    *,
    allow_insecure_public: bool | None,
) -> None:
    """Run the service. It stops on SIGTERM or Ctrl-C, after running requests are answered."""
    settings = settings_of(context, config=config, allow_insecure_public=allow_insecure_public)
    for address in filter(None, (listen, console)):
        check_listening(address, settings)  # before the model is loaded, which takes seconds
    with ExitStack() as parts:
        telemetry = parts.enter_context(open_telemetry(settings, metrics=metrics is not None))
        if metrics is not None and telemetry.meter is not None:
            from serving.telemetry.listener import check_metrics_listening, metrics_at

            check_metrics_listening(metrics, settings)
            scraped = parts.enter_context(metrics_at(metrics, telemetry.meter))
            click.echo(f"metrics on http://{metrics.rpartition(':')[0]}:{scraped}/metrics", err=True)
        application = parts.enter_context(
            open_application(settings, decode_workers=serving_workers(settings), telemetry=telemetry)
        )
        catalogue = application.knowledge.current.catalogue
        if len(catalogue) == 0:
            click.echo("the registry holds no references yet: run `touchstone brands seed`", err=True)

        def announce(port: int, pages: int | None) -> None:
            host = listen.rpartition(":")[0]
            click.echo(
                f"serving on {host}:{port} ({len(catalogue)} references, {application.embedder.fingerprint})", err=True
            )
            if console and pages:
                click.echo(f"console on {address_of(console, pages, settings)}", err=True)

        asyncio.run(serve_until_signalled(application, listen=listen, console=console, announce=announce))
