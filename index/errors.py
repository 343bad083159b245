"""Index's branch of the exception tree drawn in `vision.errors`."""

from __future__ import annotations

from vision.errors import TouchstoneError


class BackendError(TouchstoneError):
    """A vector index backend is unknown, not installed or lacks its device; the message says what there is."""


class SnapshotError(TouchstoneError):
    """An index snapshot is corrupt, foreign or of an unknown format; the message names the file and the remedy."""


class StoreError(TouchstoneError):
    """The store cannot be opened, read or written."""


class StoreAway(StoreError):
    """The store did not answer in time, or is known not to answer now: nothing was asked of it."""


class NotFound(StoreError):
    """There is no such brand, reference, decision or listing."""


class Conflict(StoreError):
    """It exists already, or somebody else changed it first."""


class LostRace(Conflict):
    """Another change was under way at the same time, and this one was taken back whole; it can be made again."""


class KeyReused(Conflict):
    """An idempotency key came again with another request."""


class NameTaken(Conflict):
    """Another brand goes by a name, alias or keyword already; `names` are those, as they were given."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__(f"Another brand goes by {', '.join(map(repr, sorted(names)))} already; read it and update it.")
        self.names = names


class DecidedAnew(Conflict):
    """A listing got another decision between the reading of the last one and what was to follow from it."""


class NotPermitted(StoreError):
    """Another person must do it: whoever took part in a decision does not judge it again."""


class AuditBroken(StoreError):
    """The audit log is not what it was; `position` is that of the first entry at fault, 0 of none in particular."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class BackupError(StoreError):
    """A backup cannot be made or put back; the message names the file and what is wrong with it."""


class BlobError(TouchstoneError):
    """A blob store cannot be reached, read or written."""


class BlobMissing(BlobError):
    """There is no file of this digest."""


class BlobDamaged(BlobError):
    """A file's bytes are not those that were kept; the message says which and what to do."""


class PriceDataError(TouchstoneError):
    """An exchange-rate table or a price history cannot be used."""


class SellerDataError(TouchstoneError):
    """What a file says of a seller cannot be used; the message names the field and masks what is personal."""


class CatalogueError(TouchstoneError):
    """A listing or reference manifest cannot be used; the message names file, line and what is allowed."""


class ReferenceTooSmall(CatalogueError):
    """A reference has too few pixels to be told from anything else."""


class ListingIndexError(TouchstoneError):
    """The index of screened listings is not built yet, is full or cannot be reached; screening goes on without it."""
