"""How far is it? The callback through which evaluation and fitting tell, whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, total) after each item."""


def silent(done: int, total: int) -> None:
    """Show no progress."""
