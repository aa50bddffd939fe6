"""Terms are counted when a question needs it, and again when enough has changed."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from tests.fakes.keys import MemoryKeyRing

from domicile.adapters.sealed import frequencies
from domicile.adapters.sealed.frequencies import FRESH_SECONDS, Frequencies
from domicile.adapters.sealed.keyed import KeyedTenants
from domicile.policy.scope import Nothing, RetrievalScope
from domicile.ports.point_store import StoredTerms

TENANT, COLLECTIONS = UUID(int=0xA), [UUID(int=5), UUID(int=6)]
SCOPE = RetrievalScope(Nothing(), (), "")


class Store:
    """Points that have the term 1, and every tenth the term 2, in two collections; says how often they were read."""

    def __init__(self, keyed, points: int) -> None:
        self.keyed, self.points, self.reads, self.counts = keyed, points, 0, 0

    async def count(self, scope) -> int:
        self.counts += 1
        return self.points

    async def terms(self, tenant_id, start, limit):
        assert tenant_id == TENANT
        first = 0 if start is None else start.int
        self.reads += first == 0
        end = min(first + limit, self.points)
        return [self._point(number) for number in range(first, end)], UUID(int=end) if end < self.points else None

    def _point(self, number: int) -> StoredTerms:
        collection = COLLECTIONS[number % 2]
        clear = np.array([1] if number % 10 else [1, 2], dtype=np.uint32)
        return StoredTerms(collection, tuple(self.keyed.terms.hide(clear, [collection])[0].tolist()))


@pytest.fixture
async def keyed():
    return await KeyedTenants(MemoryKeyRing(), 4, 0.0).of(TENANT)


def idf(points: float, containing: float) -> float:
    return float(np.log(1 + (points - containing + 0.5) / (containing + 0.5)))


async def test_terms_are_counted_over_all_collections(keyed):
    """Whatever they are stored as, and with none for what nobody wrote."""
    counted = await Frequencies(Store(keyed, 700)).of(TENANT, keyed, SCOPE)
    weights = counted.idf(np.array([2, 1, 3], dtype=np.uint32))
    assert weights.tolist() == pytest.approx([idf(700, 70), idf(700, 700), idf(700, 0)])


async def test_a_tenant_without_points_has_no_terms(keyed):
    """Asking before the first document is no error."""
    counted = await Frequencies(Store(keyed, 0)).of(TENANT, keyed, SCOPE)
    assert counted.idf(np.array([1], dtype=np.uint32)).tolist() == pytest.approx([idf(0, 0)])


async def test_a_large_tenant_is_counted_by_a_sample(keyed, monkeypatch):
    """The counts are scaled to all of its points, and no more is read than the sample."""
    monkeypatch.setattr(frequencies, "MOST_READ", 512)
    counted = await Frequencies(Store(keyed, 5000)).of(TENANT, keyed, SCOPE)
    assert counted.read == 512
    assert counted.idf(np.array([2], dtype=np.uint32))[0] == pytest.approx(idf(5000, 52 * 5000 / 512))


async def test_counts_are_kept_until_something_is_written(keyed):
    """A small tenant is counted again after every write, and not without one."""
    store = Store(keyed, 10)
    counts = Frequencies(store)
    for _ in range(3):
        await counts.of(TENANT, keyed, SCOPE)
    assert store.reads == 1
    counts.note(TENANT, 1)
    store.points = 11
    assert (await counts.of(TENANT, keyed, SCOPE)).points == 11


async def test_a_large_tenant_is_counted_again_when_a_twentieth_has_changed(keyed):
    """A sum of small writes counts like one large one."""
    store = Store(keyed, 2000)
    counts = Frequencies(store)
    await counts.of(TENANT, keyed, SCOPE)
    for _ in range(4):
        counts.note(TENANT, 25)
    await counts.of(TENANT, keyed, SCOPE)
    assert store.reads == 1
    counts.note(TENANT, 1)
    await counts.of(TENANT, keyed, SCOPE)
    assert store.reads == 2


async def test_what_other_processes_wrote_is_noticed_after_a_minute(keyed):
    """Until then nobody asks the store; afterwards only a difference makes it count again."""
    now = [0.0]
    store = Store(keyed, 10)
    counts = Frequencies(store, lambda: now[0])
    await counts.of(TENANT, keyed, SCOPE)
    store.points = 12
    now[0] = FRESH_SECONDS - 1
    assert (await counts.of(TENANT, keyed, SCOPE)).points == 10
    now[0] = FRESH_SECONDS + 1
    assert (await counts.of(TENANT, keyed, SCOPE)).points == 12
    now[0] = 3 * FRESH_SECONDS
    await counts.of(TENANT, keyed, SCOPE)
    assert store.reads == 2


async def test_what_was_removed_is_noticed_at_once(keyed):
    """After a withdrawal the next question compares with the store."""
    store = Store(keyed, 10)
    counts = Frequencies(store, lambda: 1000.0)
    await counts.of(TENANT, keyed, SCOPE)
    store.points = 4
    counts.note_removal()
    assert (await counts.of(TENANT, keyed, SCOPE)).points == 4
