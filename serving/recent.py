"""What was read from the store a moment ago? Kept in memory, the last used ones, for the stages that ask again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar


class _Sortable(Hashable, Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


_Key = TypeVar("_Key", bound=_Sortable)
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Keeps the values used last, as many as weigh `most` together; each weighs 1 unless `weigh` says. Thread-safe."""

    def __init__(self, most: int, *, weigh: Callable[[_Value], int] = lambda _: 1) -> None:
        self._most = most
        self._weigh = weigh
        self._weight = 0
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, keys: Iterable[_Key], read: Callable[[list[_Key]], Mapping[_Key, _Value]]) -> dict[_Key, _Value]:
        """Give the values of those keys that have one; `read` is asked for those not kept, in order."""
        wanted = set(keys)
        with self._lock:
            found = {key: self._kept[key] for key in wanted if key in self._kept}
        missing = sorted(wanted - found.keys())
        if missing:
            found |= read(missing)
        with self._lock:
            for key, value in found.items():
                if key not in self._kept:
                    self._kept[key] = value
                    self._weight += self._weigh(value)
                self._kept.move_to_end(key)
            while self._weight > self._most:
                self._weight -= self._weigh(self._kept.popitem(last=False)[1])
        return found

    def __len__(self) -> int:
        return len(self._kept)

    def drop(self, key: _Key) -> None:
        """Keep a value no longer: nobody will ask for it again."""
        with self._lock:
            if key in self._kept:
                self._weight -= self._weigh(self._kept.pop(key))
