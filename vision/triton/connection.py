"""What does a service ask of a Triton server? Whether it serves the very weights, and many pictures at a time.

Pictures are brought to the network's input size here, which makes a photo's 3 MB into 150 kB, and normalised there.
While the server looks at one batch, the next is made ready.
"""

from __future__ import annotations

import logging
import re
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError
from vision.preprocessing import Preprocessing, resize_here
from vision.triton.channel import Channel, Output
from vision.triton.naming import Served, model_name

_log = logging.getLogger(__name__)

_CHANNELS = 2  # one batch is on its way while another is made ready
_LOOPBACK = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\]):[0-9]+")


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is, and how it is reached."""

    url: str  # HOST:PORT of its gRPC
    timeout_s: float = 10.0  # for a batch, tries included
    ca: Path | None = None  # authorities of its certificate; None: plaintext
    shared_memory: bool = True  # where the server is on this machine

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine."""
        return _LOOPBACK.fullmatch(self.url) is not None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that a server was found to have."""

    name: str
    output: Output
    batch_size: int


class Connection:
    """What an embedder or a finder asks a server through. One thread at a time calls it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        shared = server.shared_memory and server.is_here
        self._channels = [Channel(server.url, ca=server.ca, shared=shared, log=_log.warning) for _ in range(_CHANNELS)]
        self._threads = ThreadPoolExecutor(_CHANNELS, "triton")
        self.close = weakref.finalize(self, _close, self._threads, self._channels)
        """End threads and connections; done anyway when nobody has it any more, or the process ends."""

    def model(self, fingerprint: str, role: str, output: Output) -> Model:
        """Find the model that answers for `role` with the weights of `fingerprint`.

        Raises:
            ModelUnavailable: the server is out of reach.
            ModelError: it has no such model, or one of other weights.

        """
        name = model_name(fingerprint, role)
        client = self._channels[0].client
        ready = self._call(lambda left: client.is_model_ready(name, client_timeout=left))
        if not ready:
            raise ModelError(
                f"the Triton server at {self._server.url} does not serve {role} of {fingerprint}: it has "
                f"{self._names() or 'no model that is ready'}; write this one with `touchstone export-triton`"
            )
        answer = self._call(lambda left: client.get_model_config(name, client_timeout=left))
        served = Served.read({key: value.string_value for key, value in answer.config.parameters.items()})
        if (served.fingerprint, served.role) != (fingerprint, role):
            raise ModelError(
                f"{name} on {self._server.url} serves {served.role} of {served.fingerprint}, not {role} of "
                f"{fingerprint}: their vectors do not compare"
            )
        return Model(name=name, output=output, batch_size=answer.config.max_batch_size)

    def ask(self, model: Model, crops: Sequence[NDArray[np.uint8]], recipe: Preprocessing) -> NDArray[np.floating[Any]]:
        """Ask `model` about crops of any size, RGB, uint8 [H, W, 3]: an array [n, *output.shape].

        Raises:
            ModelUnavailable: the server is out of reach, overloaded or late.
            ModelError: it refused, or its answer does not fit.

        """
        answers: list[Future[NDArray[np.floating[Any]]]] = []
        try:
            for number, start in enumerate(range(0, len(crops), model.batch_size)):
                pictures = resize_here(crops[start : start + model.batch_size], recipe)
                if number >= _CHANNELS:
                    wait([answers[number - _CHANNELS]])  # its channel is free again then
                ask = self._channels[number % _CHANNELS].infer
                answers.append(
                    self._threads.submit(ask, model.name, pictures, model.output, timeout_s=self._server.timeout_s)
                )
        finally:
            wait(answers)  # nobody uses a channel any more when this ends, also where it ends badly
        nothing = np.empty((0, *model.output.shape), model.output.dtype)
        return np.concatenate([nothing, *(answer.result() for answer in answers)])

    def _call(self, do: Callable[[float], Any]) -> Any:
        return self._channels[0].call(do, timeout_s=self._server.timeout_s)

    def _names(self) -> str:
        """List what the server has ready."""
        client = self._channels[0].client
        index = self._call(lambda left: client.get_model_repository_index(client_timeout=left))
        return ", ".join(sorted(model.name for model in index.models if model.state == "READY"))


def _close(threads: ThreadPoolExecutor, channels: Sequence[Channel]) -> None:
    threads.shutdown()
    for channel in channels:
        channel.close()
