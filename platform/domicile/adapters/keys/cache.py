"""Unwrapped keys in memory, bounded in number and in age."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from domicile.crypto.keys import DataKey

K = TypeVar("K", bound=Hashable)


class KeyCache(Generic[K]):
    """Least recently used out first. ``limit`` counts keys; ``max_age`` is in seconds from when a key was put, used or not.

    Python cannot overwrite the bytes of a key. Dropping the last reference frees them, with the keys derived from them,
    and that is all that is promised.
    """

    def __init__(self, limit: int, max_age: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._max_age = max_age
        self._monotonic = monotonic
        self._kept: OrderedDict[K, tuple[float, DataKey]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: K) -> DataKey | None:
        found = self._kept.get(name)
        if found is None:
            return None
        born, key = found
        if self._monotonic() - born >= self._max_age:
            del self._kept[name]
            return None
        self._kept.move_to_end(name)
        return key

    def put(self, name: K, key: DataKey) -> None:
        self._kept[name] = (self._monotonic(), key)
        self._kept.move_to_end(name)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def drop(self, names: Iterable[K]) -> None:
        for name in names:
            self._kept.pop(name, None)

    def clear(self) -> None:
        self._kept.clear()
