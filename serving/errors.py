"""Serving's branch of the exception tree drawn in `vision.errors`; `serving.status` maps every leaf to a gRPC code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vision.errors import TouchstoneError


class ServingError(TouchstoneError):
    """The service cannot do what was asked for a reason that is neither the image's, the model's nor the store's."""


class Unauthenticated(ServingError):
    """The call does not say who acts, or not in a way that this server believes."""


class PermissionDenied(ServingError):
    """Who calls is known, and may not do that; the message says who may."""


class KeysUnavailable(ServingError):
    """The keys by which tokens are verified are out of reach, for longer than old ones are trusted."""


@dataclass(frozen=True)
class FieldViolation:
    """One rule that a request breaks: its path, `listing.images[3]`, and a description with value, limit and remedy."""

    field: str
    description: str


class InvalidListing(ServingError):
    """The request breaks the API's rules. `violations` names every field at fault, not only the first."""

    def __init__(self, violations: tuple[FieldViolation, ...]) -> None:
        super().__init__("; ".join(f"{violation.field}: {violation.description}" for violation in violations))
        self.violations = violations


class PolicyError(ServingError):
    """A policy file cannot be used. `line` counts from 1; 0 is the file as a whole."""

    def __init__(self, message: str, *, file: Path, line: int) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.file = file
        self.line = line


class SettingsError(ServingError):
    """A setting is unknown or out of range; the message names the settings that there are."""


class RunnerError(ServingError):
    """A scan's workers cannot be started or reached, or are not what the scan was planned with."""


class BenchError(ServingError):
    """What was to be measured cannot be started, or answers nothing."""


class NotKept(ServingError):
    """A decision can be kept neither in the store nor on disk until the store is back; it was not taken."""


class DeadlineExceeded(ServingError):
    """The caller's deadline is shorter than the work; nothing was recorded."""


class BatchTooLarge(ServingError):
    """A stream holds more than one call may; what came before is recorded. Splitting it helps, waiting does not."""


class IndexBehind(ServingError):
    """The caller asks for a version of the index that this replica's store has not reached."""


class PackageError(ServingError):
    """A file or folder is no evidence package, or cannot be read as one."""


class ScanError(ServingError):
    """A scan cannot begin or go on as it was asked for; the message says how it can."""


class ScanBusy(ScanError):
    """Another scan writes to the same output."""


class Overloaded(ServingError):
    """A bounded queue is full, or the service is going away. `retry_after_s` says when it is worth trying again.

    `limit` names the setting that bounds this caller; "" for what is bounded for all of them together.
    """

    def __init__(self, message: str, *, retry_after_s: float, limit: str = "") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.limit = limit
