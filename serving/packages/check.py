"""Is an evidence package what was made? Checksums, schema and chain, of a zip or of the folder that it was unpacked to.

Needs nothing but the package: whoever receives one can run it. That the package is the one that the service recorded is
told by the zip's own sha256, which the service's log and the next package name, and by its signature, where the
operator signs packages and the recipient has their public key.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from index.blobs import digest_of
from serving.errors import PackageError
from serving.packages.chain import GENESIS, commitment, link_hash
from serving.packages.pictures import MOST_BYTES
from serving.packages.redaction import missing
from serving.packages.schema import SCHEMA_VERSION, Document
from serving.packages.signing import is_signed
from serving.packages.zip import SIGNATURE, SUMS

_REQUIRED = ("package.json", "statement.json", "chain.json", "package.pdf", SUMS)

_MOST_FILES = 1_000
"""Files of a package: one for each photo, reference, crop and overlay of a decision, a few hundred at most."""

_MOST_BYTES = 2 * MOST_BYTES
"""Bytes of all files together: pictures up to `MOST_BYTES`, and as much for drawings and the PDF."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found: `faults` are empty for a sound package. `sha256` is the zip's, "" of a folder.

    `signer` is who signed it by its own account, "" when nobody did.
    """

    package_id: str
    files: int
    events: int
    sha256: str
    signer: str
    faults: tuple[str, ...]


def check_package(path: Path, key: Ed25519PublicKey | None = None) -> Checked:
    """Check a package, and with `key` that it is signed by that. Raises PackageError when it is none, or unreadable."""
    files, sha256 = _read(path)
    faults = list(_sums(files))
    document, of_schema = _document(files)
    faults += of_schema
    events, of_chain = _chain(files, document)
    faults += of_chain
    faults += _signature(files, document, key)
    return Checked(
        package_id="" if document is None else document.package_id,
        files=len(files),
        events=events,
        sha256=sha256,
        signer=(document.signer if document is not None else None) or "",
        faults=tuple(faults),
    )


def _read(path: Path) -> tuple[dict[str, bytes], str]:
    try:
        if path.is_dir():
            found, sha256 = _of_folder(path), ""
        else:
            with zipfile.ZipFile(path) as archive:
                found = _of_zip(path, archive)
            sha256 = digest_of(path.read_bytes())
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:  # also raised where a file's own checksum does not hold
        raise PackageError(f"{path}: {error}; the file was changed or cut off, ask for the package again") from error
    except OSError as error:
        raise PackageError(f"{path}: {error.strerror or error}") from error
    if SUMS not in found:
        raise PackageError(f"{path} has no {SUMS}, so it is no evidence package; name the zip, or its folder")
    return found, sha256


def _of_folder(path: Path) -> dict[str, bytes]:
    found: dict[str, Path] = {}
    for one in path.rglob("*"):
        if one.is_symlink():
            raise PackageError(f"{path}: {one.name} is a link, and a package holds files only")
        if one.is_file():
            found[one.relative_to(path).as_posix()] = one
        _check_extent(path, len(found))
    _check_extent(path, len(found), sum(one.stat().st_size for one in found.values()))
    return {name: one.read_bytes() for name, one in found.items()}


def _of_zip(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    """Read the files of a zip that claims to be as `serving.packages.zip` makes them. Raises PackageError."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    _check_extent(path, len(entries), sum(entry.file_size for entry in entries))
    if len({entry.filename for entry in entries}) < len(entries):
        raise PackageError(f"{path} holds two files of one name, so that it can be read in two ways")
    for entry in entries:
        # What is not compressed cannot be a bomb: no more comes out than the file itself has.
        if entry.compress_type != zipfile.ZIP_STORED:
            raise PackageError(f"{path}: {entry.filename} is compressed, which packages are not; it was made elsewhere")
    return {entry.filename: archive.read(entry) for entry in entries}


def _check_extent(path: Path, files: int, size: int = 0) -> None:
    if files > _MOST_FILES or size > _MOST_BYTES:
        raise PackageError(
            f"{path} holds {files:,} files of {size:,} bytes; packages have {_MOST_FILES:,} of {_MOST_BYTES:,} at most"
        )


def _sums(files: Mapping[str, bytes]) -> Iterator[str]:
    named: dict[str, str] = {}
    for line in files[SUMS].decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        named[name] = digest
    for name, digest in sorted(named.items()):
        if name not in files:
            yield f"{name}: is missing"
        elif digest_of(files[name]) != digest:
            yield f"{name}: was changed"
    for name in sorted(set(files) - set(named) - {SUMS, SIGNATURE}):
        yield f"{name}: was added"
    for name in _REQUIRED:
        if name not in files and name not in named:
            yield f"{name}: is missing, and not named in {SUMS}"


def _signature(files: Mapping[str, bytes], document: Document | None, key: Ed25519PublicKey | None) -> Iterator[str]:
    signed = SIGNATURE in files
    if not signed and (key is not None or (document is not None and document.signer)):
        yield f"{SIGNATURE}: is missing"
    elif signed and key is not None and not is_signed(files[SUMS], files[SIGNATURE], key):
        yield f"{SIGNATURE}: is not a signature of this package by this key"


def _json(files: Mapping[str, bytes], name: str) -> Any:
    try:
        return json.loads(files.get(name, b"null"))
    except (ValueError, RecursionError):
        return None


def _document(files: Mapping[str, bytes]) -> tuple[Document | None, list[str]]:
    content = _json(files, "package.json")
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        return None, [f"package.json: is of schema version {version!r}; this release reads {SCHEMA_VERSION}"]
    try:
        document = Document.model_validate(content)
    except ValidationError as error:
        fields = (".".join(map(str, one["loc"])) + ": " + one["msg"] for one in error.errors())
        return None, [f"package.json: {one}" for one in fields]
    unnamed = set(missing(document)) - set(document.not_held) - set(document.withheld)
    return document, [f"package.json: {name} is empty, and neither not_held nor withheld" for name in sorted(unnamed)]


def _chain(files: Mapping[str, bytes], document: Document | None) -> tuple[int, list[str]]:
    content = _json(files, "chain.json")
    try:
        faults = list(_links(content))
        head, length = content["head"], len(content["events"])
    except (TypeError, KeyError, ValueError, AttributeError):
        return 0, ["chain.json: is no chain of events"]
    if document is not None and (document.chain_head, document.chain_length) != (head, length):
        faults.append("package.json: names another chain than chain.json has")
    return length, faults


def _links(content: Any) -> Iterator[str]:
    previous, commitments = GENESIS, {}
    for number, link in enumerate(content["events"], start=1):
        if link["number"] != number or link["previous"] != previous:
            yield f"chain.json: event {number} does not follow the one before it"
        if link_hash(link) != link["hash"]:
            yield f"chain.json: event {number} ({link['kind']} {link['id']}) was changed"
        previous = link["hash"]
        commitments.update({(number, name): value for name, value in link["commitments"].items()})
    if content["head"] != previous:
        yield "chain.json: the head is not the last event's hash"
    for one in content["disclosed"]:
        place = (one["number"], one["field"])
        if commitments.get(place) != commitment(one["salt"], one["value"]):
            yield f"chain.json: {one['field']} of event {one['number']} is not what was committed to"
