"""Where the vector index's points lie, once nothing of them can be read any more.

A point store is what a vector database is to this product. Only ``adapters.sealed`` speaks to one, and is the ``VectorIndex``
that everybody else knows: a point store takes ``SealedPoint`` only, so that to the type checker it is no ``VectorIndex``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol
from uuid import UUID

from domicile.policy.scope import RetrievalScope
from domicile.ports.vector_index import IndexHit, IndexPoint, Ranked, SparseVector, Vector

#: A point whose vector is transformed and whose terms are hidden.
SealedPoint = NewType("SealedPoint", IndexPoint)


@dataclass(frozen=True, slots=True)
class StoredTerms:
    """Which terms a point has, as they are stored; never repeated."""

    collection_id: UUID
    terms: tuple[int, ...]


class PointStore(Protocol):
    """As ``VectorIndex``, for sealed points and for questions that are sealed like them."""

    async def upsert(self, points: Sequence[SealedPoint]) -> None: ...

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        """The best ``limit`` chunks within the scope by the product of the vectors, best first."""
        ...

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        """The best ``limit`` chunks within the scope that share a term, by the sum of products of weights, best first."""
        ...

    async def terms(self, tenant_id: UUID, start: UUID | None, limit: int) -> tuple[Sequence[StoredTerms], UUID | None]:
        """Those of the tenant's next ``limit`` points by chunk id, and where to go on; None at the end."""
        ...

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]: ...

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None: ...

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None: ...

    async def count(self, scope: RetrievalScope) -> int: ...

    async def version_ids(self) -> frozenset[UUID]: ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


class ClearPoints(Protocol):
    """An index of the layout before this one, whose points can be read by whoever has it. It only ever gets smaller."""

    async def count(self) -> int: ...

    async def some(self, limit: int) -> Sequence[IndexPoint]:
        """Any ``limit`` of its points; fewer if there are no more."""
        ...

    async def discard(self, chunk_ids: Sequence[UUID]) -> None:
        """Remove those points, which are stored elsewhere by now."""
        ...

    async def remove(self) -> None:
        """Remove the whole of it from its store."""
        ...

    async def close(self) -> None: ...
