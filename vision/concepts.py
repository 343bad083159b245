"""Which of these labels does an embedding show? Categories, attributes and custom rules as vectors, from three sources.

A concept is a direction in a model's embedding space. It comes from example images (`from_prototypes`: the mean of
their embeddings), from a classifier trained on them (`from_probe`), or from words (`from_prompts`, with a model that
reads). Whatever the source, what remains is one matrix, one bias and one temperature, so that asking is a little numpy:

    probabilities = softmax((embeddings @ weights.T + bias) / temperature)

Concepts fit the one model whose fingerprint they carry; a file made for another is refused.
"""

from __future__ import annotations

import enum
import hashlib
import json
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from vision.embedder import TextEmbedder
from vision.errors import CheckpointError, ModelError
from vision.temperature import calibrate, log_loss, softmax

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FORMAT_VERSION = 1
# CLIP's trained logit scale ends at 100 (Radford et al. 2021, "Learning transferable visual models", section 2.5).
PROMPT_TEMPERATURE = 0.01
# Where nothing can be held out to calibrate on: one example a label.
UNCALIBRATED_TEMPERATURE = 0.05
PROMPT_TEMPLATES = ("a photo of a {}.", "a product photo of a {}.", "a {} for sale.", "a close-up photo of a {}.")
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # scikit-learn's C: inverse regularisation, for rows of length 1
_HELD_OUT = 0.2
_SEED = 0


class ConceptKind(enum.StrEnum):
    """Where concepts came from."""

    PROTOTYPES = "prototypes"
    PROBE = "probe"
    PROMPTS = "prompts"


