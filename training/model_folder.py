"""How does a file of weights get into a model folder? Written with its sha256 noted in the folder's manifest.

Each part of a model (visual weights, text weights, projection, vocabulary) has its own command that makes it; whatever
the others made stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vision.checkpoint import FORMAT_VERSION, MANIFEST
from vision.preprocessing import Preprocessing


@dataclass(frozen=True)
class Part:
    """A file of a model folder: its name, its bytes, and what the manifest says of it.

    `fitted_on` is the sha256 of the visual weights that the part fits; None when it fits any.
    """

    file: str
    data: bytes
    licence: str
    source: str
    remake: str
    fitted_on: str | None = None


def write_manifest(
    folder: Path, *, name: str, version: str, dtype: str, dim: int, preprocessing: Preprocessing
) -> None:
    """Write the folder's manifest; the parts that an earlier one names stay named."""
    path = folder / MANIFEST
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else {}
    document = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "version": version,
        "dtype": dtype,
        "dim": dim,
        "preprocessing": asdict(preprocessing),
        "files": earlier.get("files", {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, document)


def write_part(folder: Path, role: str, part: Part) -> None:
    """Write `part` into the folder and name it under `role` in the folder's manifest, which must be there."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    (folder / part.file).write_bytes(part.data)
    entry = {"file": part.file, "sha256": hashlib.sha256(part.data).hexdigest()}
    if part.fitted_on is not None:
        entry["fitted_on"] = part.fitted_on
    manifest["files"][role] = entry | {"licence": part.licence, "source": part.source, "remake": part.remake}
    write_json(path, manifest)


def write_json(path: Path, document: Mapping[str, object]) -> None:
    """Write a document as people read it."""
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
