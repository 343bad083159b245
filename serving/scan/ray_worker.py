"""What does one worker of a scan over Ray do? It builds the application once, proves that it is the same, and screens.

This is what runs in Ray's processes, maybe on another machine. What goes wrong here is carried back as a `Refusal`, in
words: an error raised in a worker would reach the driver as Ray's own, wrapped in the tracebacks of both sides.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from serving.scan.blocks import Opener, ScanBlock
from serving.scan.rows import BlockResult
from serving.settings import Settings

log = logging.getLogger(__name__)


class BlockScreener(Protocol):
    """Screens blocks: one class, whatever runs it."""

    def screen(self, block: ScanBlock) -> BlockResult:
        """Return a row for each listing of the block."""


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What a worker screens with. `versions` are what its rows are made with: model, index, policy, ..."""

    screener: BlockScreener
    opener: Opener
    versions: Mapping[str, str]


Maker = Callable[..., AbstractContextManager[Workbench]]
"""Called with the settings and the task's options."""


@dataclass(frozen=True)
class Probe:
    """An image that the driver read: a worker must read the same. `sha256` is of the file, in hex."""

    location: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """What each worker is told. `make` is a `Maker` as "module:name"; `versions` are those that the driver found."""

    make: str
    settings: Settings
    versions: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    probe: Probe | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a worker cannot screen; the message names its machine."""

    message: str


class ScanWorker:
    """One actor of the pool. Its application lives as long as its process."""

    def __init__(self, task: WorkerTask) -> None:
        self._resources = ExitStack()
        self._refusal: Refusal | None = None
        try:
            self._bench = self._resources.enter_context(_maker(task)(task.settings, **task.options))
            fault = _differences(task.versions, self._bench.versions) or _unreadable(task.probe, self._bench.opener)
        except Exception as error:  # noqa: BLE001 - the driver must be told, whatever it is
            fault = f"cannot be set up: {type(error).__name__}: {error}"
        if fault:
            self._refusal = Refusal(f"a worker on {platform.node()} {fault}")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Screen the row's block; the answer is a `BlockResult` or a `Refusal`. The reader's own are passed on."""
        return {"answer": self._refusal or self._screen(row["block"])}

    def _screen(self, block: ScanBlock | Refusal) -> BlockResult | Refusal:
        if isinstance(block, Refusal):
            return block
        if not block.entries:
            return BlockResult(block.number, (), ())
        try:
            return self._bench.screener.screen(block)
        except Exception as error:
            log.exception("block %d", block.number)
            return Refusal(
                f"a worker on {platform.node()} failed at block {block.number}: {type(error).__name__}: {error}"
            )


def _maker(task: WorkerTask) -> Maker:
    module, _, name = task.make.partition(":")
    maker: Maker = getattr(importlib.import_module(module), name)
    return maker


def _differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Say which versions differ; "" when none does."""
    names = [name for name in wanted if found.get(name) != wanted[name]]
    told = ", ".join(f"{name} {found.get(name, 'unknown')} instead of {wanted[name]}" for name in names)
    return f"has {told}: every worker needs the scan's own store, index, model and policy" if names else ""


def _unreadable(probe: Probe | None, opener: Opener) -> str:
    if probe is None:
        return ""
    advice = "images must lie where every worker finds them: at a URL, or on a mount of the same path"
    try:
        data = opener.read(probe.location)
    except OSError as error:
        return f"cannot read {probe.location} ({error}); {advice}"
    return "" if hashlib.sha256(data).hexdigest() == probe.sha256 else f"reads another {probe.location}; {advice}"
