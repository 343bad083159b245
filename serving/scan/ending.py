"""What does it mean that a scan's process ended? Its exit code and its last words, as a state and an error.

Exit codes are those of `serving.cli.main`.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.rpc.status_pb2 import Status

from index.scan_records import ScanState

_DONE = (0, 3)
_FAILED, _BAD_INPUT = 1, 2
_DECLARED = "error: "
_MAX_MESSAGE_CHARACTERS = 1_000


def end_of(code: int, words: Sequence[str]) -> tuple[ScanState, Status | None]:
    """Say in which state a scan is whose process ended with `code` (negative: by that signal) and these last words.

    An error that was declared but is not the input's own is the installation's: a store out of reach, a full disk. Such
    a scan can be resumed, as one that was killed; what names files and hosts is for the log, not for the caller.
    """
    declared = [line.removeprefix(_DECLARED) for line in words if line.startswith(_DECLARED)]
    if code in _DONE:
        return ScanState.SUCCEEDED, None
    if code == _BAD_INPUT:
        said = (declared or [*words, "its settings were refused"])[-1]
        return ScanState.FAILED, _status(grpc.StatusCode.INVALID_ARGUMENT, said)
    if code == _FAILED and not declared:
        return ScanState.FAILED, _status(grpc.StatusCode.INTERNAL, "a defect; report it with the id of this scan")
    return ScanState.INTERRUPTED, None


def _status(code: grpc.StatusCode, message: str) -> Status:
    return Status(code=code.value[0], message=message[:_MAX_MESSAGE_CHARACTERS])
