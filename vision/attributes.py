"""What is the product made of, what is on it? Pattern, material and hardware, as concepts over the photos' vectors.

Beside `vision.colour`, which measures. Each kind of attribute is one set of concepts (`vision.concepts`), asked with
the vectors that the category was asked with, so that no photo passes the network again. A value is said from the
probability on at which it proved right (`python -m training.evaluate_attributes`); below, nothing is said.

The file beside a model's weights is written by `python -m training.fit_attributes`, for that model alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.checkpoint import model_folder
from vision.concepts import ConceptKind, Concepts, digest_of
from vision.errors import CheckpointError, ModelError
from vision.sealed import read_sealed
from vision.taxonomy import CategoryPath

FORMAT_VERSION = 1
FILE = "attributes.safetensors"
NOTHING = "nothing"  # the label of products that show none of the values
_REMEDY = "run python -m training.fit_attributes"


@dataclass(frozen=True, kw_only=True)
class Trait:
    """One kind of attribute, such as "material".

    `least` gives, for each value that may be said, the probability from which it is, 0..1; other labels of `concepts`
    are never said. `within` are the beginnings of the category paths of products that have the trait: a watch has no
    pattern, whatever its dial looks like. Without any, every product may have it.
    """

    name: str
    concepts: Concepts
    least: Mapping[str, float]
    within: tuple[CategoryPath, ...] = ()

    def __post_init__(self) -> None:
        strangers = self.least.keys() - set(self.concepts.labels)
        if strangers or not all(0 < least < 1 for least in self.least.values()):
            raise ValueError(f"{self.name}: {dict(self.least)} must give labels of the concepts a probability, 0..1")

    def belongs_to(self, category: CategoryPath) -> bool:
        """Tell whether a product of that category may have the trait; an empty path is an unknown one."""
        return not self.within or any(category[: len(start)] == start for start in self.within)


@dataclass(frozen=True, kw_only=True)
class PredictedAttribute:
    """A property of the product, such as ("material", "denim", 0.93)."""

    name: str
    value: str
    probability: float


class AttributeClassifier:
    """All traits that one model can tell. Immutable, so any thread may ask."""

    def __init__(self, traits: Sequence[Trait]) -> None:
        self.traits = tuple(traits)

    def predict(self, photos: NDArray[np.float32], category: CategoryPath) -> tuple[PredictedAttribute, ...]:
        """Say what `photos` of one product of `category` show: float32 [n, dim], unit rows as the embedder gives them.

        At most one value a trait, that with the highest probability on average over the photos. Nothing without photos.
        """
        if not len(photos):
            return ()
        said = []
        for trait in self.traits:
            probabilities = trait.concepts.scores(photos).mean(axis=0)
            best = int(probabilities.argmax())
            value, probability = trait.concepts.labels[best], float(probabilities[best])
            if value in trait.least and probability >= trait.least[value] and trait.belongs_to(category):
                said.append(PredictedAttribute(name=trait.name, value=value, probability=probability))
        return tuple(said)

    def save(self, path: Path) -> None:
        """Write the weights in half precision, and everything else into the metadata."""
        from safetensors.numpy import save

        tensors = {}
        for trait in self.traits:
            tensors[f"{trait.name}.weights"] = np.ascontiguousarray(trait.concepts.weights, np.float16)
            tensors[f"{trait.name}.bias"] = np.ascontiguousarray(trait.concepts.bias, np.float32)
        traits = {
            trait.name: {
                "labels": trait.concepts.labels,
                "kind": trait.concepts.kind.value,
                "temperature": trait.concepts.temperature,
                "least": dict(trait.least),
                "within": trait.within,
            }
            for trait in self.traits
        }
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "fingerprint": self.traits[0].concepts.fingerprint,
            "traits": json.dumps(traits),
            "sha256": digest_of(**tensors),
        }
        path.write_bytes(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> AttributeClassifier | None:
        """Read the traits that were fitted on the model `fingerprint`; None when there is no such file.

        Raises:
            CheckpointError: corrupt, or of another format.
            ModelError: fitted on another model.

        """
        import safetensors

        if not path.is_file():
            return None
        try:
            tensors, metadata = read_sealed(path, format_version=FORMAT_VERSION)
            fitted_on = metadata["fingerprint"]
            traits = [
                Trait(
                    name=name,
                    concepts=Concepts(
                        labels=tuple(each["labels"]),
                        fingerprint=fitted_on,
                        kind=ConceptKind(each["kind"]),
                        weights=tensors[f"{name}.weights"].astype(np.float32),
                        bias=tensors[f"{name}.bias"],
                        temperature=float(each["temperature"]),
                    ),
                    least={str(value): float(least) for value, least in each["least"].items()},
                    within=tuple(tuple(start) for start in each["within"]),
                )
                for name, each in json.loads(metadata["traits"]).items()
            ]
        except (OSError, KeyError, ValueError, TypeError, AttributeError, safetensors.SafetensorError) as error:
            raise CheckpointError(f"{path}: no attributes can be read ({error!r}); {_REMEDY}") from error
        if fitted_on != fingerprint:
            raise ModelError(f"{path}: was fitted on {fitted_on}, not on {fingerprint}; {_REMEDY}")
        return cls(traits)

    @classmethod
    def for_model(cls, fingerprint: str) -> AttributeClassifier | None:
        """Read what ships with the model of that fingerprint; None when it ships none. Raises as `load`."""
        return cls.load(model_folder(fingerprint) / FILE, fingerprint=fingerprint)
