"""How is a backup taken while listings are screened? The store as of one moment, then every file that it names.

A file is durable before the record that names it, and collected a day after the last one is gone: whatever the saved
store names is still there to be copied. A photo that somebody had forgotten meanwhile is gone, and said to be missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import SecretStr

from index.audit.entries import Act, Entry
from index.blobs import BlobStore
from index.durable import file_sha256, sync_directory, sync_file
from index.errors import BackupError, BlobDamaged, BlobMissing
from index.local_blobs import LocalBlobs
from index.store.migrate import head as newest_schema
from index.store.store import Store
from serving.app import open_blobs
from serving.audit_signing import head_signer
from serving.backup.manifest import BLOB_LIST, BLOBS, DATA, SETTINGS, STORE, Manifest
from serving.settings import Settings
from vision.background import FILE as BACKGROUND

# Settings that name a file of the operator's which says how to decide. Keys and certificates are left to the operator:
# a backup that is stolen must open nothing.
FILES = ("policy", "fusion", "taxonomy", "exchange_rates", "case_rules", "access")
_OF_DATA = (BACKGROUND,)


def take_backup(store: Store, settings: Settings, folder: Path, *, actor: str) -> Manifest:
    """Write a backup into a folder that is missing or empty. Raises BackupError, StoreError, BlobError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty; name a new folder for each backup")
    folder.chmod(0o700)  # it holds what the store holds
    began, backup_id = datetime.now(UTC), uuid.uuid4().hex
    store.note_act(Entry(act=Act.BACKED_UP, subject=backup_id, actor=actor))
    store.seal_audit(head_signer(settings.evidence_key))
    store.save_to(folder / STORE)
    with Store.open(folder / STORE, migrate=False) as saved:
        saved.verify()
        tables, head = saved.sums(), saved.audit_head()
        blobs, size, missing = _copy_blobs(saved.all_named_blobs(), open_blobs(settings), folder)
    (folder / f"{STORE}-turn").unlink(missing_ok=True)  # which writers of an SQLite file take turns by
    files = [STORE, BLOB_LIST, *_copy_files(settings, folder)]
    for name in files:
        sync_file(folder / name)
    manifest = Manifest(
        backup_id=backup_id,
        create_time=began.isoformat(),
        release=version("touchstone"),
        schema=newest_schema(),
        engine=store.condition().engine,
        files={name: file_sha256(folder / name) for name in files},
        tables=tables,
        blobs=blobs,
        blob_bytes=size,
        missing=missing,
        audit_head=f"{head.position}:{head.hash}" if head else "",
        index=_index_manifests(settings.index_dir),
    )
    manifest.write(folder)
    sync_directory(folder)
    return manifest


def _copy_blobs(digests: Iterable[str], source: BlobStore, folder: Path) -> tuple[int, int, tuple[str, ...]]:
    """Copy files, and list those that were copied; return how many, their bytes, and which were not there."""
    target, count, size, missing = LocalBlobs(folder / BLOBS), 0, 0, []
    with (folder / BLOB_LIST).open("w", encoding="utf-8") as listed:
        for digest in digests:
            try:
                content = source.get(digest)
            except (BlobMissing, BlobDamaged):
                missing.append(digest)
                continue
            target.put(content)
            listed.write(f"{digest}\n")
            count, size = count + 1, size + len(content)
    return count, size, tuple(missing)


def _copy_files(settings: Settings, folder: Path) -> list[str]:
    copied = []
    named = {f"{SETTINGS}/{name}": getattr(settings, name) for name in FILES}
    named |= {f"{DATA}/{name}": settings.data_dir / name for name in _OF_DATA}
    for name, path in named.items():
        if path is not None and path.is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name)
            copied.append(name)
    (folder / SETTINGS).mkdir(exist_ok=True)
    told = f"{SETTINGS}/settings.json"
    (folder / told).write_text(settings_text(settings), encoding="utf-8")
    return [*copied, told]


def settings_text(settings: Settings) -> str:
    """Return all settings but secrets, as JSON: what its digest stands for."""
    values = {name: value for name, value in settings.model_dump(mode="json").items() if not _secret(settings, name)}
    return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _secret(settings: Settings, name: str) -> bool:
    return isinstance(getattr(settings, name), SecretStr)


def _index_manifests(folder: Path) -> dict[str, str]:
    """Return the digests of the manifests of index snapshots. An index is a cache, and is made anew from the store."""
    if not folder.is_dir():
        return {}
    found = sorted(folder.rglob("manifest.json"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
