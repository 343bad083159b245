"""How does a catalogue survive a restart? As an immutable directory of arrays with a manifest that proves them.

    ROOT/CURRENT                 the name of the snapshot in use
    ROOT/snapshot-XXXXXXXX/      manifest.json and one .npy file for each column of `CatalogueColumns`
    ROOT/.building-XXXXXXXX/     one being written, or left half-written by a crash; never read

A snapshot is written under a temporary name, synced and renamed, and only then does CURRENT name it. The store is the
truth: whatever is wrong with a snapshot, `touchstone index build` makes a new one. No pickle is written or read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.columns import CatalogueColumns
from index.errors import SnapshotError
from index.records import ReferenceKind, shows_mark

FORMAT_VERSION = 2  # 1 had neither `reference_marks` nor `copy_vectors`
REMEDY = "rebuild it from the store with `touchstone index build`"
_MANIFEST = "manifest.json"
_CURRENT = "CURRENT"
_PREFIX = "snapshot-"
_BUILDING = ".building-"
# The one before stays for a process that has read CURRENT but not yet opened what it names.
_KEPT = 2
_LATER_COLUMNS = {"reference_marks", "copy_vectors"}  # not in format version 1
# Nobody takes a day to write one.
_ABANDONED_S = 86_400


@dataclass(frozen=True)
class SnapshotFile:
    """One array's file, and what it must digest to."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a snapshot says of itself.

    `store_version` is the store's when it was read; `index_version` names the content, and decisions cite it.
    """

    format_version: int
    fingerprint: str
    store_version: int
    index_version: str
    dim: int
    vectors: int
    references: int
    brands: int
    copies: int
    files: tuple[SnapshotFile, ...]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A verified snapshot; its vectors are memory-mapped, read-only."""

    path: Path
    manifest: Manifest
    columns: CatalogueColumns


def write_snapshot(
    root: Path, columns: CatalogueColumns, *, fingerprint: str, store_version: int, index_version: str
) -> Path:
    """Write a snapshot below `root`, make it the current one, and remove those before the last."""
    building = root / f"{_BUILDING}{uuid.uuid4().hex[:12]}"
    try:
        building.mkdir(parents=True)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            fingerprint=fingerprint,
            store_version=store_version,
            index_version=index_version,
            dim=columns.vectors.shape[1],
            vectors=len(columns.vectors),
            references=len(columns.reference_ids),
            brands=len(columns.brand_ids),
            copies=len(columns.copy_sha256),
            files=tuple(_write_array(building / f"{name}.npy", column) for name, column in columns.named()),
        )
        _write_file(building / _MANIFEST, _manifest_bytes(manifest))
        _sync_directory(building)
        path = building.rename(root / building.name.replace(_BUILDING, _PREFIX, 1))
        _point_current_at(root, path.name)
    except OSError as error:
        raise SnapshotError(
            f"No snapshot can be written to {root} ({error}): make room there and try again."
        ) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)  # it is there only when something went wrong
    _remove_old(root, current=path.name)
    return path


