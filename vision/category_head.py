"""How probable is each leaf, and is the product like anything the head knows? The numbers of the shipped category head.

Files beside a model's weights, written by `python -m training.fit_category` and used by `vision.classify`:

    category.json                    what it was fitted on, under which licence, how well it does, sha256 of the others
    category.safetensors             the probe over leaves (`vision.concepts`)
    category_familiar.safetensors    what is familiar to it (`Familiarity`)
    category_general.safetensors     what to think of the rest (`vision.category_general`); some heads have none. How
                                     sure to be of it, and what looks like what, stands in category.json

A head is only good for the model that it was fitted on: another fingerprint is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.category_general import GeneralKnowledge
from vision.category_pool import Pool
from vision.concepts import Concepts
from vision.errors import CheckpointError, ModelError
from vision.taxonomy import CategoryPath

FORMAT_VERSION = 2
MANIFEST = "category.json"
PROBE = "category.safetensors"
FAMILIAR = "category_familiar.safetensors"
GENERAL = "category_general.safetensors"
# How gradually what is known gives way to general knowledge around the limit of familiarity, as a share of that limit:
# half as much or half as much again changes no more than half a point of fashion/validation.
_SOFTNESS = 0.08
_REMAKE = "run python -m training.fit_category"


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Whether a product is like those that the probe was fitted on.

    A vector is whitened by `projection`, float32 [k, dim], so that distances count in units of the spread within a
    leaf; farther than `limit` from every one of `centres`, float32 [leaves, k], it is a stranger. (The Mahalanobis
    distance of Lee and others, "A simple unified framework for detecting out-of-distribution samples", 2018.)
    """

    projection: NDArray[np.float32]
    centres: NDArray[np.float32]
    limit: float

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance to the nearest centre: float32 [n] for float32 [n, dim]."""
        whitened = vectors @ self.projection.T
        gaps = np.linalg.norm(whitened[:, np.newaxis] - self.centres, axis=2)
        nearest: NDArray[np.float32] = gaps.min(axis=1)
        return nearest

    def degrees(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Say how familiar each of `vectors`, float32 [n, dim], is: float32 [n], 0..1, a half at the limit."""
        beyond = (self.distances(vectors) - self.limit) / (_SOFTNESS * self.limit)
        degrees: NDArray[np.float32] = (1 / (1 + np.exp(np.minimum(beyond, 50)))).astype(np.float32)
        return degrees

    def save(self, path: Path) -> None:
        """Write the numbers as safetensors; the projection in half precision, far finer than the spread it measures."""
        from safetensors.numpy import save

        projection = np.ascontiguousarray(self.projection, np.float16)
        limit = np.array([self.limit], np.float32)
        centres = np.ascontiguousarray(self.centres)
        path.write_bytes(save({"projection": projection, "centres": centres, "limit": limit}))

    @classmethod
    def load(cls, path: Path) -> Familiarity:
        """Read what `save` wrote.

        Raises:
            CheckpointError: missing or corrupt.

        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            projection, centres = (tensors[name].astype(np.float32) for name in ("projection", "centres"))
            return cls(projection, centres, float(tensors["limit"][0]))
        except (OSError, SafetensorError, KeyError, IndexError) as error:
            raise CheckpointError(f"{path}: cannot be read ({error!r}); {_REMAKE}") from error


@dataclass(frozen=True, eq=False)
class CategoryHead:
    """A probe over leaves, what is familiar to it, and what to think of the rest.

    The probe is asked with all that is seen of a product (`vision.classify.product_views`), the others with the first
    part alone, the photo's middle.
    """

    probe: Concepts
    familiarity: Familiarity
    general: GeneralKnowledge | None = None
    temperature: float = 1.0  # of general knowledge
    look_alikes: Mapping[int, str] = field(default_factory=dict)  # classes that goods for sale are taken for

    def scores(self, views: NDArray[np.float32]) -> tuple[tuple[CategoryPath, ...], NDArray[np.float32]]:
        """Give the leaves, and the probability of each for each of `views`: float32 [n, leaves].

        The probe's word counts as far as a product is familiar, and general knowledge's for the rest
        (`vision.category_pool`). What is missing from a row's sum of 1 is the probability that it is something that
        neither knows.
        """
        degrees = self.familiarity.degrees(first_part(views, self.familiarity.projection.shape[1]))
        if self._wide is None:
            general = np.zeros((len(views), 0), np.float32)
        else:
            _, general = self._wide.scores(first_part(views, self._wide.weights.shape[1]))
        return self._paths, self._pool.scores(degrees, self.probe.scores(views), general)

    @cached_property
    def _wide(self) -> GeneralKnowledge | None:
        return self.general and self.general.tuned(temperature=self.temperature, look_alikes=self.look_alikes)

    @cached_property
    def _pool(self) -> Pool:
        return Pool(self.probe.labels, self._wide.leaves if self._wide is not None else ())

    @cached_property
    def _paths(self) -> tuple[CategoryPath, ...]:
        return tuple(tuple(leaf.split(" > ")) for leaf in self._pool.leaves)

    def save(self, folder: Path, *, notes: Mapping[str, object]) -> None:
        """Write the files into `folder`; `notes` (data, licence, figures) go into the manifest as they are."""
        self.probe.save(folder / PROBE)
        self.familiarity.save(folder / FAMILIAR)
        names = [PROBE, FAMILIAR]
        if self.general is not None:
            self.general.save(folder / GENERAL)
            names.append(GENERAL)
        tuning = {"temperature": self.temperature, "look_alikes": {str(k): v for k, v in self.look_alikes.items()}}
        manifest = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.probe.fingerprint,
            "sha256": {name: _sha256(folder / name) for name in names},
            "general": tuning,
            "remake": "python -m training.fit_category",
            **notes,
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path, *, fingerprint: str) -> CategoryHead:
        """Read and verify the head in `folder`, which must have been fitted on the model `fingerprint`.

        Raises:
            CheckpointError: unreadable, corrupt or of another format; names the file and what to run.
            ModelError: fitted on another model.

        """
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            version, fitted_on = manifest["format_version"], manifest["fingerprint"]
            optional = [GENERAL] if GENERAL in manifest["sha256"] else []
            named = {name: str(manifest["sha256"][name]) for name in (PROBE, FAMILIAR, *optional)}
            actual = {name: _sha256(folder / name) for name in named}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{folder / MANIFEST}: is no category head ({error!r}); {_REMAKE}") from error
        if version != FORMAT_VERSION:
            raise CheckpointError(f"{folder / MANIFEST}: format_version is {version}, not {FORMAT_VERSION}; {_REMAKE}")
        for name, sha256 in named.items():
            if actual[name] != sha256:
                raise CheckpointError(f"{folder / name}: has sha256 {actual[name]}, not {sha256}; {_REMAKE}")
        if fitted_on != fingerprint:
            raise ModelError(f"{folder / MANIFEST}: was fitted on {fitted_on}, not on {fingerprint}; {_REMAKE}")
        return cls(
            Concepts.load(folder / PROBE, fingerprint=fingerprint),
            Familiarity.load(folder / FAMILIAR),
            GeneralKnowledge.load(folder / GENERAL) if optional else None,
            *_tuning(manifest, folder / MANIFEST),
        )

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Tell whether `folder` has a head at all."""
        return (folder / MANIFEST).is_file()


def first_part(views: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Take the first `dim` numbers of each row, float32 [n, dim], unit rows again; rows of zeros stay."""
    part = views[:, :dim]
    lengths = np.linalg.norm(part, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    rows: NDArray[np.float32] = part / lengths
    return rows


def _tuning(manifest: Mapping[str, Any], path: Path) -> tuple[float, dict[int, str]]:
    """Read how sure to be of general knowledge, and which of its classes look like which leaf."""
    try:
        temperature = float(manifest["general"]["temperature"])
        look_alikes = {int(number): str(leaf) for number, leaf in manifest["general"]["look_alikes"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: does not say what to think of the rest ({error!r}); {_REMAKE}") from error
    if not 0 < temperature < np.inf:
        raise CheckpointError(f"{path}: has the temperature {temperature}; {_REMAKE}")
    return temperature, look_alikes


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
