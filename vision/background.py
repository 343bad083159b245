"""What do photos look like that show none of a brand's goods? Embeddings of many, kept beside a model's weights.

A reference that is about to become active is compared with them (`index.breadth` says how often it would match by
mistake). With them lie shapes that nobody owns: squares, circles, letters. Only vectors are kept, four bits a number:
no photo can be seen in them. Written by `touchstone brands background` or, for the one that ships,
`python -m training.fit_background`.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.checkpoint import model_folder
from vision.concepts import digest_of
from vision.errors import CheckpointError, ModelError
from vision.sealed import read_sealed

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
FILE = "background.safetensors"
_REMEDY = "restore it, or write it again with `touchstone brands background`"
# Four bits a number, finer near zero: measured on 12,849 regions under touchstone-s, which has no negative numbers,
# a cosine above 0.6 is off by 0.002 (root mean square); with eight bits the file would be twice as large for nothing.
_LEVELS = 15

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Background:
    """Embeddings of n photos by the model `fingerprint`, float32 with unit rows.

    `photos` [n, dim] are whole photos, `regions` [r, dim] their parts that may be marks, of which row i is of photo
    `owners[i]`, int64 [r] in ascending order; every photo has one. `shapes` [s, dim] are drawn shapes, embedded as
    marks, and `names` what they are called, such as "a circle". `source` says what the photos are.
    """

    fingerprint: str
    photos: Vectors
    regions: Vectors
    owners: NDArray[np.int64]
    shapes: Vectors
    names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        """Raise ValueError when the parts do not fit each other."""
        if not np.array_equal(np.unique(self.owners), np.arange(len(self.photos))) or (np.diff(self.owners) < 0).any():
            raise ValueError("every photo must have regions, and the regions must stand in the order of the photos")
        if len(self.owners) != len(self.regions) or len(self.names) != len(self.shapes):
            raise ValueError("each region needs an owner, and each shape a name")
        if len({rows.shape[1:] for rows in (self.photos, self.regions, self.shapes)}) != 1:
            raise ValueError("all vectors must have one length")

    def __len__(self) -> int:
        """Count the photos."""
        return len(self.photos)

    def similarities(self, views: Vectors, *, marks: bool) -> Vectors:
        """Compare a reference's views, float32 [v, dim], with each photo: its highest cosine, float32 [n]."""
        if not marks:
            whole: Vectors = (self.photos @ views.T).max(axis=1)
            return whole
        starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
        best: Vectors = np.maximum.reduceat((self.regions @ views.T).max(axis=1), starts)
        return best

    def likest_shape(self, views: Vectors) -> tuple[str, float]:
        """Name the shape that any view of a mark looks like most, with the cosine; ("", -1) when there are none."""
        if not len(self.shapes):
            return "", -1.0
        found = (self.shapes @ views.T).max(axis=1)
        best = int(found.argmax())
        return self.names[best], float(found[best])

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        from safetensors.numpy import save

        tensors: dict[str, NDArray[np.generic]] = {"owners": self.owners.astype(np.uint32)}
        signed = bool(min(rows.min(initial=0) for rows in (self.photos, self.regions, self.shapes)) < 0)
        for name in ("photos", "regions", "shapes"):
            tensors[name], tensors[f"{name}_scale"] = _packed(getattr(self, name), signed=signed)
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "fingerprint": self.fingerprint,
            "signed": json.dumps(signed),
            "names": json.dumps(self.names),
            "source": self.source,
            "dim": str(self.photos.shape[1]),
            "sha256": digest_of(**tensors),
        }
        path.write_bytes(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> Background | None:
        """Read what was made for the model `fingerprint`; None when there is no such file.

        Raises:
            CheckpointError: corrupt, or of another format.
            ModelError: made for another model.

        """
        import safetensors

        if not path.is_file():
            return None
        try:
            tensors, metadata = read_sealed(path, format_version=FORMAT_VERSION)
            signed, dim = bool(json.loads(metadata["signed"])), int(metadata["dim"])
            found = cls(
                fingerprint=metadata["fingerprint"],
                owners=tensors["owners"].astype(np.int64),
                names=tuple(json.loads(metadata["names"])),
                source=metadata["source"],
                **{
                    name: _unpacked(tensors[name], tensors[f"{name}_scale"], dim, signed=signed)
                    for name in ("photos", "regions", "shapes")
                },
            )
        except (OSError, KeyError, ValueError, TypeError, safetensors.SafetensorError) as error:
            raise CheckpointError(f"{path}: no background can be read ({error!r}); {_REMEDY}") from error
        if found.fingerprint != fingerprint:
            raise ModelError(f"{path}: was made for {found.fingerprint}, not for {fingerprint}; {_REMEDY}")
        return found

    @classmethod
    def for_model(cls, fingerprint: str, own: Path) -> Background | None:
        """Read the installation's own in the folder `own`, else what ships with the model; None when there is neither.

        One that the installation made for another model is passed over. Raises as `load`.
        """
        try:
            found = cls.load(own / FILE, fingerprint=fingerprint)
        except CheckpointError:
            raise
        except ModelError as error:
            log.warning("%s", error)
            found = None
        return found or cls.load(model_folder(fingerprint) / FILE, fingerprint=fingerprint)


def _packed(rows: Vectors, *, signed: bool) -> tuple[NDArray[np.uint8], Vectors]:
    """Turn rows [n, dim] into uint8 [n, ceil(dim / 2)], two numbers a byte, and their scales, float32 [n]."""
    scale: Vectors = np.abs(rows).max(axis=1, initial=1e-12).astype(np.float32)
    roots = np.sign(rows) * np.sqrt(np.abs(rows) / scale[:, None])
    codes = np.rint((roots + 1) / 2 * _LEVELS if signed else roots * _LEVELS).astype(np.uint8)
    if codes.shape[1] % 2:
        codes = np.pad(codes, ((0, 0), (0, 1)))
    packed: NDArray[np.uint8] = codes[:, ::2] * np.uint8(16) + codes[:, 1::2]
    return packed, scale


def _unpacked(packed: NDArray[np.uint8], scale: Vectors, dim: int, *, signed: bool) -> Vectors:
    """Undo `_packed`, to within its steps; the rows have unit length again."""
    codes = np.stack([packed >> 4, packed & 15], axis=2).reshape(len(packed), -1)[:, :dim]
    steps = codes.astype(np.float32) / np.float32(_LEVELS)
    roots = steps * 2 - 1 if signed else steps
    rows: Vectors = np.sign(roots) * roots**2 * scale[:, None]
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
