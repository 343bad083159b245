"""Which networks do the settings ask for? One loader per row of the tables in `serving.app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.settings import Settings
from vision.embedder import Embedder
from vision.finder import Finder
from vision.reading import Reader

if TYPE_CHECKING:
    from vision.triton.connection import Server


def load_torch(settings: Settings) -> Embedder:
    """Load an open_clip network with torch. Raises ModelError, CheckpointError."""
    from vision.clip import load_embedder

    return load_embedder(
        settings.model,
        device=settings.device,
        threads=settings.threads or None,
        downloads=settings.downloads,
        path=settings.forward,
    )


def load_triton(settings: Settings) -> Embedder:
    """Look for an open_clip network in a Triton server. Raises ModelError, CheckpointError, ModelUnavailable."""
    from vision.forward import plainest
    from vision.networks import load_network
    from vision.triton.connection import Connection
    from vision.triton.embedder import TritonEmbedder

    loaded = load_network(settings.model, downloads=settings.downloads)
    return TritonEmbedder(loaded, Connection(_triton_of(settings)), path=plainest(settings.forward))


def load_triton_finder(settings: Settings) -> Finder:
    """Look for the network that finds marks in the same server. Raises as `load_triton` does."""
    from vision.triton.connection import Connection
    from vision.triton.finder import TritonFinder

    return TritonFinder(Connection(_triton_of(settings)))


def path_of(settings: Settings) -> str:
    """Name the forward path that the settings come to on this machine; "" without a network. Raises ModelError."""
    from vision.clip import resolve_device
    from vision.forward import choose_path

    if settings.embedder != "torch":
        return ""
    return choose_path(settings.forward, resolve_device(settings.device))


def depends_on_batch(settings: Settings) -> bool:
    """Tell whether an answer's last bits may depend on the size of its batch. Raises ModelError."""
    return path_of(settings) != "openvino"


def load_fake(settings: Settings) -> Embedder:  # noqa: ARG001 - loaders are called alike
    """Make the deterministic stand-in for tests and load generation."""
    from vision.fake import FakeEmbedder

    return FakeEmbedder()


def load_mark_finder(settings: Settings) -> Finder:
    """Load the network that finds marks, on the embedder's device. Raises ModelError, CheckpointError."""
    from vision.clip import resolve_device
    from vision.finder import load_finder

    return load_finder(device=resolve_device(settings.device), path=settings.forward)


def load_grid_finder(settings: Settings) -> Finder:  # noqa: ARG001 - loaders are called alike
    """Make the finder that looks everywhere, without a network."""
    from vision.finder import GridFinder

    return GridFinder()


def load_line_reader(settings: Settings) -> Reader:
    """Load the networks that read words, on the CPU. Raises ModelError, CheckpointError."""
    import cv2

    from vision.reading import load_reader

    if settings.threads:
        cv2.setNumThreads(settings.threads)
    return load_reader(path=settings.forward)


def load_blind_reader(settings: Settings) -> Reader:  # noqa: ARG001 - loaders are called alike
    """Make the reader that finds no words, without a network."""
    from vision.reading import BlindReader

    return BlindReader()


def _triton_of(settings: Settings) -> Server:
    from vision.triton.connection import Server

    return Server(
        url=settings.triton_url,
        timeout_s=settings.triton_timeout_s,
        ca=settings.triton_ca,
        shared_memory=settings.triton_shared_memory,
    )
