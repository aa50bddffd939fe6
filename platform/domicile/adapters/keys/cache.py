"""Unwrapped keys in memory, bounded in number, in age and in uses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from domicile.crypto.keys import DataKey

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Kept:
    key: DataKey
    born: float
    uses: int = 0


class KeyCache(Generic[K]):
    """Least recently used out first. ``limit`` counts keys; ``max_age`` is in seconds from when a key was put, used or not;
    ``max_uses`` counts how often one is given out before it has to be unwrapped again.

    A key that leaves is wiped as soon as nobody works with it any more (``WipedBytes`` says what of it that reaches).
    """

    def __init__(self, limit: int, max_age: float, max_uses: int, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._max_age = max_age
        self._max_uses = max_uses
        self._monotonic = monotonic
        self._kept: OrderedDict[K, _Kept] = OrderedDict()
        #: How often something was dropped because it is gone, whether it was kept or not.
        self.drops = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, name: K) -> DataKey | None:
        found = self._kept.get(name)
        if found is None:
            return None
        if found.uses >= self._max_uses or self._is_old(found):
            del self._kept[name]
            return None
        found.uses += 1
        self._kept.move_to_end(name)
        return found.key

    def put(self, name: K, key: DataKey, drops: int | None = None) -> None:
        """``drops`` is how many there were when the reading of the key began: if there were more since, it may have been this
        one that is gone, and keeping it would bring it back."""
        if drops not in (None, self.drops):
            return
        self._kept[name] = _Kept(key, self._monotonic())
        self._kept.move_to_end(name)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def drop(self, names: Iterable[K]) -> None:
        self.drops += 1
        for name in names:
            self._kept.pop(name, None)

    def drop_where(self, goes: Callable[[K], bool]) -> None:
        self.drop([name for name in self._kept if goes(name)])

    def drop_old(self) -> None:
        """What nobody asks for does not leave by itself: to be called now and then."""
        for name in [name for name, kept in self._kept.items() if self._is_old(kept)]:
            del self._kept[name]

    def clear(self) -> None:
        self.drops += 1
        self._kept.clear()

    def _is_old(self, kept: _Kept) -> bool:
        return self._monotonic() - kept.born >= self._max_age
