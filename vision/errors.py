"""What can go wrong in Touchstone: the root of the one exception tree, and vision's branch of it.

The whole tree (each package defines its own branch; `serving.errors` maps every leaf to a gRPC code):

    TouchstoneError
    ├── ImageError               vision   one image cannot be used; carries an `ImageFault`
    ├── NoDecoder                vision   no process can decode an image now; it was not looked at
    ├── ModelError               vision   a model cannot be loaded or does not fit its artefacts
    │   ├── CheckpointError      vision   checkpoint missing, corrupt or not the one its manifest names
    │   ├── UnsupportedByModel   vision   the model lacks what was asked (a text tower, say)
    │   └── ModelUnavailable     vision   what runs the model is out of reach or overloaded; the photos are well
    ├── TaxonomyError            vision   a taxonomy or concept file breaks its own rules
    ├── BackendError             index    a vector index backend is unknown, not installed or lacks its device
    ├── SnapshotError            index    an index snapshot is corrupt, foreign or of an unknown format
    ├── StoreError               index    the store cannot be opened, read or written
    │   ├── StoreAway            index    it does not answer in time, or is known not to
    │   ├── NotFound             index    no such brand, reference, decision, listing, ...
    │   ├── Conflict             index    it exists already, or was changed by somebody else
    │   │   ├── NameTaken        index    another brand goes by that name
    │   │   ├── DecidedAnew      index    a listing got another decision meanwhile
    │   │   ├── LostRace         index    another change was under way; this one was taken back and can be made again
    │   │   └── KeyReused        index    an idempotency key came again with another request
    │   ├── NotPermitted         index    another person must do it
    │   ├── AuditBroken          index    the audit log is not what it was; carries the position
    │   └── BackupError          index    a backup cannot be made, or is damaged, or must not be put back there
    ├── BlobError                index    the store of references' files cannot be reached, read or written
    │   ├── BlobMissing          index    there is no file of this digest
    │   └── BlobDamaged          index    a file's bytes are not those that were kept
    ├── PriceDataError           index    an exchange-rate table or price history cannot be used
    ├── SellerDataError      index    what a file says of a seller cannot be used
    ├── ListingIndexError        index    the index of screened listings is not built, full or out of reach
    ├── CatalogueError           index    a listing or reference manifest cannot be used
    │   └── ReferenceTooSmall    index    a reference has too few pixels to be told from anything else
    ├── SeedError                reference_brands  a brands file breaks its own rules, or a brand is not in it
    ├── RenderError              reference_brands  an SVG cannot be drawn, or must not be
    └── ServingError             serving
        ├── Unauthenticated      serving  the call says nobody who may act
        ├── PermissionDenied     serving  the caller may not do that
        ├── KeysUnavailable      serving  the keys that verify tokens are out of reach
        ├── InvalidListing       serving  the request breaks the API's rules; carries field violations
        ├── PolicyError          serving  a policy file cannot be used; names file, line and what is allowed
        ├── SettingsError        serving  a setting is unknown or out of range
        ├── RunnerError          serving  a scan's workers cannot be started, or differ from what was planned
        ├── BenchError           serving  what was to be measured does not start or answer
        ├── NotKept              serving  a decision can be kept neither in the store nor on disk
        ├── DeadlineExceeded     serving  the caller's deadline is shorter than the work
        ├── BatchTooLarge        serving  a stream holds more than one call may
        ├── IndexBehind          serving  the caller's version of the index is not reached here yet
        ├── PackageError         serving  a file is no evidence package
        ├── ScanError            serving  a scan cannot begin or go on as it was asked for
        │   └── ScanBusy         serving  another scan writes to the same output
        └── Overloaded           serving  a bounded queue is full; carries when to retry
"""

from __future__ import annotations

import enum


class TouchstoneError(Exception):
    """Root of every error that Touchstone raises on purpose."""


class ImageFault(enum.StrEnum):
    """Why an image was refused; the names reach the API's `image_results[].status`."""

    EMPTY = "EMPTY"
    TOO_MANY_BYTES = "TOO_MANY_BYTES"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    TRUNCATED = "TRUNCATED"
    CORRUPT = "CORRUPT"
    TOO_SMALL = "TOO_SMALL"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_MANY_FRAMES = "TOO_MANY_FRAMES"
    EXTREME_ASPECT = "EXTREME_ASPECT"
    DECODER_FAILED = "DECODER_FAILED"


class ImageError(TouchstoneError):
    """One image cannot be used. `fault` says which rule it broke; the message names value and limit."""

    def __init__(self, fault: ImageFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class NoDecoder(TouchstoneError):
    """No process can decode an image now: all are busy, none can be started, or they were shut down."""


class ModelError(TouchstoneError):
    """A model cannot be loaded, or does not fit the artefacts that were made for another one."""


class CheckpointError(ModelError):
    """A checkpoint is missing, corrupt, or not the one that its manifest names."""


class UnsupportedByModel(ModelError):
    """The model lacks what was asked of it, for example a trained text tower."""


class ModelUnavailable(ModelError):
    """What runs the model is out of reach, overloaded or late: nothing is wrong with the photos, ask again later."""


class TaxonomyError(TouchstoneError):
    """A taxonomy or concept file breaks its own rules; the message names file and entry."""
