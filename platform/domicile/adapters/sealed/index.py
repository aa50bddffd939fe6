"""The vector index: transforms vectors and hides terms on their way into a point store, and questions on their way there, too.

Obligations, labelled where they are met:

1. Nothing reaches the store but under the keys of the tenant that it belongs to.
2. A question is asked within the tenants that its scope names, each with that tenant's keys; a scope that names none is
   refused.
3. The scope goes to the store whole: what is added here can only narrow it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np

from domicile.adapters.sealed.frequencies import Counted, Frequencies
from domicile.adapters.sealed.keyed import Keyed, KeyedTenants
from domicile.domain.errors import VectorIndexUnavailable
from domicile.policy.bounds import bound
from domicile.policy.scope import AllOf, Field, OneOf, RetrievalScope
from domicile.ports.keys import KeyRing
from domicile.ports.point_store import PointStore, SealedPoint
from domicile.ports.vector_index import IndexHit, IndexPoint, Ranked, SparseVector, Vector

#: Seconds for which a tenant's collections are remembered. What this process writes to is known at once.
FRESH_SECONDS = 1.0

CollectionsOf = Callable[[UUID], Awaitable[Iterable[UUID]]]


class SealedIndex:
    """Implements ``ports.vector_index.VectorIndex``.

    ``collections`` gives the ids of a tenant's collections. ``noise`` is β of ``crypto.vector_transform``.
    """

    def __init__(
        self, store: PointStore, *, keys: KeyRing, collections: CollectionsOf, dimensions: int, noise: float = 0.0
    ) -> None:
        self._store = store
        self._dimensions = dimensions
        self._tenants = KeyedTenants(keys, dimensions, noise)
        self._frequencies = Frequencies(store)
        self._collections = _Collections(collections)

    async def upsert(self, points: Sequence[IndexPoint]) -> None:
        if any(point.dense.shape != (self._dimensions,) for point in points):
            raise VectorIndexUnavailable(f"This index holds vectors of {self._dimensions} dimensions only.")
        keyed = {tenant: await self._tenants.of(tenant) for tenant in {point.attributes.tenant_id for point in points}}
        await self._store.upsert(await asyncio.to_thread(_sealed, points, keyed))  # (1)
        for point in points:
            self._frequencies.note(point.attributes.tenant_id, 1)
            self._collections.add(point.attributes.tenant_id, point.attributes.collection_id)

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        found: list[Ranked] = []
        for tenant_id, within in _each_tenant(scope):  # (2)
            keyed = await self._tenants.of(tenant_id)
            found += await self._store.nearest(keyed.vectors.turned(dense), within, limit)
        return _best(found, limit)

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        if not sparse.indices:
            return ()
        found: list[Ranked] = []
        for tenant_id, within in _each_tenant(scope):  # (2)
            named = bound(scope.tree, Field.COLLECTION)
            collections = await self._collections.of(tenant_id) if named is None else {UUID(each) for each in named}
            if not collections:
                continue
            keyed = await self._tenants.of(tenant_id)
            counted = await self._frequencies.of(tenant_id, keyed, scope)
            found += await self._store.matching(_question(sparse, keyed, counted, collections), within, limit)
        return _best(found, limit)

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]:
        return await self._store.fetch(chunk_ids)

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None:
        await self._store.replace_envelopes(envelopes)

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        await self._store.delete_versions(version_ids)
        if version_ids:
            self._frequencies.note_removal()

    async def count(self, scope: RetrievalScope) -> int:
        return await self._store.count(scope)

    async def version_ids(self) -> frozenset[UUID]:
        return await self._store.version_ids()

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        """Close the store, and drop what was derived from keys."""
        await self._store.close()
        self._tenants.clear()


@dataclass(frozen=True, slots=True)
class _Place:
    tenant_id: UUID
    collection_id: UUID


@dataclass(slots=True)
class _Collections:
    """A tenant's collections, as of at most a second ago."""

    read: CollectionsOf
    _kept: dict[UUID, tuple[float, set[UUID]]] = field(default_factory=dict)
    _written: defaultdict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))

    async def of(self, tenant_id: UUID) -> set[UUID]:
        then, ids = self._kept.get(tenant_id, (0.0, set()))
        if not then or time.monotonic() - then > FRESH_SECONDS:
            ids = set(await self.read(tenant_id))
            self._kept[tenant_id] = (time.monotonic(), ids)
        return ids | self._written[tenant_id]

    def add(self, tenant_id: UUID, collection_id: UUID) -> None:
        self._written[tenant_id].add(collection_id)


def _each_tenant(scope: RetrievalScope) -> list[tuple[UUID, RetrievalScope]]:
    """The tenants that the scope stays within, each with the scope as far as it is that tenant's."""
    tenants = bound(scope.tree, Field.TENANT)
    if tenants is None:
        raise VectorIndexUnavailable("A search has to stay within tenants, and this one names none.")
    if len(tenants) == 1:
        return [(UUID(each), scope) for each in tenants]
    return [(UUID(each), _within(scope, each)) for each in sorted(tenants)]


def _within(scope: RetrievalScope, tenant: str) -> RetrievalScope:
    """(3)"""
    tree = AllOf((scope.tree, OneOf(Field.TENANT, frozenset({tenant}))))
    return RetrievalScope(tree, scope.policies, scope.bundle_digest)


def _best(found: Sequence[Ranked], limit: int) -> tuple[Ranked, ...]:
    return tuple(sorted(found, key=lambda each: -each.score)[:limit])


def _by_collection(points: Sequence[IndexPoint]) -> dict[_Place, list[int]]:
    """The places in ``points`` of each collection's."""
    places: defaultdict[_Place, list[int]] = defaultdict(list)
    for number, point in enumerate(points):
        places[_Place(point.attributes.tenant_id, point.attributes.collection_id)].append(number)
    return places


def _sealed(points: Sequence[IndexPoint], keyed: Mapping[UUID, Keyed]) -> list[SealedPoint]:
    """The points in their order, one computation for each collection."""
    sealed: dict[int, SealedPoint] = {}
    for place, numbers in _by_collection(points).items():
        theirs, its = [points[number] for number in numbers], keyed[place.tenant_id]
        dense = its.vectors.stored(np.stack([each.dense for each in theirs]), [each.chunk_id for each in theirs])
        terms = np.fromiter((term for each in theirs for term in each.sparse.indices), dtype=np.uint32)
        hidden = its.terms.hide(terms, [place.collection_id])[0].tolist()
        start = 0
        for number, point, vector in zip(numbers, theirs, dense, strict=True):
            end = start + len(point.sparse.indices)
            sparse = SparseVector(tuple(hidden[start:end]), point.sparse.values)
            sealed[number] = SealedPoint(replace(point, dense=vector, sparse=sparse))
            start = end
    return [sealed[number] for number in range(len(points))]


def _question(sparse: SparseVector, keyed: Keyed, counted: Counted, collections: Iterable[UUID]) -> SparseVector:
    """The question's terms as each of the collections has them, weighted by how rare they are in the tenant."""
    terms = np.array(sparse.indices, dtype=np.uint32)
    weights = np.array(sparse.values) * counted.idf(terms)
    hidden = keyed.terms.hide(terms, sorted(collections))
    # Two terms of two collections may have the same image, once in some millions of questions: the first one counts.
    distinct, first = np.unique(hidden, return_index=True)
    return SparseVector(tuple(distinct.tolist()), tuple(np.tile(weights, len(hidden))[first].tolist()))
