"""How is a backup put back? Into an empty place, checked before, and compared with the backup afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from index.blobs import BlobShelf
from index.durable import file_sha256
from index.errors import BackupError, BlobDamaged, BlobMissing
from index.local_blobs import LocalBlobs
from index.store.migrate import head as newest_schema
from index.store.store import Store
from index.store.transfer import refuse_used
from serving.app import open_blobs, open_store
from serving.audit_signing import trusted_by
from serving.backup.manifest import BLOB_LIST, BLOBS, DATA, SETTINGS, STORE, Manifest, check_files
from serving.backup.taking import FILES
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was put back. `differing` are settings whose file is another one than when the backup was taken."""

    manifest: Manifest
    rows: int
    audit_entries: int
    differing: tuple[str, ...]


def check_backup(folder: Path) -> Manifest:
    """Read a whole backup, and compare every file with its checksum. Raises BackupError: it names the first fault."""
    manifest = Manifest.read(folder)
    check_files(folder, manifest)
    for _ in _blobs(folder):
        pass
    return manifest


def restore_backup(folder: Path, settings: Settings) -> Restored:
    """Put a backup where the settings say that store, files and data lie; nothing may be there yet.

    Files come first and the store last, in one transaction: what fails half-way leaves no store.

    Raises:
        BackupError: the backup is damaged or of another format, a place is in use, or what arrived is not the same.
        Conflict: the database holds something.
        StoreError: it cannot be reached, or belongs to something else.
        AuditBroken: the audit log in the backup is not what it was.

    """
    manifest = check_backup(folder)
    shelf = open_blobs(settings)
    _refuse_used(settings, shelf)
    with _saved(folder, manifest) as saved:
        expected = saved.sums()
        if manifest.schema == newest_schema() and expected != manifest.tables:
            raise BackupError(f"{folder / STORE} does not hold the rows that the manifest names; take another backup")
        _put_files(folder, manifest, settings, shelf)
        with open_store(settings) as store:
            rows = saved.copy_to(store)
            arrived = store.sums()
            wrong = [name for name, known in expected.items() if arrived[name] != known]
            if wrong:
                names = ", ".join(wrong)
                raise BackupError(f"{store.name}: {names} did not arrive as they were; drop it and restore again")
            tally = store.check_audit(trusted=trusted_by(None))
    return Restored(
        manifest=manifest,
        rows=sum(rows.values()),
        audit_entries=tally.sealed + tally.unsealed,
        differing=tuple(_differing(manifest, settings)),
    )


def _put_files(folder: Path, manifest: Manifest, settings: Settings, shelf: BlobShelf) -> None:
    for content in _blobs(folder):
        shelf.put(content)
    for name in manifest.files:
        if name.startswith(f"{DATA}/"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, settings.data_dir / Path(name).name)


def _refuse_used(settings: Settings, shelf: BlobShelf) -> None:
    if settings.store is not None:
        refuse_used(settings.store_place)
    elif settings.store_path.exists():
        raise BackupError(f"{settings.store_path} exists already; restore into a data folder that holds nothing")
    if settings.index_dir.exists():
        raise BackupError(f"{settings.index_dir} is an index of another store; remove it first")
    if next(shelf.blobs(), None) is not None:
        raise BackupError(
            f"{settings.blob_place.partition('?')[0]} holds files already; name an empty place in `blobs`"
        )


@contextmanager
def _saved(folder: Path, manifest: Manifest) -> Iterator[Store]:
    """Open a copy of the saved store, in this release's schema; the backup itself stays as it is."""
    with tempfile.TemporaryDirectory(prefix="touchstone-restore-") as place:
        copy = Path(place) / STORE
        shutil.copyfile(folder / STORE, copy)
        with Store.open(copy, migrate=manifest.schema != newest_schema()) as saved:
            yield saved


def _blobs(folder: Path) -> Iterator[bytes]:
    """Yield each file that is listed. Raises BackupError when one is damaged or missing."""
    shelf = LocalBlobs(folder / BLOBS)
    with (folder / BLOB_LIST).open(encoding="utf-8") as listed:
        for line in listed:
            try:
                yield shelf.get(line.strip())
            except (BlobMissing, BlobDamaged) as error:
                raise BackupError(f"{folder}: the file {line.strip()} is damaged or missing: {error}") from error


def _differing(manifest: Manifest, settings: Settings) -> Iterator[str]:
    for name in FILES:
        kept, present = f"{SETTINGS}/{name}", getattr(settings, name)
        same = present is not None and present.is_file() and file_sha256(present) == manifest.files.get(kept)
        if (kept in manifest.files or present is not None) and not same:
            yield name
