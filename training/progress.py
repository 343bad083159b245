"""How far is it? The callback through which evaluation and fitting tell, whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called with (done, total) after each item."""


def silent(done: int, total: int) -> None:
    """Show no progress."""


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show progress as a bar on stderr, named `what`."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
