"""How probable is each leaf, and is the product like anything the head knows? The numbers of the shipped category head.

Two files beside a model's weights, written by `python -m training.fit_category` and used by `vision.classify`:

    category.json          for which model, sha256, on what it was fitted, under which licence, and how well it does
    category.safetensors   the probe (weights, bias) and what is familiar (projection, centres, limit)

A head is only good for the model that it was fitted on: another fingerprint is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from vision.errors import ModelError
from vision.taxonomy import CategoryPath

FORMAT_VERSION = 1
MANIFEST = "category.json"
NUMBERS = "category.safetensors"
_REMAKE = "run python -m training.fit_category"


@dataclass(frozen=True)
class Probe:
    """`logits = vectors @ weights.T + bias`: weights float32 [labels, dim], bias float32 [labels]."""

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Softmax of the logits: float32 [n, labels] for float32 [n, dim]."""
        logits = vectors @ self.weights.T + self.bias
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True)
class Familiarity:
    """Whether a product is like those that the probe was fitted on.

    A vector is whitened by `projection`, float32 [k, dim], so that distances count in units of the spread within a
    leaf; beyond `limit` from the nearest of `centres`, float32 [leaves, k], it is a stranger. (The Mahalanobis distance
    of Lee and others, "A simple unified framework for detecting out-of-distribution samples", 2018.)
    """

    projection: NDArray[np.float32]
    centres: NDArray[np.float32]
    limit: float

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance to the nearest centre: float32 [n] for float32 [n, dim]."""
        spread = vectors @ self.projection.T
        gaps = np.linalg.norm(spread[:, np.newaxis] - self.centres, axis=2)
        nearest: NDArray[np.float32] = gaps.min(axis=1)
        return nearest


@dataclass(frozen=True)
class CategoryHead:
    """A probe over leaves, and what is familiar to it, for the model `fingerprint`."""

    fingerprint: str
    probe: Probe
    familiarity: Familiarity

    @property
    def leaves(self) -> tuple[CategoryPath, ...]:
        """The leaves in the order of the probabilities."""
        return tuple(tuple(label.split(" > ")) for label in self.probe.labels)

    def familiar(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell which of the vectors, float32 [n, dim], are like what the head was fitted on: bool [n]."""
        return self.familiarity.distances(vectors) <= self.familiarity.limit

    def save(self, folder: Path, *, notes: dict[str, object]) -> None:
        """Write both files into `folder`; `notes` (data, licence, figures) go into the manifest as they are."""
        numbers = safetensors.numpy.save(
            {
                "weights": self.probe.weights.astype(np.float16),
                "bias": self.probe.bias,
                "projection": self.familiarity.projection.astype(np.float16),
                "centres": self.familiarity.centres,
                "limit": np.array([self.familiarity.limit], np.float32),
            }
        )
        manifest = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "sha256": hashlib.sha256(numbers).hexdigest(),
            "leaves": list(self.probe.labels),
            "remake": "python -m training.fit_category",
        }
        (folder / NUMBERS).write_bytes(numbers)
        (folder / MANIFEST).write_text(json.dumps(manifest | notes, indent=2, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path, *, fingerprint: str) -> CategoryHead:
        """Read and verify the head in `folder`, which must have been fitted on the model `fingerprint`.

        Raises:
            ModelError: unreadable, corrupt, of another format or for another model; names the file and what to run.

        """
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            numbers = (folder / NUMBERS).read_bytes()
            version, sha256, made_for = (manifest[key] for key in ("format_version", "sha256", "fingerprint"))
            labels = tuple(str(label) for label in manifest["leaves"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / MANIFEST}: is no category head ({error!r}); {_REMAKE}") from error
        if version != FORMAT_VERSION:
            raise ModelError(
                f"{folder / MANIFEST}: format_version is {version}; this reads {FORMAT_VERSION}; {_REMAKE}"
            )
        if hashlib.sha256(numbers).hexdigest() != sha256:
            raise ModelError(f"{folder / NUMBERS}: is not the file that {MANIFEST} names (sha256 {sha256}); {_REMAKE}")
        if made_for != fingerprint:
            raise ModelError(f"{folder / MANIFEST}: was fitted on {made_for}, not on {fingerprint}; {_REMAKE}")
        try:
            tensors = {name: tensor.astype(np.float32) for name, tensor in safetensors.numpy.load(numbers).items()}
            probe = Probe(labels, tensors["weights"], tensors["bias"])
            limit = float(tensors["limit"][0])
            familiarity = Familiarity(tensors["projection"], tensors["centres"], limit)
        except (SafetensorError, KeyError, IndexError) as error:
            raise ModelError(f"{folder / NUMBERS}: holds no category head ({error!r}); {_REMAKE}") from error
        if len(probe.weights) != len(labels) or len(probe.bias) != len(labels):
            raise ModelError(f"{folder / NUMBERS}: has not one row for each of {len(labels)} leaves; {_REMAKE}")
        return cls(fingerprint, probe, familiarity)

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Tell whether `folder` has a head at all."""
        return (folder / MANIFEST).is_file()
