"""How does a catalogue survive a restart? As an immutable directory of arrays with a manifest that proves them.

    ROOT/CURRENT                 the name of the snapshot in use
    ROOT/BUILDING                locked by the one process that builds (`index.build_lock`)
    ROOT/snapshot-XXXXXXXX/      manifest.json, one .npy file for each column of `CatalogueColumns`, and trained indexes
    ROOT/.building-XXXXXXXX/     one being written, or left half-written by a crash; never read

A snapshot is written under a temporary name, synced and renamed, and only then does CURRENT name it. The store is the
truth: whatever is wrong with a snapshot, a new one is made of the store. No pickle is written or read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.columns import CatalogueColumns
from index.durable import file_sha256, sync_directory, sync_file, write_file
from index.errors import SnapshotError
from index.older_snapshots import columns_of, completed

FORMAT_VERSION = 3  # see `index.older_snapshots` for those before
REMEDY = "rebuild it from the store with `touchstone index build`"
_MANIFEST = "manifest.json"
_CURRENT = "CURRENT"
_PREFIX = "snapshot-"
_BUILDING = ".building-"
# The one before stays for a process that has read CURRENT but not yet opened what it names.
_KEPT = 2
_VECTORS = "vectors.npy"
_TRAINED = ".faiss"
# Vectors of up to this size are digested before they are used; of more, the digest would take longer than a start may:
# `check_vectors_file` does it afterwards. A wrong byte in them can spoil a similarity and nothing else.
_DIGESTED_AT_ONCE = 64 * 2**20
# Nobody takes a day to write one.
_ABANDONED_S = 86_400


@dataclass(frozen=True)
class SnapshotFile:
    """One array's file, and what it must digest to."""

    name: str
    sha256: str
    size: int = -1  # bytes; not in format versions 1 and 2


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
    """A verified snapshot; its vectors are memory-mapped, read-only.

    `trained` are the files of indexes that were trained for it, by name. Of vectors that are not `checked`, only the
    size was looked at: `check_vectors_file` does the rest.
    """

    path: Path
    manifest: Manifest
    columns: CatalogueColumns
    trained: Mapping[str, Path]
    checked: bool


def write_snapshot(
    root: Path,
    columns: CatalogueColumns,
    *,
    fingerprint: str,
    store_version: int,
    index_version: str,
    trained: Mapping[str, Callable[[Path], object]] | None = None,
) -> Path:
    """Write a snapshot below `root`, make it the current one, and remove those before the last.

    `trained` writes further files, by name: indexes that take long to make and are read as they are.
    """
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
            files=(
                *(_write_array(building / f"{name}.npy", column) for name, column in columns.named()),
                *(_write_trained(building / f"{name}{_TRAINED}", write) for name, write in (trained or {}).items()),
            ),
        )
        write_file(building / _MANIFEST, _manifest_bytes(manifest))
        sync_directory(building)
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
    names = {column.name for column in dataclasses.fields(CatalogueColumns)}
    expected = {f"{name}.npy" for name in columns_of(manifest.format_version, names)}
    listed = {file.name for file in manifest.files if not file.name.endswith(_TRAINED)}
    if listed != expected:
        raise SnapshotError(f"{path / _MANIFEST} lists {sorted(listed)}, not {sorted(expected)}: {REMEDY}.")
    later = [file for file in manifest.files if file.name == _VECTORS and file.size > _DIGESTED_AT_ONCE]
    _check_digests(path, [file for file in manifest.files if file not in later])
    arrays = {name.removesuffix(".npy"): _read_array(path / name) for name in expected}
    try:
        columns = CatalogueColumns(**completed(arrays))
    except ValueError as error:
        raise SnapshotError(f"{path} contradicts itself ({error}): {REMEDY}.") from error
    for file in later:
        if (path / file.name).stat().st_size != file.size or columns.vectors.shape != (manifest.vectors, manifest.dim):
            raise SnapshotError(f"{path / file.name} is not of the size in the manifest, so it is damaged: {REMEDY}.")
    trained = {
        file.name.removesuffix(_TRAINED): path / file.name for file in manifest.files if file.name.endswith(_TRAINED)
    }
    return Snapshot(path, manifest, columns, trained, checked=not later)


def check_vectors_file(snapshot: Snapshot) -> None:
    """Verify the vectors that `load_snapshot` left for later. Raises `SnapshotError`."""
    _check_digests(snapshot.path, [file for file in snapshot.manifest.files if file.name == _VECTORS])


def _check_digests(path: Path, files: list[SnapshotFile]) -> None:
    """Digest files, two at a time, and name the first that is not what was written."""
    with ThreadPoolExecutor(2) as pool:
        try:
            found = list(pool.map(file_sha256, [path / file.name for file in files]))
        except OSError as error:
            raise SnapshotError(f"{error.filename} cannot be read ({error.strerror}): {REMEDY}.") from error
    for file, digest in zip(files, found, strict=True):
        if digest != file.sha256:
            raise SnapshotError(
                f"{path / file.name} does not digest to the sha256 in the manifest, so it is damaged: {REMEDY}."
            )


def _write_array(file: Path, array: NDArray[Any]) -> SnapshotFile:
    with file.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
    return _written(file)


def _write_trained(file: Path, write: Callable[[Path], object]) -> SnapshotFile:
    write(file)
    return _written(file)


def _written(file: Path) -> SnapshotFile:
    sync_file(file)
    return SnapshotFile(file.name, file_sha256(file), file.stat().st_size)


def _read_array(file: Path) -> NDArray[Any]:
    """Read one array; the vectors, which are most of a snapshot, are mapped instead."""
    try:
        mapped = file.name == _VECTORS
        array: NDArray[Any] = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise SnapshotError(f"{file} cannot be read ({error}): {REMEDY}.") from error
    return array


def _manifest_bytes(manifest: Manifest) -> bytes:
    fields = dataclasses.asdict(manifest)
    return json.dumps({"manifest": fields, "manifest_sha256": _digest_of(fields)}, indent=2).encode()


def _digest_of(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _point_current_at(root: Path, name: str) -> None:
    temporary = root / f"{_BUILDING}{name}"
    write_file(temporary, f"{name}\n".encode())
    temporary.replace(root / _CURRENT)
    sync_directory(root)


def _remove_old(root: Path, *, current: str) -> None:
    """Remove all but the newest snapshots, and what crashes left half-written.

    A process that has an old snapshot mapped keeps its content until it lets go.
    """
    snapshots = sorted(root.glob(f"{_PREFIX}*"), key=lambda path: path.stat().st_mtime_ns)
    abandoned = [path for path in root.glob(f"{_BUILDING}*") if time.time() - path.stat().st_mtime > _ABANDONED_S]
    for path in [*snapshots[:-_KEPT], *abandoned]:
        if path.name != current:
            shutil.rmtree(path, ignore_errors=True)
