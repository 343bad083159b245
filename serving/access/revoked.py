"""Which tokens hold no more, although their time is not over? A file of ids and subjects, read again when it changes.

A stolen token is good until it expires, and taking its key out of the key set ends everybody's. So an operator can
write its id (the claim `jti`) into a file, or `sub:` and a name, which ends all tokens of that caller. One to a line;
what follows a `#` is for people.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from serving.errors import SettingsError

log = logging.getLogger(__name__)

SUBJECT = "sub:"
# How often the file is looked at, however many calls come.
_LOOK_S = 1.0
_MOST_BYTES = 16 * 2**20

_State = tuple[int, int, int]


class Revoked:
    """The tokens that are revoked. A file that cannot be read any more leaves what it said last in force."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file. Raises SettingsError when it cannot be."""
        self._path = path
        self._clock = clock
        try:
            self._state, self._lines = self._read()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise SettingsError(f"cannot read the revoked tokens in {path}: {error}") from error
        self._looked = clock()

    def covers(self, token_id: str, subject: str) -> bool:
        """Tell whether a token is revoked; one without an id only by its subject."""
        self._look()
        return (bool(token_id) and token_id in self._lines) or f"{SUBJECT}{subject}" in self._lines

    def __len__(self) -> int:
        """Count the lines that revoke something."""
        return len(self._lines)

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        try:
            if self._stat() != self._state:
                self._state, self._lines = self._read()
                log.info("%d tokens and subjects are revoked", len(self._lines))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            log.warning("%s cannot be read: %s; what was revoked stays so", self._path, error)

    def _stat(self) -> _State:
        state = self._path.stat()
        return state.st_mtime_ns, state.st_size, state.st_ino

    def _read(self) -> tuple[_State, frozenset[str]]:
        state = self._stat()
        if state[1] > _MOST_BYTES:
            raise ValueError(f"it has {state[1]:,} bytes; at most {_MOST_BYTES:,} are read: drop what has expired")
        lines = (line.partition("#")[0].strip() for line in self._path.read_text(encoding="utf-8").splitlines())
        return state, frozenset(line for line in lines if line)
