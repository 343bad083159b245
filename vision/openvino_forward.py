"""How does a torch network run on OpenVINO? Traced once for each recipe, compiled for this CPU, in float32.

Pictures go through one by one, small ones in groups of one size, side by side on as many cores as torch may use: the
layers of one picture stay in its core's cache, no core waits for another between two layers, and an answer does not
depend on the batch. The network is read by OpenVINO's frontend itself; its `convert_model` would report its use to its
makers.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.preprocessing import Preprocessing, resize_here

if TYPE_CHECKING:
    import openvino


_TOGETHER = 3
_SMALL = 160 * 160
"""Pictures of so many pixels at most go through a core three at a time. touchstone-s takes 3.3 ms for a mark of
160 x 160 among three, 4.4 alone: its last layers, of 5 x 5, then read their weights once for three. For 224 x 224 two
or three together gain nothing.
"""

_AHEAD = 2
"""Groups under way for each core: while it works on one, the next is made ready."""


class OpenVinoForward:
    """A `vision.forward.Forward` on the CPU. Any one thread at a time may call it."""

    def __init__(self, network: Any) -> None:
        """Take a torch module from pictures to one tensor or a tuple of them; compiled when it is first called."""
        self._network = network
        self._queues: dict[Preprocessing, openvino.AsyncInferQueue] = {}

    def __call__(self, crops: Sequence[NDArray[np.uint8]], recipe: Preprocessing) -> Any:
        """Answer for RGB `crops`, each uint8 [H, W, 3], at least one, made ready by `recipe`."""
        import torch

        if recipe not in self._queues:
            self._queues[recipe] = _compiled(self._network, recipe)
        answers = _in_groups(self._queues[recipe], crops, recipe)
        tensors = tuple(torch.from_numpy(answer[: len(crops)]) for answer in answers)
        return tensors if len(tensors) > 1 else tensors[0]


def _compiled(network: Any, recipe: Preprocessing) -> openvino.AsyncInferQueue:
    """Compile a network for groups of pictures, uint8 [n, height, width, 3], which it normalises by itself."""
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    shape = _group(recipe), 3, *recipe.size
    example = torch.zeros(shape)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about tracing, and about sizes taken for constants, as they are
        # Traced here: the decoder's own tracing runs the network three times more to check.
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))
    model.reshape(openvino.PartialShape(shape))
    cores = torch.get_num_threads()
    return openvino.AsyncInferQueue(compiled_for(_normalising(model, recipe), cores=cores), _AHEAD * cores)


def _normalising(model: openvino.Model, recipe: Preprocessing) -> openvino.Model:
    """Let a model of pictures float32 [n, 3, height, width] take uint8 [n, height, width, 3]."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    pixels = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    pixels.mean([255 * value for value in recipe.mean]).scale([255 * value for value in recipe.std])
    return steps.build()


def compiled_for(model: openvino.Model, *, cores: int) -> openvino.CompiledModel:
    """Compile a model for so many pictures side by side, each on one of this CPU's cores, in float32."""
    import openvino

    properties = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores}
    return openvino.Core().compile_model(model, "CPU", properties)


def _group(recipe: Preprocessing) -> int:
    """Say how many pictures of a recipe a core takes at once."""
    return _TOGETHER if math.prod(recipe.size) <= _SMALL else 1


def _in_groups(
    queue: openvino.AsyncInferQueue, crops: Sequence[NDArray[np.uint8]], recipe: Preprocessing
) -> list[NDArray[np.float32]]:
    """Put the answers for all crops together, in order, and those of what fills the last group: float32 [n, ...] each.

    This thread makes crops ready while others run the network.
    """
    size = _group(recipe)
    starts = range(0, len(crops), size)
    answers: list[list[NDArray[np.float32]]] = [[] for _ in starts]

    def keep(request: openvino.InferRequest, place: int) -> None:
        answers[place] = [np.array(tensor.data) for tensor in request.output_tensors]

    queue.set_callback(keep)
    try:
        for place, start in enumerate(starts):
            pictures = np.zeros((size, *recipe.size, 3), np.uint8)
            part = crops[start : start + size]
            pictures[: len(part)] = resize_here(part, recipe)
            queue.start_async({0: pictures}, place)
        queue.wait_all()
    except BaseException:
        for request in queue:  # none is to answer into the next call's lists
            _ended(request)
        raise
    return [np.concatenate(each) for each in zip(*answers, strict=True)]


def _ended(request: openvino.InferRequest) -> None:
    with contextlib.suppress(RuntimeError):  # its own error; the first one is raised
        request.wait()