def current_snapshot(root: Path) -> Path | None:
    """Give the snapshot in use below `root`, or None when there has never been one."""
    pointer = root / _CURRENT
    try:
        name = pointer.read_bytes().strip().decode(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SnapshotError(f"{pointer} cannot be read ({error}): {REMEDY}.") from error
    if not name.startswith(_PREFIX) or Path(name).name != name or not (root / name).is_dir():
        raise SnapshotError(f"{pointer} names {name!r}, which is not a snapshot in {root}: {REMEDY}.")
    return root / name


def read_manifest(path: Path, *, fingerprint: str) -> Manifest:
    """Read and verify the manifest of the snapshot at `path`, without its arrays. Raises `SnapshotError`."""
    file = path / _MANIFEST
    try:
        document = json.loads(file.read_bytes())
        claimed, fields = document["manifest_sha256"], document["manifest"]
        format_version = fields["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotError(f"{file} cannot be read ({error}): {REMEDY}.") from error
    if format_version not in range(1, FORMAT_VERSION + 1):
        raise SnapshotError(
            f"{file} has format version {format_version}, but this program reads 1 to {FORMAT_VERSION}: use the "
            f"release that wrote it, or {REMEDY}."
        )
    if claimed != _digest_of(fields):
        raise SnapshotError(f"{file} does not digest to the sha256 in it, so it was changed or damaged: {REMEDY}.")
    manifest = Manifest(**{**fields, "files": tuple(SnapshotFile(**entry) for entry in fields["files"])})
    if manifest.fingerprint != fingerprint:
        raise SnapshotError(
            f"{file} holds vectors of model {manifest.fingerprint}, but the model in use is {fingerprint}, and "
            f"vectors of two models do not compare: choose the other model, or {REMEDY}."
        )
    return manifest


def load_snapshot(path: Path, *, fingerprint: str) -> Snapshot:
    """Read and verify the snapshot at `path`. Raises `SnapshotError`, naming the file at fault."""
    manifest = read_manifest(path, fingerprint=fingerprint)
    later = _LATER_COLUMNS if manifest.format_version < FORMAT_VERSION else set()
    expected = {f"{column.name}.npy" for column in dataclasses.fields(CatalogueColumns) if column.name not in later}
    listed = {file.name for file in manifest.files}
    if listed != expected:
        raise SnapshotError(f"{path / _MANIFEST} lists {sorted(listed)}, not {sorted(expected)}: {REMEDY}.")
    arrays = {file.name.removesuffix(".npy"): _read_array(path, file) for file in manifest.files}
    if later:
        arrays |= _later_columns(arrays)
    try:
        columns = CatalogueColumns(**arrays)
    except ValueError as error:
        raise SnapshotError(f"{path} contradicts itself ({error}): {REMEDY}.") from error
    return Snapshot(path, manifest, columns)


def _later_columns(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Stand in for the columns that format version 1 did not have: every reference of these kinds was a mark."""
    kinds = [ReferenceKind(kind.decode()) for kind in arrays["reference_kinds"]]
    marks = [kind is ReferenceKind.EXAMPLE or shows_mark(kind, None) for kind in kinds]
    return {
        "reference_marks": np.array(marks, np.bool_),
        "copy_vectors": np.zeros((len(arrays["copy_sha256"]), 0), np.float16),
    }


def _write_array(file: Path, array: NDArray[Any]) -> SnapshotFile:
    with file.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    return SnapshotFile(file.name, _file_sha256(file))


def _read_array(path: Path, entry: SnapshotFile) -> NDArray[Any]:
    """Verify one array's file and read it; the vectors, which are most of a snapshot, are mapped instead."""
    file = path / entry.name
    try:
        if _file_sha256(file) != entry.sha256:
            raise SnapshotError(f"{file} does not digest to the sha256 in the manifest, so it is damaged: {REMEDY}.")
        mapped = entry.name == "vectors.npy"
        array: NDArray[Any] = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SnapshotError(f"{file} cannot be read ({error}): {REMEDY}.") from error
    return array


def _file_sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest_bytes(manifest: Manifest) -> bytes:
    fields = dataclasses.asdict(manifest)
    return json.dumps({"manifest": fields, "manifest_sha256": _digest_of(fields)}, indent=2).encode()


def _digest_of(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _point_current_at(root: Path, name: str) -> None:
    temporary = root / f"{_BUILDING}{name}"
    _write_file(temporary, f"{name}\n".encode())
    temporary.replace(root / _CURRENT)
    _sync_directory(root)


def _write_file(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_directory(path: Path) -> None:
    """Make renames within a directory survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_old(root: Path, *, current: str) -> None:
    """Remove all but the newest snapshots, and what crashes left half-written.

    A process that has an old snapshot mapped keeps its content until it lets go.
    """
    snapshots = sorted(root.glob(f"{_PREFIX}*"), key=lambda path: path.stat().st_mtime_ns)
    abandoned = [path for path in root.glob(f"{_BUILDING}*") if time.time() - path.stat().st_mtime > _ABANDONED_S]
    for path in [*snapshots[:-_KEPT], *abandoned]:
        if path.name != current:
            shutil.rmtree(path, ignore_errors=True)
