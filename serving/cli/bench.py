"""`touchstone bench`: how fast this installation is, or a running service, in one run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from serving.bench.chart import write_picture
from serving.bench.plan import FULL, QUICK
from serving.bench.run import run_against, run_here
from serving.bench.table import tables
from serving.channel import Credentials
from serving.cli.common import print_json, settings_of, stderr, wants_json
from serving.cli.connection import refusals_told, with_credentials

_MILLION = 1_000_000
# Wide enough for the table where the output is no terminal.
_WIDTH = 110


@click.command()
@click.option("--quick", is_flag=True, help="About a minute, medians of 3: to see that all works, not to quote.")
@click.option("--million", is_flag=True, help="Search among 1,000,000 references, too: many minutes, 12 GB of disk.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the run: FILE.svg or FILE.png.")
@with_credentials("Measure a running service, over gRPC alone; it records every listing that it is sent.", "--against")
@click.pass_context
def bench(
    context: click.Context,
    /,
    server: str | None,
    credentials: Credentials,
    picture: Path | None,
    *,
    quick: bool,
    million: bool,
) -> None:
    """Measure decoding, the networks, search, a scan and the service over gRPC, and print them side by side.

    Takes some minutes and both hands of the machine: nothing else should run. docs/speed.md says what each figure is.
    """
    plan = QUICK if quick else FULL
    if million:
        plan = replace(plan, references=(*plan.references, _MILLION))

    def say(words: str) -> None:
        stderr.print(f"{words} ...", markup=False, highlight=False)

    if server:
        with refusals_told(server):
            figures = run_against(server, credentials, plan, say=say)
    else:
        figures = run_here(settings_of(context), plan, say=say)
    if picture is not None:
        write_picture(picture, figures)
    if wants_json(context):
        print_json(figures.document())
        return
    console = Console(width=None if stderr.is_terminal else _WIDTH)
    for table in tables(figures):
        console.print(table)
