"""How does a Triton server answer? Its Python backend makes one `TritonPythonModel` for each instance of a model.

The `model.py` of an exported model imports it from here, so the server's Python needs Touchstone with torch, and with
OpenVINO where networks are to run on it. Requests that the server batched pass the network together, by the same code
and the same path as without a server.

Tensors cross over by DLPack in both directions: with NumPy 2, `as_numpy` of the backend's own tensors gives wrong bytes
and says nothing (Triton 24.10). `check_exchange` sends bytes there and back before a model is called ready.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError, TouchstoneError
from vision.forward import choose_path
from vision.triton.naming import BOXES, FOUND, PICTURES, ROWS, Served

Answer = Callable[[Sequence[NDArray[np.uint8]]], NDArray[Any]]


class TritonPythonModel:
    """One instance of a model. The server calls `initialize` once and `execute` for each batch, from one thread."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Load what the model's folder holds onto the instance's device. Raises ModelError, CheckpointError."""
        import triton_python_backend_utils as utils

        config = json.loads(args["model_config"])
        served = Served.read({key: value["string_value"] for key, value in config["parameters"].items()})
        folder = Path(args["model_repository"]) / args["model_version"]
        device = f"cuda:{args['model_instance_device_id']}" if args["model_instance_kind"] == "GPU" else "cpu"
        path = choose_path(served.forward, device)
        if path == "openvino":
            # To torch's OpenMP, before torch is loaded: its threads would spin for milliseconds after each of the few
            # steps before the network, on the cores that OpenVINO needs. One picture took 19 ms instead of 13.
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        check_exchange(utils)
        threads = take_threads(served.threads, instances=_instances(config))
        self._utils = utils
        self._output = FOUND if served.role == BOXES else ROWS
        self._answer = load_answer(served, folder, device=device)
        utils.Logger.log_info(f"{served.role} of {served.fingerprint} on {device} by {path}, CPU threads: {threads}")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request of a batch; what cannot be answered is told to all of them."""
        try:
            pictures = [self._pictures_of(request) for request in requests]
            rows = self._answer([picture for batch in pictures for picture in batch])
        except TouchstoneError as error:
            refusal = self._utils.TritonError(str(error))
            return [self._utils.InferenceResponse(error=refusal) for _ in requests]
        ends = np.cumsum([len(batch) for batch in pictures])
        return [self._response(rows[end - len(batch) : end]) for end, batch in zip(ends, pictures, strict=True)]

    def _pictures_of(self, request: Any) -> NDArray[np.uint8]:
        tensor = self._utils.get_input_tensor_by_name(request, PICTURES)
        return _from_dlpack(tensor)

    def _response(self, rows: NDArray[Any]) -> Any:
        import torch

        tensor = self._utils.Tensor.from_dlpack(self._output, torch.from_numpy(np.ascontiguousarray(rows)))
        return self._utils.InferenceResponse([tensor])


def take_threads(chosen: int, *, instances: int) -> int:
    """Set the CPU threads of this process, which is one of so many instances on this machine, and return how many.

    0 chooses this instance's share of what torch would take, at least one: instances side by side then have no more
    threads than there are cores.
    """
    import torch

    torch.set_num_threads(chosen or max(1, torch.get_num_threads() // instances))
    return torch.get_num_threads()


def _instances(config: Mapping[str, Any]) -> int:
    """Count a model's instances on this machine; a group counts those on each of its GPUs."""
    return sum(group["count"] * max(1, len(group.get("gpus", ()))) for group in config["instance_group"])


def load_answer(served: Served, folder: Path, *, device: str) -> Answer:
    """Load what a model of this role answers by, from the verified files in `folder`.

    Raises:
        CheckpointError, ModelError: a file is missing, or is not the one that was exported; or its path does not run
            on the device.

    """
    from vision.checkpoint import MANIFEST
    from vision.clip import load_embedder
    from vision.finder import MANIFEST as FINDER_MANIFEST
    from vision.finder import load_finder
    from vision.triton.finder import pack_regions

    path = folder / (FINDER_MANIFEST if served.role == BOXES else MANIFEST)
    actual = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
    if actual != served.manifest_sha256:
        raise ModelError(f"{path} is not the one that was exported with {served.fingerprint}: export it again")
    if served.role == BOXES:
        finder = load_finder(folder, device=device, path=served.forward)
        return lambda pictures: pack_regions(finder.find(pictures))
    embedder = load_embedder(str(folder), device=device, batch_size=served.batch_size, path=served.forward)
    return embedder.embed


def check_exchange(utils: Any) -> None:
    """Send bytes into a tensor of the server's and back. Raises ModelError where others come out."""
    import torch

    sent = torch.arange(3 * 5 * 7, dtype=torch.uint8).reshape(3, 5, 7)
    back = _from_dlpack(utils.Tensor.from_dlpack("echo", sent))
    if not np.array_equal(back, sent.numpy()):
        raise ModelError("tensors come back from the Python backend with other bytes: its NumPy or torch does not fit")


def _from_dlpack(tensor: Any) -> NDArray[Any]:
    from torch.utils.dlpack import from_dlpack

    array: NDArray[Any] = from_dlpack(tensor.to_dlpack()).cpu().numpy()
    return array
