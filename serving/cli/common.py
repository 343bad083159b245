"""What do the commands share? Settings from the global options, output as JSON or text, progress on stderr."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from serving.settings import Settings, load_settings
from serving.telemetry.logs import configure_logging
from touchstone.moderation.v1 import decision_pb2

T = TypeVar("T")

SOME_FAILED = 3
# More faults than this are counted, not printed.
_FAULTS_SHOWN = 20

stderr = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a command came to: its exit code, and what `--json` prints."""

    code: int
    document: dict[str, Any]


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a container whose user has no name
        raise click.UsageError("your login has no name here; say who you are with --as NAME") from error


# Who does what goes on record.
by_actor = click.option("--as", "actor", default=_login, metavar="NAME", help="Who does it. [your login]")


def settings_of(context: click.Context, *, config: Path | None = None, **given: object) -> Settings:
    """Read the settings, the command's own options going before everything else, and log as they say."""
    options = context.find_root().obj
    settings = load_settings(config or options["config"], data_dir=options["data_dir"], **given)
    quiet = settings.log_level in {"warning", "error"}
    configure_logging("info" if options["verbose"] and quiet else settings.log_level, settings.log_format)
    return settings


def address_of(listen: str, port: int, settings: Settings) -> str:
    """Return what people type into their browser."""
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{listen.rpartition(':')[0]}:{port}/"


def wants_json(context: click.Context) -> bool:
    """Whether `--json` was given."""
    return bool(context.find_root().obj["as_json"])


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def message_dict(message: Message) -> dict[str, Any]:
    """Turn a message into JSON values: proto field names, default values printed."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def progress(items: Iterable[T], *, what: str, total: int | None = None) -> Iterator[T]:
    """Pass items on while a bar on stderr counts them; quiet when stderr is no terminal."""
    with _bar() as bar:
        yield from bar.track(items, description=what, total=total)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a `progress(done, total)` that moves a bar on stderr; quiet when stderr is no terminal."""
    with _bar() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=stderr, disable=not sys.stderr.isatty())


class Faults:
    """Collects what failed of many items: prints the first ones as they come, counts all."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, error: Exception) -> None:
        """Note one fault."""
        self.count += 1
        if self.count <= _FAULTS_SHOWN:
            stderr.print(f"fault: {error}", markup=False, highlight=False, soft_wrap=True)
        elif self.count == _FAULTS_SHOWN + 1:
            stderr.print("... further faults are counted only")

    def exit_if_any(self, context: click.Context) -> None:
        """End with exit code 3 when something failed."""
        if self.count:
            stderr.print(f"{self.count} items failed; all others are done")
            context.exit(SOME_FAILED)


def decision_dict(decision: decision_pb2.Decision) -> dict[str, Any]:
    """Turn a decision into JSON values, its enums without their prefixes: people read this."""
    document = message_dict(decision)
    document["verdict"] = document["verdict"].removeprefix("VERDICT_")
    for result in document["image_results"]:
        result["status"] = result["status"].removeprefix("IMAGE_STATUS_")
    return document
