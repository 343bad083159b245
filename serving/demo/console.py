"""What do people see? `make console` starts a service with its pages over the demo's listings, until Ctrl-C.

As `make demo`, with a handful of brands for speed; the data lie in a temporary folder and are gone afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from reference_brands.seed import seed_marks
from serving.app import open_application
from serving.cli.common import address_of, progress
from serving.client import ModerationClient
from serving.demo.run import TIMEOUT_S, fill_own
from serving.demo.scenes import DemoScene, demo_scenes
from serving.reference_sources import seed_references
from serving.registry import add_references
from serving.server import serve_until_signalled
from serving.settings import Settings

log = logging.getLogger(__name__)

# Those of the demo's listings.
_BRANDS = ("nike", "adidas", "puma", "reebok", "jordan", "the-north-face", "beats")


@click.command()
@click.option("--console", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="For browsers.")
@click.option("--embedder", type=click.Choice(["torch", "fake"]), default="torch", help="`fake`: without a model.")
def main(console: str, embedder: Literal["torch", "fake"]) -> None:
    """Serve the demo's listings as cases, with the console to look at them."""
    with tempfile.TemporaryDirectory(prefix="touchstone-console-") as folder:
        settings = Settings(data_dir=Path(folder), store=None, embedder=embedder)
        with open_application(settings) as application:
            marks = seed_references(progress(seed_marks(_BRANDS), what="seeding brand marks"))
            add_references(application.store, application.embedder, marks)
            fill_own(application)

            click.echo("drawing the demo's listings ...")
            scenes, ended = demo_scenes(), threading.Event()
            threads: list[threading.Thread] = []

            def announce(port: int, pages: int | None) -> None:
                threads.append(threading.Thread(target=_screen, args=(port, scenes, ended), name="demo-listings"))
                threads[0].start()
                if pages is not None:
                    click.echo(f"the console: {address_of(console, pages, settings)} (Ctrl-C ends it)")

            try:
                asyncio.run(
                    serve_until_signalled(application, listen="127.0.0.1:0", console=console, announce=announce)
                )
            finally:
                ended.set()
                for thread in threads:
                    thread.join()


def _screen(port: int, scenes: Sequence[DemoScene], ended: threading.Event) -> None:
    """Screen the demo's listings, beside the server; those that call for a person become cases."""
    with ModerationClient(f"127.0.0.1:{port}") as client:
        for scene in scenes:
            if ended.is_set():
                return
            client.screen(scene.listing, timeout_s=TIMEOUT_S)
    log.info("the demo's listings are screened")


if __name__ == "__main__":
    sys.exit(main())
