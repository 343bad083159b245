"""What do the two sides of a Triton server agree on? Names of models and tensors, and what a model says of itself.

A model's name holds the fingerprint of what it serves. So a request reaches the weights that its sender means or none:
also after a server was restarted with others, and while a roll-out serves two side by side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from vision.errors import ModelError
from vision.forward import AUTO

FORMAT_VERSION = "1"

IMAGES, MARKS, BOXES = "images", "marks", "boxes"
"""What a model answers for: whole images, crops of marks, or where marks are."""

PICTURES = "pictures"  # uint8 [n, height, width, 3], RGB, of the network's input size
ROWS = "rows"  # float32 [n, dim], of length 1
FOUND = "boxes"  # float64 [n, most, 5]: left, top, right, bottom in 0..1, and confidence: 0 where there is no box


@dataclass(frozen=True, kw_only=True)
class Served:
    """What stands among the parameters of a model's configuration; all of it is text there."""

    role: str
    fingerprint: str
    manifest_sha256: str  # of the manifest beside the weights, which names theirs
    batch_size: int  # pictures a forward pass
    threads: int  # of the CPU for each instance; 0: its share of the cores
    forward: str  # path of an instance's network, of vision.forward

    def parameters(self) -> dict[str, str]:
        """Write it as a configuration's parameters."""
        return {
            "format_version": FORMAT_VERSION,
            "role": self.role,
            "fingerprint": self.fingerprint,
            "manifest_sha256": self.manifest_sha256,
            "batch_size": str(self.batch_size),
            "threads": str(self.threads),
            "forward": self.forward,
        }

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Self:
        """Read it from a configuration's parameters. Raises ModelError."""
        if parameters.get("format_version") != FORMAT_VERSION:
            raise ModelError(
                f"this model's format_version is {parameters.get('format_version')!r}, this Touchstone reads "
                f"{FORMAT_VERSION!r}: write the repository again with `touchstone export-triton`"
            )
        try:
            return cls(
                role=parameters["role"],
                fingerprint=parameters["fingerprint"],
                manifest_sha256=parameters["manifest_sha256"],
                batch_size=int(parameters["batch_size"]),
                threads=int(parameters["threads"]),
                forward=parameters.get("forward", AUTO),  # what was written before there was a choice runs so
            )
        except (KeyError, ValueError) as error:
            raise ModelError(f"this model was not written by `touchstone export-triton`: {error!r}") from error


def model_name(fingerprint: str, role: str) -> str:
    """Name the model that answers for `role` with the weights of `fingerprint`: `touchstone-s-5f8e1f0f2c9d-images`."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', fingerprint)}-{role}"
