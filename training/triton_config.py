"""How should a Triton server run a model? Its config.pbtxt, from the message that the server parses it by.

Requests that wait are batched, oldest first, up to `batch_size` pictures; one whose sender has given up is dropped.
Every instance embeds a picture and a full batch before it is called ready.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from vision.finder import MOST
from vision.forward import AUTO
from vision.triton.naming import BOXES, FOUND, PICTURES, ROWS, Served

_BACKEND = "python"


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What an operator chooses of it."""

    version: int = 1
    gpu: bool = False
    instances: int = 1  # on the CPU, or on each GPU
    batch_size: int = 32
    threads: int = 0  # of an instance on the CPU; 0: its share of the cores
    forward: str = AUTO  # path of an instance's network, of vision.forward
    max_delay_us: int = 1_000  # that a batch which is not full waits for more


def config_text(name: str, served: Served, *, size: tuple[int, int], dim: int, serving: Serving) -> str:
    """Write the configuration of a model for pictures of `size` (height, width), in protobuf's text format."""
    kind = model_config_pb2.ModelInstanceGroup.KIND_GPU if serving.gpu else model_config_pb2.ModelInstanceGroup.KIND_CPU
    config = model_config_pb2.ModelConfig(
        name=name,
        backend=_BACKEND,
        max_batch_size=serving.batch_size,
        input=[{"name": PICTURES, "data_type": model_config_pb2.TYPE_UINT8, "dims": [*size, 3]}],
        output=[_output(served, dim)],
        instance_group=[{"count": serving.instances, "kind": kind}],
        model_warmup=[_warm_up(size, batch) for batch in sorted({1, serving.batch_size})],
        parameters={key: {"string_value": value} for key, value in served.parameters().items()},
    )
    # No queue policy: with any, the server (24.10, and still in 2026) prepares no batch while an instance is at another
    # one. What waits then is seen when the next request comes, or at a look every half second, the instance idle until
    # then (triton-inference-server/core, DynamicBatchScheduler::WaitForPayloadSlotAvailable).
    config.dynamic_batching.max_queue_delay_microseconds = serving.max_delay_us
    return text_format.MessageToString(config)


def _output(served: Served, dim: int) -> model_config_pb2.ModelOutput:
    if served.role == BOXES:
        return model_config_pb2.ModelOutput(name=FOUND, data_type=model_config_pb2.TYPE_FP64, dims=[MOST, 5])
    return model_config_pb2.ModelOutput(name=ROWS, data_type=model_config_pb2.TYPE_FP32, dims=[dim])


def _warm_up(size: tuple[int, int], batch: int) -> model_config_pb2.ModelWarmup:
    picture = model_config_pb2.ModelWarmup.Input(
        data_type=model_config_pb2.TYPE_UINT8, dims=[*size, 3], random_data=True
    )
    return model_config_pb2.ModelWarmup(name=f"batch-{batch}", batch_size=batch, inputs={PICTURES: picture})
