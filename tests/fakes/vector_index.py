"""A vector index in a dictionary: exact search with the scope's own reference semantics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
from tests.fakes.keys import MemoryKeyRing

from domicile.adapters.sealed.index import SealedIndex
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import VectorIndexUnavailable
from domicile.policy.scope import Field, RetrievalScope, admits, field_values
from domicile.ports.keys import KeyRing
from domicile.ports.point_store import PointStore
from domicile.ports.vector_index import IndexHit, IndexPoint, Ranked, SparseVector, Vector


class InMemoryVectorIndex:
    """Everything that the port promises, for as long as the process lives. ``broken`` makes every call fail."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.points: dict[UUID, IndexPoint] = {}
        self.broken = False

    async def upsert(self, points: Sequence[IndexPoint]) -> None:
        await self.ping()
        if any(point.dense.shape != (self.dimensions,) for point in points):
            raise VectorIndexUnavailable("The index holds vectors of another length.")
        self.points.update({point.chunk_id: point for point in points})

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        await self.ping()
        return _best(self._admitted(scope), lambda point: float(np.dot(dense, point.dense)), limit)

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        await self.ping()
        admitted = self._admitted(scope)
        weights = self._weights(sparse, admitted)

        def overlap(point: IndexPoint) -> float:
            terms = zip(point.sparse.indices, point.sparse.values, strict=True)
            return sum(weights.get(term, 0.0) * value for term, value in terms)

        return _best([point for point in admitted if not weights.keys().isdisjoint(point.sparse.indices)], overlap, limit)

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]:
        await self.ping()
        return {each: _hit(self.points[each]) for each in chunk_ids if each in self.points}

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None:
        await self.ping()
        for chunk_id, envelope in envelopes.items():
            if point := self.points.get(chunk_id):
                self.points[chunk_id] = replace(point, envelope=envelope)

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        await self.ping()
        gone = set(version_ids)
        self.points = {key: point for key, point in self.points.items() if point.version_id not in gone}

    async def count(self, scope: RetrievalScope) -> int:
        await self.ping()
        return len(self._admitted(scope))

    async def version_ids(self) -> frozenset[UUID]:
        await self.ping()
        return frozenset(point.version_id for point in self.points.values())

    async def ping(self) -> None:
        if self.broken:
            raise VectorIndexUnavailable()

    async def close(self) -> None:
        """Nothing is held open."""

    def _admitted(self, scope: RetrievalScope) -> list[IndexPoint]:
        return [point for point in self.points.values() if admits(scope.tree, point.attributes)]

    def _weights(self, sparse: SparseVector, admitted: Iterable[IndexPoint]) -> dict[int, float]:
        """The query's weights times the inverse document frequency among all points of the admitted tenants."""
        tenants = frozenset[str]().union(*(field_values(point.attributes, Field.TENANT) for point in admitted))
        corpus = [point for point in self.points.values() if str(point.attributes.tenant_id) in tenants]
        frequency = Counter(term for point in corpus for term in point.sparse.indices)
        return {
            term: weight * math.log(1 + (len(corpus) - frequency[term] + 0.5) / (frequency[term] + 0.5))
            for term, weight in zip(sparse.indices, sparse.values, strict=True)
        }


def sealed(
    store: PointStore, dimensions: int, *, keys: KeyRing | None = None, collections: Collection[UUID] = (), noise: float = 0.0
) -> SealedIndex:
    """The store behind keys that are the same in every test, or those given; ``collections`` are every tenant's."""

    async def known(_: UUID) -> Collection[UUID]:
        return collections

    return SealedIndex(store, keys=keys or MemoryKeyRing(), collections=known, dimensions=dimensions, noise=noise)


def point_of(
    attributes: DocumentAttributes,
    chunk_id: UUID,
    *,
    version_id: UUID | None = None,
    ordinal: int = 0,
    dense: Sequence[float] = (1.0, 0.0),
    terms: Mapping[int, float] | None = None,
    envelope: bytes = b"\x00sealed\xff",
) -> IndexPoint:
    """A point for tests; every part that a test does not care about is filled in."""
    sparse = SparseVector(tuple(terms or {}), tuple((terms or {}).values()))
    vector = np.asarray(dense, dtype=np.float32)
    return IndexPoint(chunk_id, version_id or UUID(int=1), ordinal, attributes, vector, sparse, envelope)


def _best(points: Iterable[IndexPoint], score: Callable[[IndexPoint], float], limit: int) -> tuple[Ranked, ...]:
    ranked = sorted(((score(point), point) for point in points), key=lambda pair: -pair[0])
    return tuple(Ranked(point.chunk_id, value) for value, point in ranked[:limit])


def _hit(point: IndexPoint) -> IndexHit:
    return IndexHit(point.chunk_id, point.version_id, point.attributes.document_id, point.ordinal, point.envelope)
