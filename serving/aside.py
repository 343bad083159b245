"""What takes seconds and must not hold up what takes milliseconds? Work done aside, one piece at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """Does work in a thread of its own, which ends with the process. One thread begins it and takes the result."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: Future[T] | None = None

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._work is not None and not self._work.done()

    @property
    def under_way(self) -> Future[T] | None:
        """The work that was begun and whose result nobody took, to wait for; it may be done."""
        return self._work

    def begin(self, work: Callable[[], T]) -> None:
        """Begin work; none may be under way, and a result that nobody took is lost."""
        if self.busy:
            raise ValueError(f"{self._name} is under way already")
        future: Future[T] = Future()
        self._work = future

        def do() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever takes the result learns of it
                future.set_exception(error)

        threading.Thread(target=do, name=self._name, daemon=True).start()

    def take(self) -> T | None:
        """Return what was made, once; None while there is nothing. Raises what the work raised, once."""
        if self._work is None or not self._work.done():
            return None
        done, self._work = self._work, None
        return done.result()
