"""What goes to a Triton server, and what its Python backend does with it, without a server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from google.protobuf.json_format import MessageToDict, MessageToJson
from numpy.typing import NDArray
from torch.utils.dlpack import from_dlpack
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import InferenceServerException

from training.triton_config import Serving, config_text
from training.triton_repository import _embedders, _finder, _write, write_repository
from vision.clip import load_embedder
from vision.errors import ModelError, ModelUnavailable
from vision.finder import WHOLE
from vision.forward import plainest
from vision.networks import DEFAULT_MODEL, load_network
from vision.preprocessing import Preprocessing, ResizeMode, prepare, resize
from vision.regions import Box, Region
from vision.triton.backend import TritonPythonModel, _instances, check_exchange, load_answer, take_threads
from vision.triton.channel import Channel
from vision.triton.connection import Connection
from vision.triton.embedder import TritonEmbedder
from vision.triton.finder import pack_regions, unpack_regions
from vision.triton.naming import BOXES, IMAGES, PICTURES, ROWS, Served, model_name

SERVED = Served(
    role=IMAGES, fingerprint="m@0123", manifest_sha256="ab", batch_size=8, threads=2, forward="channels_last"
)


def test_a_models_name_holds_its_fingerprint() -> None:
    """Other weights have another name, and a hub's slash makes no folder."""
    assert model_name("touchstone-s@5f8e1f0f2c9d", IMAGES) == "touchstone-s-5f8e1f0f2c9d-images"
    assert model_name("timm/ViT-B-16@0123", BOXES) == "timm-ViT-B-16-0123-boxes"


def test_what_is_served_survives_a_configuration() -> None:
    """The parameters that are written are read again from the text that a server gets."""
    serving = Serving(gpu=True, instances=2, batch_size=8)
    text = config_text("m-0123-images", SERVED, size=(32, 48), dim=7, serving=serving)

    config = text_format.Parse(text, model_config_pb2.ModelConfig())

    assert Served.read({key: value.string_value for key, value in config.parameters.items()}) == SERVED
    assert (list(config.input[0].dims), list(config.output[0].dims)) == ([32, 48, 3], [7])
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert config.instance_group[0].count == 2
    assert {one.batch_size for one in config.model_warmup} == {1, 8}
    assert config.max_batch_size == 8
    assert not config.dynamic_batching.HasField("default_queue_policy")  # or the server idles between batches


def test_what_was_written_before_there_was_a_choice_runs_as_it_did() -> None:
    """A configuration that names no path of the networks means the one that a device is fastest with."""
    parameters = {key: value for key, value in SERVED.parameters().items() if key != "forward"}

    assert Served.read(parameters) == replace(SERVED, forward="auto")


@pytest.mark.parametrize("parameters", [{}, {"format_version": "0"}, {"format_version": "1", "role": "images"}])
def test_a_model_of_somebody_else_is_refused(parameters: dict[str, str]) -> None:
    """A model without our parameters, or of another format, says how to write it."""
    with pytest.raises(ModelError, match="touchstone export-triton"):
        Served.read(parameters)


def test_boxes_survive_the_way_as_they_are() -> None:
    """Regions come out bit for bit, fewer than there is room for included."""
    one = Region(Box(0.1, 0.2, 0.30000000001, 0.4), "mark", confidence=0.7)

    packed = pack_regions([(one, WHOLE), (WHOLE,)])

    assert [unpack_regions(rows) for rows in packed] == [(one, WHOLE), (WHOLE,)]


@pytest.mark.parametrize("mode", list(ResizeMode))
def test_pictures_of_the_inputs_size_are_left_alone(mode: ResizeMode) -> None:
    """What the client resized the server takes as it is: both together see what one alone would."""
    recipe = Preprocessing(size=(40, 64), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.5), resize_mode=mode, fill=9)
    crops = [np.random.default_rng(n).integers(0, 256, (30 + 50 * n, 90, 3), np.uint8) for n in range(3)]

    sent = resize(crops, recipe).numpy()

    assert sent.shape == (3, 40, 64, 3)
    np.testing.assert_array_equal(resize(list(sent), recipe).numpy(), sent)
    torch.testing.assert_close(prepare(list(sent), recipe), prepare(crops, recipe), rtol=0, atol=0)


