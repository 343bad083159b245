"""Which embedder do the settings ask for? One loader per row of `serving.app.EMBEDDERS`."""

from __future__ import annotations

from serving.settings import Settings
from vision.embedder import Embedder
from vision.finder import Finder


def load_torch(settings: Settings) -> Embedder:
    """Load an open_clip network with torch. Raises ModelError, CheckpointError."""
    from vision.clip import load_embedder

    return load_embedder(
        settings.model, device=settings.device, threads=settings.threads or None, downloads=settings.downloads
    )


def load_fake(settings: Settings) -> Embedder:  # noqa: ARG001 - loaders are called alike
    """Make the deterministic stand-in for tests and load generation."""
    from vision.fake import FakeEmbedder

    return FakeEmbedder()


def load_mark_finder(settings: Settings) -> Finder:
    """Load the network that finds marks, on the embedder's device. Raises ModelError, CheckpointError."""
    from vision.clip import resolve_device
    from vision.finder import load_finder

    return load_finder(device=resolve_device(settings.device))


def load_grid_finder(settings: Settings) -> Finder:  # noqa: ARG001 - loaders are called alike
    """Make the finder that looks everywhere, without a network."""
    from vision.finder import GridFinder

    return GridFinder()
