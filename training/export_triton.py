"""`touchstone export-triton`: from the model that the settings name to a model repository of a Triton server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from serving.cli.common import print_json, settings_of, wants_json
from training.triton_config import Serving
from vision.forward import AUTO, PATHS


@click.command("export-triton")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--version", type=click.IntRange(min=1), default=1, show_default=True, help="Version of the models.")
@click.option("--gpu", is_flag=True, help="Instances on every GPU of the server instead of its CPU.")
@click.option(
    "--instances", type=click.IntRange(1, 64), default=1, show_default=True, help="Instances of a model, on each GPU."
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 1024),
    default=32,
    show_default=True,
    help="Pictures a forward pass. With 32, rows of scans are the same bit for bit however they are asked for.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="CPU threads of an instance; 0: one a core, shared by its instances.",
)
@click.option(
    "--forward",
    type=click.Choice([AUTO, *PATHS]),
    default=AUTO,
    show_default=True,
    help="How an instance runs its network, in the words of the setting; auto: by what is fastest where it runs.",
)
@click.option(
    "--max-delay-us",
    type=click.IntRange(0, 1_000_000),
    default=1_000,
    show_default=True,
    help="Microseconds that a batch which is not full waits for more.",
)
@click.pass_context
def export_triton(context: click.Context, /, folder: Path, **options: Any) -> None:
    """Write the networks of the setting `model`, and the finder of marks, as a model repository into DIR.

    A server whose Python has Touchstone serves it: `tritonserver --model-repository DIR`. A service with the same model
    and the settings `embedder: triton` and `triton_url` then uses it.
    """
    from training.triton_repository import write_repository
    from vision.networks import load_network

    settings = settings_of(context)
    loaded = load_network(settings.model, downloads=settings.downloads)
    written = write_repository(folder, loaded, Serving(**options))
    if wants_json(context):
        print_json({"models": [{"name": one.name, "fingerprint": one.fingerprint} for one in written]})
        return
    for one in written:
        click.echo(f"{folder / one.name}  {one.role} of {one.fingerprint}")
