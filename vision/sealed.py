"""Are these the arrays that were saved? Reads files of arrays with a format version and a digest of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vision.concepts import digest_of


def read_sealed(path: Path, *, format_version: int) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read a safetensors file's arrays and metadata, whose `sha256` is `vision.concepts.digest_of` the arrays.

    Raises:
        OSError, SafetensorError: it cannot be read.
        KeyError: the metadata lack the version or the digest.
        ValueError: it is of another format version, or its arrays were changed.

    """
    import safetensors

    with safetensors.safe_open(path, framework="numpy") as file:
        metadata: dict[str, str] = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    if metadata["format_version"] != str(format_version):
        raise ValueError(f"format_version is {metadata['format_version']}, this reads {format_version}")
    if metadata["sha256"] != digest_of(**tensors):
        raise ValueError("the numbers are not those that were saved (sha256)")
    return tensors, metadata
