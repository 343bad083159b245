"""What happens to a change that lost a race? It is made again, here and nowhere else.

Two transactions that wait for each other cannot both go on: the database takes one of them back, whole. A method of the
store that is one transaction, and takes its arguments as values, can then simply be run again.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from index.errors import LostRace

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 4
_PAUSE_S = 0.02


def run_again(method: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method that is one transaction: up to four attempts. The last LostRace comes through."""

    @functools.wraps(method)
    def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(1, _ATTEMPTS):
            try:
                return method(*args, **kwargs)
            except LostRace:
                time.sleep(random.uniform(0, _PAUSE_S * number))  # noqa: S311 - it only has to differ between two rivals
        return method(*args, **kwargs)

    return attempt
