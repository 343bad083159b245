"""How does a server that tests start end when they are killed first? The kernel sends it a signal."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def end_with_parent(by: signal.Signals) -> Callable[[], None]:
    """Return what a child calls before it becomes the server (`preexec_fn`)."""
    library = ctypes.CDLL(None)  # loaded here: a forked child should do as little as it can

    def arrange() -> None:
        library.prctl(_PR_SET_PDEATHSIG, int(by))

    return arrange
