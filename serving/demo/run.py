"""What does Touchstone do? `make demo` starts the service, seeds it, screens nine listings over gRPC, prints decisions.

Everything is real but the goods: the server, the registry, the model and the photos' way through them. The data lie in
a temporary folder and are gone afterwards. Exit code 1 when a listing does not get the verdict that its story asks for.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.records import Provenance, ReferenceKind
from reference_brands.seed import seed_marks
from serving.app import Application, open_application
from serving.cli.common import progress
from serving.client import ModerationClient
from serving.demo.registry import DemoCounterfeit, demo_registry
from serving.demo.scenes import DemoScene, demo_scenes
from serving.knowledge import catch_up
from serving.new_reference import NewReference, read_picture
from serving.reference_sources import seed_references
from serving.registry import add_references
from serving.server import serving
from serving.settings import Settings
from touchstone.moderation.v1 import decision_pb2

_COLOURS = {"ALLOW": "green", "REVIEW": "yellow", "TAKEDOWN": "red"}
# The longest that one listing may take on a slow machine.
TIMEOUT_S = 60.0
# Reasons on a line of the table; the decision itself has them all.
_REASONS_SHOWN = 3
# Wide enough for story and reasons where the output is no terminal (a log, a pipe).
_WIDTH = 132


def main(embedder: Literal["torch", "fake"] = "torch") -> int:
    """Run the demo and return the exit code; `fake` leaves the model out, for tests."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="touchstone-demo-") as folder:
        console.print("loading the model ...")
        with open_application(Settings(data_dir=Path(folder), store=None, embedder=embedder)) as application:
            _fill(application, console)
            with _serving(application) as port, ModerationClient(f"127.0.0.1:{port}") as client:
                console.print(f"serving on 127.0.0.1:{port}; screening over gRPC ...")
                scenes = demo_scenes()
                decisions = [client.screen_or_raise(scene.listing, timeout_s=TIMEOUT_S) for scene in scenes]
    console.print(_table(scenes, decisions))
    surprises = [s for s, d in zip(scenes, decisions, strict=True) if _verdict(d) != s.expected]
    console.print(f"{len(decisions)} listings screened; done in {time.monotonic() - started:.0f} s")
    for scene in surprises:
        console.print(f"[red]unexpected:[/red] {scene.listing.listing_id} should have got {scene.expected}")
    return 1 if surprises else 0


def _fill(application: Application, console: Console) -> None:
    """Put the seed catalogue and the demo's own registry into the store."""
    marks = seed_references(progress(seed_marks(), what="seeding brand marks"))
    add_references(application.store, application.embedder, marks)
    fill_own(application)
    counts = application.store.counts()
    console.print(
        f"registry: {counts.brands} brands, {counts.references} references, {counts.price_observations} known prices"
    )


def fill_own(application: Application) -> None:
    """Put the demo's own registry into the store: its counterfeits, sellers and prices."""
    store, demo = application.store, demo_registry()
    add_references(store, application.embedder, [_counterfeit(application, fake) for fake in demo.counterfeits])
    for seller in demo.sellers:
        store.put_seller(seller)
    for authorisation in demo.authorisations:
        store.set_authorised_sellers(authorisation.brand_id, authorisation.sellers)
    store.add_price_observations(demo.prices)
    catch_up(application.knowledge)


def _counterfeit(application: Application, fake: DemoCounterfeit) -> NewReference:
    return NewReference(
        brand=application.store.get_brand(fake.brand_id),
        mark=None,
        kind=ReferenceKind.COUNTERFEIT,
        picture=read_picture(fake.image, None),
        box=None,
        provenance=Provenance(note="demo"),
    )


@contextmanager
def _serving(application: Application) -> Iterator[int]:
    """Serve on a free port of this machine in a thread of its own, for as long as the block runs."""
    ready, finished = threading.Event(), threading.Event()
    port = 0

    async def run() -> None:
        nonlocal port
        async with serving(application, listen="127.0.0.1:0") as running:
            port = running.port
            ready.set()
            await asyncio.to_thread(finished.wait)

    def target() -> None:
        try:
            asyncio.run(run())
        finally:
            ready.set()  # a server that could not start must not be waited for

    thread = threading.Thread(target=target, name="demo-server")
    thread.start()
    try:
        ready.wait()
        yield port
    finally:
        finished.set()
        thread.join()


def _table(scenes: tuple[DemoScene, ...], decisions: list[decision_pb2.Decision]) -> Table:
    table = Table("listing", "verdict", "p(fake)", "because", show_lines=True)
    for scene, decision in zip(scenes, decisions, strict=True):
        verdict = _verdict(decision)
        because = "\n".join(_line(reason) for reason in decision.reasons[:_REASONS_SHOWN])
        what = f"\n[dim]{escape(decision.description)}[/dim]" if decision.description else ""
        table.add_row(
            f"{scene.story}{what}",
            f"[{_COLOURS[verdict]}]{verdict}[/]",
            f"{decision.counterfeit_probability:.2f}",
            because,
        )
    return table


def _line(reason: decision_pb2.Reason) -> str:
    return escape(f"{reason.code}: {reason.text}")


def _verdict(decision: decision_pb2.Decision) -> str:
    return decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_")
