"""How do words become a vector beside those of pictures? A sentence encoder, and a projection into the image space.

The text half of a two-tower model folder (`vision.networks`): BERT's encoder, its weights frozen and written once,
averages a sentence's tokens into one vector, and a small projection that is fitted to the visual weights
(`training.fit_text`) turns that vector into the direction which pictures of the thing take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from vision.errors import CheckpointError

_PAD, _UNKNOWN, _START, _END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The sizes of a text tower: the `text_cfg` of a model folder's configuration."""

    vocab_size: int
    context_length: int  # tokens a sentence, its two marks included; what is longer is cut
    width: int
    heads: int
    layers: int


class Projection(nn.Module):
    """From a sentence's meaning to a direction in the image space: a kernel regression on sentences that are known.

    Each of `anchors`, [n, width] unit rows, has its share of `directions`, [n, dim], by how near the sentence is to it.
    A linear map of 384 numbers cannot hold a thousand concepts apart: a third fewer photos were named by their label.
    """

    SHARPNESS = 1 / 0.15  # of the kernel exp((cosine - 1) SHARPNESS); 1 / 0.3 names 1 to 2 points fewer photos

    def __init__(self, anchors: int, width: int, dim: int) -> None:
        super().__init__()
        self.anchors = nn.Parameter(torch.zeros(anchors, width))
        self.directions = nn.Parameter(torch.zeros(anchors, dim))

    def forward(self, sentences: torch.Tensor) -> torch.Tensor:
        """Place sentences, [n, width] unit rows, in the image space: [n, dim], not normalised."""
        nearness = torch.exp((sentences @ self.anchors.T - 1) * self.SHARPNESS)
        return nearness @ self.directions


class TextTower(nn.Module):
    """Token ids into the image space. BERT (Devlin et al. 2019): post-norm layers with an exact GELU."""

    def __init__(self, config: TextConfig, *, anchors: int, dim: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Embedding(config.context_length, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            dim_feedforward=4 * config.width,
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.projection = Projection(anchors, config.width, dim)

    def encode(self, tokens: torch.Tensor) -> torch.Tensor:
        """Average what becomes of a sentence's tokens: int64 [n, length], 0 where padded, to [n, width], unit rows."""
        padded = tokens == 0
        places = torch.arange(tokens.shape[1], device=tokens.device)
        hidden = self.layers(self.norm(self.tokens(tokens) + self.positions(places)), src_key_padding_mask=padded)
        said = (~padded).unsqueeze(2).to(hidden.dtype)
        return nn.functional.normalize((hidden * said).sum(dim=1) / said.sum(dim=1), dim=1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Place sentences in the image space: int64 [n, length] to [n, dim], not normalised."""
        projected: torch.Tensor = self.projection(self.encode(tokens))
        return projected


class Tokenizer:
    """BERT's word pieces, without case and accents; called like open_clip's tokenizers."""

    def __init__(self, vocabulary: Mapping[str, int], *, context_length: int) -> None:
        from tokenizers import Tokenizer as Pieces
        from tokenizers.models import WordPiece
        from tokenizers.normalizers import BertNormalizer
        from tokenizers.pre_tokenizers import BertPreTokenizer
        from tokenizers.processors import BertProcessing

        self._pieces = Pieces(WordPiece(dict(vocabulary), unk_token=_UNKNOWN))
        self._pieces.normalizer = BertNormalizer(lowercase=True)
        self._pieces.pre_tokenizer = BertPreTokenizer()
        self._pieces.post_processor = BertProcessing((_END, vocabulary[_END]), (_START, vocabulary[_START]))
        self._pieces.enable_truncation(context_length)
        self._pieces.enable_padding(pad_id=vocabulary[_PAD], pad_token=_PAD)

    def __call__(self, sentences: Sequence[str]) -> torch.Tensor:
        """Turn sentences into token ids, int64 [n, length of the longest], padded with 0."""
        return torch.tensor([sentence.ids for sentence in self._pieces.encode_batch(list(sentences))])


def read_vocabulary(data: bytes, path: Path) -> dict[str, int]:
    """Read a vocabulary file, one piece a line, its number being the line's; `path` is for messages.

    Raises:
        CheckpointError: it is not UTF-8, or lacks the pieces that every sentence needs.

    """
    try:
        pieces = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path}: is not UTF-8 ({error})") from error
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    missing = {_PAD, _UNKNOWN, _START, _END} - vocabulary.keys()
    if missing or vocabulary[_PAD] != 0:
        raise CheckpointError(
            f"{path}: is not a BERT vocabulary: it lacks {', '.join(sorted(missing)) or '[PAD] first'}"
        )
    return vocabulary
