"""Through which library does a network that reads run? OpenVINO, on one core, where it is installed, else OpenCV.

Both run the same ONNX files and answer alike but for the last digits. A mark of 96 x 96 pixels is looked through in
3.6 ms by OpenVINO and in 6.4 ms by OpenCV (one core of an AMD EPYC of the third generation).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError
from vision.openvino_forward import compiled_for

ReadingNetwork = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""One picture, float32 [1, 3, h, w] BGR in -1..1, into the network's map. Raises ModelError."""


def through_opencv(onnx: bytes) -> ReadingNetwork:
    """Run an ONNX network by OpenCV."""
    # OpenCV's classic engine, which `AUTO` may fall back to, does not know the recogniser's operators.
    network = cv2.dnn.readNetFromONNX(np.frombuffer(onnx, np.uint8), cv2.dnn.ENGINE_NEW)

    def answer(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            network.setInput(picture)
            return np.asarray(network.forward(), np.float32)
        except cv2.error as error:
            raise _failed(picture, error) from error

    return answer


def through_openvino(onnx: bytes) -> ReadingNetwork:
    """Run an ONNX network by OpenVINO, compiled once for pictures of any size."""
    import openvino

    model = openvino.Core().read_model(onnx, b"")
    model.reshape(openvino.PartialShape([1, 3, -1, -1]))
    request = compiled_for(model, cores=1).create_infer_request()

    def answer(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            request.infer([picture], share_inputs=True)
            return np.array(request.get_output_tensor(0).data, np.float32)
        except RuntimeError as error:
            raise _failed(picture, error) from error

    return answer


def _failed(picture: NDArray[np.float32], error: Exception) -> ModelError:
    return ModelError(f"a network that reads failed on {list(picture.shape)}: {error}")
