"""Unwrapped keys in memory: bounded in number, in age and in uses."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from uuid import UUID
from weakref import ref

from domicile.adapters.keys.cache import KeyCache
from domicile.crypto.keys import DataKey


def key(number: int) -> DataKey:
    return DataKey(UUID(int=number), bytes(32))


def test_the_least_recently_used_goes_first() -> None:
    """Past its limit the cache drops what was not asked for the longest."""
    cache: KeyCache[int] = KeyCache(2, 10.0, 100, lambda: 0.0)
    cache.put(1, key(1))
    cache.put(2, key(2))
    assert cache.get(1)
    cache.put(3, key(3))
    assert [cache.get(name) is not None for name in (1, 2, 3)] == [True, False, True]
    assert len(cache) == 2


def test_age_counts_from_when_a_key_was_put() -> None:
    """Using a key does not keep it beyond its age, and an aged one is dropped, not just hidden."""
    now = SimpleNamespace(seconds=0.0)
    cache: KeyCache[int] = KeyCache(2, 10.0, 100, lambda: now.seconds)
    cache.put(1, key(1))
    now.seconds = 9.9
    assert cache.get(1)
    now.seconds = 10.0
    assert cache.get(1) is None
    assert len(cache) == 0


def test_dropping_frees_the_key() -> None:
    """A dropped key is referenced by nothing here any more; names that are absent are no error."""

    class Watched(DataKey):
        pass

    cache: KeyCache[int] = KeyCache(9, 10.0, 100, lambda: 0.0)
    watched = [
        ref(each) for each in (Watched(UUID(int=n), bytes(32)) for n in range(3)) if cache.put(each.id.int, each) is None
    ]
    cache.drop([0, 7])
    gc.collect()
    assert [each() is None for each in watched] == [True, False, False]
    cache.clear()
    gc.collect()
    assert all(each() is None for each in watched)


def test_uses_count() -> None:
    """A key is given out so often and no more; put again, it counts anew."""
    cache: KeyCache[int] = KeyCache(2, 10.0, 3, lambda: 0.0)
    for _ in range(2):
        cache.put(1, key(1))
        assert [cache.get(1) is not None for _ in range(4)] == [True, True, True, False]


def test_what_is_old_leaves_when_told_to() -> None:
    """Also if nobody asks for it again; and what is told apart by its name."""
    now = SimpleNamespace(seconds=0.0)
    cache: KeyCache[int] = KeyCache(9, 10.0, 100, lambda: now.seconds)
    cache.put(1, key(1))
    now.seconds = 5.0
    cache.put(2, key(2))
    cache.put(3, key(3))
    cache.drop_where(lambda name: name == 3)
    now.seconds = 10.0
    cache.drop_old()
    assert (len(cache), cache.get(2) is not None) == (1, True)
