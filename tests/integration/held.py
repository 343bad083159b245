"""An application whose embedder can be held, so that tests decide how long the work takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from serving.app import Application
from tests.integration.support import PATIENCE_S
from vision.fake import FakeEmbedder


class HeldEmbedder:
    """An `Embedder` that can be held: while it is, whoever calls it waits. `reached` is set when somebody does."""

    def __init__(self) -> None:
        self._embedder = FakeEmbedder()
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()
        self.fingerprint = self._embedder.fingerprint
        self.dim = self._embedder.dim
        self.forwards = 0.0

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed as `FakeEmbedder` does, once it may."""
        self._pass()
        return self._embedder.embed(crops)

    def embed_marks(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed marks as `FakeEmbedder` does, once it may."""
        self._pass()
        return self._embedder.embed_marks(crops)

    def _pass(self) -> None:
        if not self._open.is_set():
            self.reached.set()
        if not self._open.wait(PATIENCE_S):
            raise TimeoutError("held for too long")

    def hold(self) -> None:
        """Let nobody through from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let everybody through."""
        self._open.set()


@dataclass(frozen=True)
class Held:
    """An application whose embedder can be held."""

    embedder: HeldEmbedder
    application: Application

    def with_settings(self, **changes: float) -> Application:
        """Give the application with other settings for its server."""
        return replace(self.application, settings=self.application.settings.model_copy(update=changes))


@contextmanager
def holding(embedder: HeldEmbedder) -> Iterator[None]:
    """Hold the embedder for a block, so that a server that stops after it finds nobody waiting."""
    embedder.hold()
    try:
        yield
    finally:
        embedder.release()
