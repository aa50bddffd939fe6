"""In how many of a tenant's chunks a term is, over all of its collections, which the store itself cannot know any more.

The store sees another term in each collection. Had it to weigh them, a word that each of twenty collections uses would be rare
twenty times over, and small collections would come first for every common word (docs/adr/0006 has the figures). So the terms of
the tenant's points are read as they are stored, revealed and counted, and inverse document frequencies go into the questions'
weights. Counts are kept in memory only.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from domicile.adapters.sealed.keyed import Keyed
from domicile.crypto.blind_index import BlindIndex, Terms
from domicile.policy.scope import Field, OneOf, RetrievalScope
from domicile.ports.point_store import PointStore, StoredTerms

#: Points that are read at most. Chunk ids are hashes, so the first of them are a fair sample: of a larger tenant, a term in one
#: of a thousand chunks is counted with a standard error of a fifth, which moves its weight by a thirtieth.
MOST_READ = 20_000
#: Points of one call into the store, about 2 ms, after which others run.
READ_AT_ONCE = 256
#: Seconds after which the store is asked whether other processes wrote as well.
FRESH_SECONDS = 60.0
#: The part of a tenant's points that may have changed before they are counted again, from the size at which that takes time.
TOLERANCE, SMALL = 0.05, 1000
#: Tenants whose counts are kept, at most about a megabyte each.
TENANTS_KEPT = 128


@dataclass(frozen=True, slots=True)
class Counted:
    """``terms``, ascending, are in ``counts`` of the ``read`` points; the tenant has ``points`` in all."""

    terms: Terms
    counts: NDArray[np.int64]
    read: int
    points: int

    def idf(self, terms: Terms) -> NDArray[np.float64]:
        """The inverse document frequency of each term as BM25 has it: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        frequencies = np.zeros(len(terms))
        if len(self.terms):
            places = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
            found = self.terms[places] == terms
            frequencies[found] = self.counts[places[found]] * (self.points / self.read)
        return np.log((self.points + 1) / (frequencies + 0.5))

    @property
    def tolerance(self) -> int:
        return int(self.points * TOLERANCE) if self.points > SMALL else 0


@dataclass(slots=True)
class _Kept:
    counted: Counted
    checked_at: float
    written_before: int


class Frequencies:
    """Counts when a question needs it, and again when enough was written."""

    def __init__(self, store: PointStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._written: Counter[UUID] = Counter()
        self._counting: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def note(self, tenant_id: UUID, points: int) -> None:
        """So many points of the tenant were written."""
        self._written[tenant_id] += points

    def note_removal(self) -> None:
        """Points were removed, nobody knows whose: where that may show, counts are compared with the store again."""
        for kept in self._kept.values():
            kept.checked_at = -FRESH_SECONDS

    async def of(self, tenant_id: UUID, keyed: Keyed, scope: RetrievalScope) -> Counted:
        """The tenant's counts; ``scope`` is the question's own, of which the tenant is all that is used."""
        lock = self._counting.setdefault(tenant_id, asyncio.Lock())
        async with lock:
            kept = self._kept.get(tenant_id)
            if kept is None or not await self._is_fresh(kept, tenant_id, scope):
                written_before = self._written[tenant_id]
                counted = await self._count(tenant_id, keyed.terms, scope)
                kept = self._kept[tenant_id] = _Kept(counted, self._monotonic(), written_before)
                if len(self._kept) > TENANTS_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(tenant_id)
            return kept.counted

    async def _is_fresh(self, kept: _Kept, tenant_id: UUID, scope: RetrievalScope) -> bool:
        if self._written[tenant_id] - kept.written_before > kept.counted.tolerance:
            return False
        if self._monotonic() - kept.checked_at < FRESH_SECONDS:
            return True
        kept.checked_at = self._monotonic()
        return abs(await self._points(tenant_id, scope) - kept.counted.points) <= kept.counted.tolerance

    async def _points(self, tenant_id: UUID, scope: RetrievalScope) -> int:
        whole = OneOf(Field.TENANT, frozenset({str(tenant_id)}))
        return await self._store.count(RetrievalScope(whole, scope.policies, scope.bundle_digest))

    async def _count(self, tenant_id: UUID, terms: BlindIndex, scope: RetrievalScope) -> Counted:
        points = await self._points(tenant_id, scope)
        stored: defaultdict[UUID, list[Terms]] = defaultdict(list)
        read, start = 0, None
        while read < MOST_READ:
            batch, start = await self._store.terms(tenant_id, start, READ_AT_ONCE)
            _sort_in(batch, stored)
            read += len(batch)
            if start is None:
                points = read
                break
            await asyncio.sleep(0)
        revealed, counts = await asyncio.to_thread(_revealed, stored, terms)
        return Counted(revealed, counts, read, max(points, read))


def _sort_in(batch: Sequence[StoredTerms], stored: defaultdict[UUID, list[Terms]]) -> None:
    for point in batch:
        stored[point.collection_id].append(np.array(point.terms, dtype=np.uint32))


def _revealed(stored: dict[UUID, list[Terms]], terms: BlindIndex) -> tuple[Terms, NDArray[np.int64]]:
    """Every term, ascending, and in how many points it is."""
    each = [np.unique(np.concatenate(points), return_counts=True) for points in stored.values()]
    if not each:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64)
    clear = [terms.reveal(hidden, collection) for collection, (hidden, _) in zip(stored, each, strict=True)]
    distinct, places = np.unique(np.concatenate(clear), return_inverse=True)
    counts = np.bincount(places, weights=np.concatenate([counts for _, counts in each]))
    return distinct, counts.astype(np.int64)
