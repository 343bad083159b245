"""What does a backup hold? Its manifest: format, revision, each file's checksum, each table's rows and checksum.

It is written last, so a folder without one is no backup, and whoever changes a file is found out by it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from index.blobs import digest_of
from index.durable import file_sha256
from index.errors import BackupError
from index.store.checksums import TableSum

FORMAT = 1
MANIFEST = "manifest.json"
STORE = "store.db"
BLOBS = "blobs"
BLOB_LIST = "blobs.txt"
SETTINGS = "settings"  # the folder of files that settings name
DATA = "data"  # the folder of files of the data folder


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A backup's contents. `files` are sha256s by path, without the blobs, whose digests `blobs.txt` lists.

    `missing` are digests that the store names and the blob store did not have; `audit_head` is POSITION:HASH.
    """

    backup_id: str
    create_time: str
    release: str
    schema: str
    engine: str
    files: dict[str, str]
    tables: dict[str, TableSum]
    blobs: int
    blob_bytes: int
    missing: tuple[str, ...]
    audit_head: str
    index: dict[str, str]
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it where `read` finds it."""
        document = with_sum(asdict(self))
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a backup's manifest. Raises BackupError: there is none, it is damaged, or of another format."""
        path = folder / MANIFEST
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise BackupError(
                    f"{path} is of format {document['format']!r}, and this release reads {FORMAT}: restore it by the "
                    f"release that made it, {document.get('release')!r}"
                )
            if document != with_sum(document):
                raise ValueError("its own checksum is another")
            del document["sha256"]
            tables = {name: TableSum(**known) for name, known in document.pop("tables").items()}
            return cls(**document | {"tables": tables, "missing": tuple(document["missing"])})
        except FileNotFoundError as error:
            raise BackupError(f"{folder} is no backup, or one that was not finished: it has no {MANIFEST}") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BackupError(f"{path} is damaged: {error!r}; take another backup") from error


def with_sum(document: dict[str, Any]) -> dict[str, Any]:
    """Add the checksum of all else: a manifest that was damaged is found out before anything is made of it."""
    rest = {name: value for name, value in document.items() if name != "sha256"}
    return rest | {"sha256": digest_of(json.dumps(rest, sort_keys=True).encode())}


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file but the blobs, which compare themselves, with the manifest. Raises BackupError."""
    for name, sha256 in sorted(manifest.files.items()):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BackupError(f"the manifest names {name!r}, which lies outside of the backup")
        if not path.is_file():
            raise BackupError(f"{path} is missing; take another backup")
        if file_sha256(path) != sha256:
            raise BackupError(f"{path} is damaged: its sha256 is not the manifest's; take another backup")