@dataclass(frozen=True, eq=False, kw_only=True)
class Concepts:
    """Labels that exclude each other, as a linear classifier. Immutable, so any thread may ask."""

    labels: tuple[str, ...]
    fingerprint: str
    kind: ConceptKind
    weights: NDArray[np.float32]  # [labels, dim]
    bias: NDArray[np.float32]  # [labels]
    temperature: float

    def __post_init__(self) -> None:
        count = len(self.labels)
        if not count or len(set(self.labels)) != count:
            raise ValueError(f"{count} labels, {len(set(self.labels))} of them different: give each label once")
        if self.weights.ndim != 2 or len(self.weights) != count or self.bias.shape != (count,):
            raise ValueError(
                f"weights {self.weights.shape} and bias {self.bias.shape} do not fit {count} labels: "
                f"they must be ({count}, dim) and ({count},)"
            )
        numbers = (self.weights, self.bias, np.array(self.temperature))
        if not all(np.isfinite(each).all() for each in numbers) or self.temperature <= 0:
            raise ValueError(f"weights, bias and temperature {self.temperature} must be finite, the last above 0")

    @classmethod
    def from_prototypes(cls, embeddings: NDArray[np.float32], labels: Sequence[str], *, fingerprint: str) -> Self:
        """Average the examples of each label: `embeddings` is float32 [n, dim] with unit rows, one label a row.

        The temperature is the one under which each example, left out of its own label's mean, is likeliest.
        """
        names, targets = _index_labels(embeddings, labels)
        sums = np.stack([embeddings[targets == place].sum(axis=0) for place in range(len(names))])
        similarities = embeddings @ _unit(sums).T
        own = np.arange(len(targets)), targets
        without = _unit(sums[targets] - embeddings)  # zero, and not counted, where the example is its label's only one
        similarities[own] = (embeddings * without).sum(axis=1)
        others = np.bincount(targets)[targets] > 1
        temperature = calibrate(similarities[others], targets[others]) if others.any() else UNCALIBRATED_TEMPERATURE
        return cls(
            labels=names,
            fingerprint=fingerprint,
            kind=ConceptKind.PROTOTYPES,
            weights=_unit(sums),
            bias=np.zeros(len(names), np.float32),
            temperature=temperature,
        )

    @classmethod
    def from_probe(cls, embeddings: NDArray[np.float32], labels: Sequence[str], *, fingerprint: str) -> Self:
        """Train a multinomial logistic regression on `embeddings`, float32 [n, dim] with unit rows, one label a row.

        A fifth of the examples, stratified and held out, chooses the regularisation and calibrates the temperature;
        the weights are then fitted to all. Needs at least two labels and two examples of each.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import train_test_split

        names, targets = _index_labels(embeddings, labels)
        rarest = np.bincount(targets).min()
        if len(names) < 2 or rarest < 2:
            raise ValueError(f"{len(names)} labels, the rarest with {rarest} examples: a probe needs two of each")
        held_out = max(round(_HELD_OUT * len(targets)), len(names))
        train, test = train_test_split(
            np.arange(len(targets)), test_size=held_out, stratify=targets, random_state=_SEED
        )

        def fit(rows: NDArray[np.int64], strength: float) -> LogisticRegression:
            return LogisticRegression(C=strength, max_iter=2000).fit(embeddings[rows], targets[rows])

        def held_out_loss(strength: float) -> tuple[float, float]:
            logits = _logits(*_linear(fit(train, strength)), embeddings[test])
            temperature = calibrate(logits, targets[test])
            return log_loss(logits / temperature, targets[test]), temperature

        losses = {strength: held_out_loss(strength) for strength in _STRENGTHS}
        best = min(losses, key=losses.__getitem__)
        weights, bias = _linear(fit(np.arange(len(targets)), best))
        return cls(
            labels=names,
            fingerprint=fingerprint,
            kind=ConceptKind.PROBE,
            weights=weights,
            bias=bias,
            temperature=losses[best][1],
        )

    @classmethod
    def from_prompts(
        cls, reader: TextEmbedder, labels: Sequence[str], *, templates: Sequence[str] = PROMPT_TEMPLATES
    ) -> Self:
        """Put each label into every template ("a photo of a {}.") and average what `reader` makes of the sentences."""
        for template in templates:
            if [field for _, field, _, _ in string.Formatter().parse(template) if field is not None] != [""]:
                raise ValueError(f"prompt template {template!r} must hold exactly one {{}} for the label")
        sentences = [template.format(label) for label in labels for template in templates]
        vectors = reader.embed_text(sentences).reshape(len(labels), len(templates), -1)
        return cls(
            labels=tuple(labels),
            fingerprint=reader.fingerprint,
            kind=ConceptKind.PROMPTS,
            weights=_unit(vectors.mean(axis=1)),
            bias=np.zeros(len(labels), np.float32),
            temperature=PROMPT_TEMPERATURE,
        )

    def scores(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give each row's probability of each label: float32 [n, dim] in, float32 [n, labels] out, rows sum to 1."""
        dim = self.weights.shape[1]
        if embeddings.ndim != 2 or embeddings.shape[1] != dim:
            raise ValueError(f"embeddings have shape {embeddings.shape}: these concepts take [n, {dim}]")
        return softmax(_logits(self.weights, self.bias, embeddings) / self.temperature).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write safetensors with the labels, the fingerprint and a sha256 of the numbers in its metadata."""
        from safetensors.numpy import save

        # safetensors writes the memory as it lies: a transposed array would come back scrambled.
        tensors = {"weights": np.ascontiguousarray(self.weights), "bias": np.ascontiguousarray(self.bias)}
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "kind": self.kind.value,
            "fingerprint": self.fingerprint,
            "temperature": repr(self.temperature),
            "labels": json.dumps(self.labels),
            "sha256": digest_of(**tensors),
        }
        path.write_bytes(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> Self:
        """Read concepts that were made for the model `fingerprint`.

        Raises:
            CheckpointError: the file is missing, corrupt or of an unknown format.
            ModelError: the concepts were made for another model.

        """
        import safetensors

        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                weights, bias = (file.get_tensor(name) for name in ("weights", "bias"))
            if metadata["format_version"] != str(FORMAT_VERSION):
                raise ValueError(f"format_version is {metadata['format_version']}, this reads {FORMAT_VERSION}")
            if metadata["sha256"] != digest_of(weights=weights, bias=bias):
                raise ValueError("the numbers are not those that were saved (sha256)")
            concepts = cls(
                labels=tuple(json.loads(metadata["labels"])),
                fingerprint=metadata["fingerprint"],
                kind=ConceptKind(metadata["kind"]),
                weights=weights,
                bias=bias,
                temperature=float(metadata["temperature"]),
            )
        except (OSError, KeyError, ValueError, TypeError, safetensors.SafetensorError) as error:
            raise CheckpointError(
                f"{path}: no concepts can be read ({error}): restore the file or make it again"
            ) from error
        if concepts.fingerprint != fingerprint:
            raise ModelError(
                f"{path}: these concepts were made for model {concepts.fingerprint}, but {fingerprint} is loaded: "
                "make them again with the loaded model"
            )
        return concepts


def _index_labels(embeddings: NDArray[np.float32], labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if embeddings.ndim != 2 or len(embeddings) != len(labels) or not len(labels):
        raise ValueError(f"embeddings {embeddings.shape} do not fit {len(labels)} labels: give [n, dim] and n, n > 0")
    names, targets = np.unique(np.array(labels), return_inverse=True)
    return tuple(str(name) for name in names), targets


def _linear(probe: LogisticRegression) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read a fitted regression as weights [labels, dim] and bias [labels]; of two labels it keeps only the second."""
    weights, bias = np.asarray(probe.coef_, np.float32), np.asarray(probe.intercept_, np.float32)
    if len(weights) > 1:
        return weights, bias
    return np.concatenate([np.zeros_like(weights), weights]), np.concatenate([np.zeros_like(bias), bias])


def _logits(
    weights: NDArray[np.float32], bias: NDArray[np.float32], embeddings: NDArray[np.float32]
) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = (embeddings @ weights.T + bias).astype(np.float64)
    return logits


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(lengths, 1e-12)
    return unit


def digest_of(**tensors: NDArray[np.generic]) -> str:
    """Digest arrays with their names, types and shapes: a sha256 as hex."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()
