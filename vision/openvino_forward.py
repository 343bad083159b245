"""How does a torch network run on OpenVINO? Traced once for each size of picture, compiled for this CPU, in float32.

Pictures go through one by one, side by side on as many cores as torch may use: the layers of one picture stay in its
core's cache, no core waits for another between two layers, and an answer does not depend on the batch. The network is
read by OpenVINO's frontend itself; its `convert_model` would report its use to its makers.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino
    import torch


class OpenVinoForward:
    """A `vision.forward.Forward` on the CPU. Any one thread at a time may call it."""

    def __init__(self, network: Any) -> None:
        """Take a torch module from pictures to one tensor or a tuple of them; compiled when it is first called."""
        self._network = network
        self._queues: dict[tuple[int, int], openvino.AsyncInferQueue] = {}

    def __call__(self, pictures: torch.Tensor) -> Any:
        """Answer for float32 [n, 3, height, width], n at least 1."""
        import torch

        height, width = pictures.shape[2:]
        if (height, width) not in self._queues:
            self._queues[height, width] = _compiled(self._network, height, width)
        answers = _one_by_one(self._queues[height, width], np.ascontiguousarray(pictures.numpy()))
        tensors = tuple(torch.from_numpy(answer) for answer in answers)
        return tensors if len(tensors) > 1 else tensors[0]


def _compiled(network: Any, height: int, width: int) -> openvino.AsyncInferQueue:
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.zeros(1, 3, height, width)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about tracing, and about sizes taken for constants, as they are
        # Traced here: the decoder's own tracing runs the network three times more to check.
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.reshape(openvino.PartialShape([1, 3, height, width]))
    cores = torch.get_num_threads()
    return openvino.AsyncInferQueue(compiled_for(model, cores=cores), cores)


def compiled_for(model: openvino.Model, *, cores: int) -> openvino.CompiledModel:
    """Compile a model for so many pictures side by side, each on one of this CPU's cores, in float32."""
    import openvino

    properties = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores}
    return openvino.Core().compile_model(model, "CPU", properties)


def _one_by_one(queue: openvino.AsyncInferQueue, pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Put the answers for all pictures together, in order: for each output float32 [n, ...]."""
    answers: list[list[NDArray[np.float32]]] = [[] for _ in pictures]

    def keep(request: openvino.InferRequest, place: int) -> None:
        answers[place] = [np.array(tensor.data) for tensor in request.output_tensors]

    queue.set_callback(keep)
    try:
        for place in range(len(pictures)):
            queue.start_async({0: pictures[place : place + 1]}, place, share_inputs=True)
        queue.wait_all()
    except RuntimeError:
        for request in queue:  # they read the pictures, which are not to go before
            _ended(request)
        raise
    return [np.concatenate(each) for each in zip(*answers, strict=True)]


def _ended(request: openvino.InferRequest) -> None:
    with contextlib.suppress(RuntimeError):  # its own error; the first one is raised
        request.wait()
