"""How does one batch of pictures get to a Triton server and back? Over gRPC, or through memory that both can see.

Inference changes nothing in the server, so what failed on the way is asked again, a few times within the time that the
caller gives. What the server refused is not: its queue was full, or it would refuse it again.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError, ModelUnavailable
from vision.triton.memory import SharedRegion, UnknownHere
from vision.triton.naming import PICTURES

_PAUSES_S = (0.05, 0.2, 0.5)
"""Before the second, third and fourth try; with up to as much again, lest a fleet comes back in one moment."""

_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC's own pauses between attempts to connect grow to two minutes, in which a server that is back is not seen.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Without it all clients of a process share one connection, and wait for each other's bytes.
    ("grpc.use_local_subchannel_pool", 1),
]
_GRACE_S = 120.0
"""For so long at most a server is still at a request that was given up. To take its memory away then ends the server
(triton-inference-server/server, issue 3207)."""

_FULL = "maximum queue size"
_LATE = ("timeout expired", "Deadline Exceeded")


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a model answers for each picture."""

    name: str
    dtype: type[np.floating[Any]]
    shape: tuple[int, ...]  # without the batch

    @property
    def size(self) -> int:
        """Bytes of one picture's answer."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Channel:
    """One connection to a server, with memory of its own. One thread at a time uses it."""

    def __init__(self, url: str, *, ca: Path | None, shared: bool, log: Callable[[str], None]) -> None:
        try:
            import tritonclient.grpc
        except ImportError as error:
            raise ModelError("the embedder triton needs tritonclient: install Touchstone's extra triton") from error
        self.url = url
        self._grpc = tritonclient.grpc
        self.client = tritonclient.grpc.InferenceServerClient(
            url, ssl=ca is not None, root_certificates=str(ca) if ca else None, channel_args=_OPTIONS
        )
        self._shared = shared
        self._region: SharedRegion | None = None
        self._abandoned: deque[tuple[float, SharedRegion]] = deque()
        self._log = log

    def call(self, do: Callable[[float], Any], *, timeout_s: float) -> Any:
        """Call `do` with the seconds that are left until it answers. Raises ModelError, ModelUnavailable."""
        from tritonclient.utils import InferenceServerException

        until = time.monotonic() + timeout_s
        for pause in (*_PAUSES_S, None):
            try:
                return do(max(until - time.monotonic(), 0.001))
            except InferenceServerException as error:
                self._abandon_region()
                again = pause is not None and _may_pass(error) and time.monotonic() + 2 * pause < until
                if not again:
                    raise self._translated(error, timeout_s) from error
            assert pause is not None
            time.sleep(pause * (1 + random.random()))  # noqa: S311 - spreads callers, hides nothing
        raise AssertionError("the last try returns or raises")

    def infer(
        self, model: str, pictures: NDArray[np.uint8], output: Output, *, timeout_s: float
    ) -> NDArray[np.floating[Any]]:
        """Ask `model` about uint8 [n, height, width, 3]: an array [n, *output.shape] of the caller's own.

        Raises:
            ModelUnavailable: the server is out of reach, overloaded, or did not answer in time.
            ModelError: it refused, or answered with something else.

        """
        rows: NDArray[np.floating[Any]] = self.call(
            lambda left: self._once(model, pictures, output, left), timeout_s=timeout_s
        )
        if rows.shape != (len(pictures), *output.shape) or rows.dtype != output.dtype:
            raise ModelError(f"{model} on {self.url} answered {len(pictures)} pictures with {rows.dtype} {rows.shape}")
        return rows

    def close(self) -> None:
        """Let go of memory and connection."""
        if self._region is not None:
            self._region.close(self.client)
        self.client.close()

    def _once(self, model: str, pictures: NDArray[np.uint8], output: Output, left_s: float) -> NDArray[Any]:
        asked = self._grpc.InferInput(PICTURES, list(pictures.shape), "UINT8")
        answer = self._grpc.InferRequestedOutput(output.name)
        region = self._region_for(pictures.nbytes, len(pictures) * output.size)
        if region is None:
            asked.set_data_from_numpy(pictures)
        else:
            region.ask(asked, pictures)
            region.answer(answer, offset=pictures.nbytes, size=len(pictures) * output.size)
        result = self.client.infer(model, [asked], outputs=[answer], client_timeout=left_s)
        if region is None:
            return np.array(result.as_numpy(output.name))
        shape = tuple(result.get_output(output.name).shape)
        return region.read(shape, output.dtype, offset=pictures.nbytes)

    def _region_for(self, asked: int, answered: int) -> SharedRegion | None:
        """Return memory of both sides with room for question and answer, or None to send bytes."""
        if not self._shared:
            return None
        if self._region is None or self._region.size < asked + answered:
            self._abandon_region()
            self._forget_abandoned()
            try:
                self._region = SharedRegion.register(self.client, asked + answered)
            except UnknownHere as error:
                self._shared = False
                self._log(f"the Triton server at {self.url} sees no memory of ours: pictures go by gRPC ({error})")
        return self._region

    def _abandon_region(self) -> None:
        """Use other memory from now on: a request that ended badly may still be read or answered there."""
        if self._region is not None:
            self._abandoned.append((time.monotonic() + _GRACE_S, self._region))
            self._region = None

    def _forget_abandoned(self) -> None:
        """Let the server forget memory in which nothing can be under way any more."""
        while self._abandoned and self._abandoned[0][0] < time.monotonic():
            self._abandoned.popleft()[1].close(self.client)

    def _translated(self, error: Any, timeout_s: float) -> ModelError:
        message = f"the Triton server at {self.url}: {error.message()}"
        if _is(error, "DEADLINE_EXCEEDED") or any(late in error.message() for late in _LATE):
            return ModelUnavailable(f"{message}: it did not answer within {timeout_s:g} s (setting triton_timeout_s)")
        if _FULL in error.message():
            return ModelUnavailable(f"{message}: it has more to do than it can; add instances or servers")
        if _is(error, "UNAVAILABLE"):
            return ModelUnavailable(f"{message}: is it running there (setting triton_url)?")
        return ModelError(message)


def _may_pass(error: Any) -> bool:
    """Whether the way there failed, or a server that was started anew does not know the memory any more."""
    refused = _FULL in error.message() or any(late in error.message() for late in _LATE)
    return (_is(error, "UNAVAILABLE") and not refused) or "shared memory region" in error.message()


def _is(error: Any, code: str) -> bool:
    return str(error.status()).endswith(code)
