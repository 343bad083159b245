"""Is every file whole, and which are of no use any more? What an operator runs on a blob store.

A file is of no use when nothing in the store names it and it was put longer ago than the grace period. Whoever records
a digest puts its file first, which counts as put then: a grace period longer than any upload takes loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from index.blobs import Blob, BlobShelf, BlobStore
from index.errors import BlobDamaged, BlobMissing
from index.store.engine import in_batches

GRACE = timedelta(hours=24)
# Bounds what is held between the listing and the deletion.
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Collected:
    """What a collection did, or would do: files looked at, files of no use, and their bytes."""

    kept: int
    deleted: int
    freed_bytes: int


def collect(
    shelf: BlobShelf,
    referenced: Callable[[Collection[str]], Collection[str]],
    *,
    older_than: timedelta = GRACE,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Collected:
    """Delete what nothing names and was put longer ago than `older_than`.

    `referenced` picks those of some digests that the store names; it is asked after the files were listed.
    """
    before = (now or datetime.now(UTC)) - older_than
    kept = deleted = freed = 0
    for batch in in_batches(shelf.blobs(), _AT_ONCE):
        old = [blob for blob in batch if blob.put_time < before]
        named = referenced([blob.sha256 for blob in old]) if old else ()
        useless = [blob for blob in old if blob.sha256 not in named]
        gone = [blob for blob in useless if dry_run or shelf.discard(blob.sha256, before=before)]
        kept += len(batch) - len(gone)
        deleted += len(gone)
        freed += sum(blob.size for blob in gone)
    return Collected(kept=kept, deleted=deleted, freed_bytes=freed)


def drop(
    shelf: BlobShelf,
    sha256s: Collection[str],
    referenced: Callable[[Collection[str]], Collection[str]],
    *,
    before: datetime,
) -> int:
    """Delete those files that nothing names any more and that were put before a time; return how many were."""
    named = referenced(sha256s)
    return sum(shelf.discard(sha256, before=before) for sha256 in sorted({*sha256s}.difference(named)))


def faults(shelf: BlobShelf) -> Iterator[tuple[Blob, str]]:
    """Read every file: each with what is wrong with it, or "". Slow on a large store."""
    for blob in shelf.blobs():
        try:
            shelf.get(blob.sha256)
        except BlobMissing:  # collected since it was listed
            continue
        except BlobDamaged as error:
            yield blob, str(error)
        else:
            yield blob, ""


def lacking(shelf: BlobShelf, files: Iterable[tuple[str, str]], present: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield those of the `files`, each of an owner and a sha256, that are not there.

    `present` are the digests that a walk over the shelf met before `files` are asked for; what it did not meet may have
    come since and is looked up.
    """
    for owner, sha256 in files:
        if sha256 not in present:
            try:
                shelf.get(sha256)
            except BlobMissing:
                yield owner, sha256
            except BlobDamaged:  # it is there; whoever verifies next hears of it
                continue


def copy(source: BlobShelf, target: BlobStore) -> Iterator[tuple[Blob, str]]:
    """Copy every file; what was copied before is not kept twice. Yields each with what is wrong with it, or ""."""
    for blob in source.blobs():
        try:
            target.put(source.get(blob.sha256))
        except BlobMissing:  # collected since it was listed
            continue
        except BlobDamaged as error:
            yield blob, str(error)
        else:
            yield blob, ""