def test_a_version_is_written_once_and_verified(tmp_path: Path) -> None:
    """What was written answers; written again it stays; with a byte of its manifest changed it is not loaded."""
    network = _finder(Serving())
    _write(tmp_path, network, Serving())
    _write(tmp_path, network, Serving())
    with pytest.raises(ModelError, match="is there with other settings"):
        _write(tmp_path, network, Serving(instances=2))
    place = tmp_path / network.name / "1"
    config = text_format.Parse((place.parent / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    served = Served.read({key: value.string_value for key, value in config.parameters.items()})

    assert load_answer(served, place, device="cpu")([np.zeros((224, 224, 3), np.uint8)]).shape == (1, 2, 5)
    with pytest.raises(ModelError, match="'openvino' does not run on cuda:0"):
        load_answer(replace(served, forward="openvino"), place, device="cuda:0")
    (place / "finder.json").write_text((place / "finder.json").read_text() + " ")
    with pytest.raises(ModelError, match="is not the one that was exported"):
        load_answer(served, place, device="cpu")


@pytest.mark.parametrize(
    ("status", "message", "tries", "fault"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", 4, ModelUnavailable),
        ("INVALID_ARGUMENT", "Unable to find shared memory region: 'touchstone-1'", 4, ModelError),
        ("UNAVAILABLE", "Request for the model exceeds maximum queue size", 1, ModelUnavailable),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", 1, ModelUnavailable),
        ("INTERNAL", "out of memory", 1, ModelError),
    ],
)
def test_only_what_may_pass_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, status: str, message: str, tries: int, fault: type[ModelError]
) -> None:
    """A lost way and memory that a new server does not know are; a full queue, a late answer and a refusal are not."""
    monkeypatch.setattr("vision.triton.channel._PAUSES_S", (0.0, 0.0, 0.0))
    channel = Channel("127.0.0.1:9", ca=None, shared=False, log=print)
    asked: list[float] = []

    def do(left_s: float) -> None:
        asked.append(left_s)
        raise InferenceServerException(message, f"StatusCode.{status}")

    with pytest.raises(fault, match=re.escape(message)) as raised:
        channel.call(do, timeout_s=5.0)

    channel.close()
    assert len(asked) == tries
    assert type(raised.value) is fault


def test_a_try_that_succeeds_ends_the_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later try answers is the answer."""
    monkeypatch.setattr("vision.triton.channel._PAUSES_S", (0.0,))
    channel = Channel("127.0.0.1:9", ca=None, shared=False, log=print)
    answers: Iterator[Exception | str] = iter([InferenceServerException("away", "StatusCode.UNAVAILABLE"), "rows"])

    def do(_left_s: float) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert channel.call(do, timeout_s=5.0) == "rows"
    channel.close()


@dataclass
class Tensor:
    """A tensor of the server's, or one that corrupts what passes through it."""

    name: str
    data: torch.Tensor
    lies: bool = False

    def to_dlpack(self) -> Any:
        """Hand it over."""
        return (self.data + 1 if self.lies else self.data).__dlpack__()


@dataclass
class Utils:
    """The server's module `triton_python_backend_utils`, as far as the backend uses it."""

    lies: bool = False
    Tensor: Any = field(init=False)
    Logger: Any = field(init=False)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        outer = self
        self.Logger = SimpleNamespace(log_info=self.said.append)

        class Made(Tensor):
            @classmethod
            def from_dlpack(cls, name: str, data: torch.Tensor) -> Tensor:
                return Tensor(name, from_dlpack(data), outer.lies)

        self.Tensor = Made

    @staticmethod
    def get_input_tensor_by_name(request: dict[str, Tensor], name: str) -> Tensor:
        """Find a request's input."""
        return request[name]

    @staticmethod
    def InferenceResponse(outputs: Any = (), error: str | None = None) -> tuple[Any, str | None]:  # noqa: N802
        """Answer."""
        return outputs, error

    TritonError = str


def test_bytes_that_come_back_otherwise_stop_a_model() -> None:
    """A server in which tensors do not survive the way is never called ready."""
    check_exchange(Utils())
    with pytest.raises(ModelError, match="other bytes"):
        check_exchange(Utils(lies=True))


def test_each_request_of_a_batch_gets_its_own_rows() -> None:
    """Requests that the server put together pass the network at once; what fails is told to each of them."""
    seen: list[int] = []

    def answer(pictures: Any) -> NDArray[np.float32]:
        seen.append(len(pictures))
        if any(picture.max() > 200 for picture in pictures):
            raise ModelError("broken")
        return np.array([[picture[0, 0, 0]] for picture in pictures], np.float32)

    model = TritonPythonModel()
    model._utils, model._output, model._answer = Utils(), ROWS, answer

    def request(*values: int) -> dict[str, Tensor]:
        pictures = [torch.full((2, 2, 3), value, dtype=torch.uint8) for value in values]
        return {PICTURES: Tensor(PICTURES, torch.stack(pictures))}

    responses = model.execute([request(1, 2), request(3)])

    assert [outputs[0].data.tolist() for outputs, _ in responses] == [[[1.0], [2.0]], [[3.0]]]
    assert seen == [3]
    assert [error for _, error in model.execute([request(1), request(255)])] == ["broken", "broken"]


@pytest.fixture
def threads() -> Iterator[int]:
    """Let torch have four threads for as long as a test runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield 4
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("serving", "taken"),
    [(Serving(), 4), (Serving(instances=3), 1), (Serving(instances=2), 2), (Serving(instances=2, threads=4), 4)],
)
def test_instances_share_the_cores(threads: int, serving: Serving, taken: int) -> None:
    """Instances side by side have no more threads than there are cores, unless somebody chose how many."""
    text = config_text("m", replace(SERVED, threads=serving.threads), size=(32, 32), dim=7, serving=serving)
    config = MessageToDict(text_format.Parse(text, model_config_pb2.ModelConfig()), preserving_proto_field_name=True)

    assert take_threads(serving.threads, instances=_instances(config)) == taken
    assert torch.get_num_threads() == taken <= threads


def test_instances_on_several_gpus_are_all_counted() -> None:
    """A group counts those on each of its GPUs; they share one machine's cores."""
    assert _instances({"instance_group": [{"count": 2, "gpus": [0, 1, 2]}, {"count": 1}]}) == 7


@pytest.mark.parametrize(("forward", "path"), [("auto", "openvino"), ("channels_last", "channels_last")])
def test_an_instance_runs_by_the_path_of_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, forward: str, path: str
) -> None:
    """The backend takes the path that was exported, `auto` as in process, and the server's log names it."""
    serving = Serving(forward=forward)
    network = _finder(serving)
    _write(tmp_path, network, serving)
    home = tmp_path / network.name
    config = text_format.Parse((home / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    utils, model = Utils(), TritonPythonModel()
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", utils)
    monkeypatch.setattr("vision.finder.through", lambda _, path, device: runs.append((path, device)))
    runs: list[tuple[str, str]] = []

    model.initialize(
        {
            "model_config": MessageToJson(config, preserving_proto_field_name=True),
            "model_repository": str(home),
            "model_version": "1",
            "model_instance_kind": "CPU",
            "model_instance_device_id": "0",
        }
    )

    assert runs == [(path, "cpu")]
    assert os.environ == ({"OMP_WAIT_POLICY": "PASSIVE"} if path == "openvino" else {})
    assert utils.said == [f"boxes of {network.fingerprint} on cpu by {path}, CPU threads: {threads}"]


def test_a_gpus_instances_are_not_written_for_a_path_of_the_cpu(tmp_path: Path) -> None:
    """OpenVINO is for CPUs: an export for GPUs that asks for it is refused, and nothing is written."""
    loaded = load_network(DEFAULT_MODEL, downloads=False)

    with pytest.raises(ModelError, match="'openvino' does not run on cuda: choose auto"):
        write_repository(tmp_path, loaded, Serving(gpu=True, forward="openvino"))

    assert not list(tmp_path.iterdir())


class Asked:
    """A connection to a server that has everything."""

    def __init__(self) -> None:
        self.fingerprints: set[str] = set()

    def model(self, fingerprint: str, _role: str, _output: object) -> None:
        """Have it."""
        self.fingerprints.add(fingerprint)


@pytest.mark.parametrize("path", ["auto", "channels_last", "bfloat16"])
def test_a_path_has_the_fingerprint_that_it_has_in_process(path: str) -> None:
    """What is exported, and what a service asks for, is the model of the same path without a server."""
    here = load_embedder(DEFAULT_MODEL, device="cpu", path=path).fingerprint
    server = Asked()

    written = _embedders(load_network(DEFAULT_MODEL, downloads=False), Serving(forward=path))
    TritonEmbedder(load_network(DEFAULT_MODEL, downloads=False), cast("Connection", server), path=plainest(path))

    assert {network.fingerprint for network in written} == {here} == server.fingerprints
