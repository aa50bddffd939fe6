"""The vector index: hybrid search within a scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from domicile.domain.documents import DocumentAttributes
from domicile.policy.scope import RetrievalScope

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term ids (32-bit, strictly ascending or not, never repeated) and their weights, of equal length."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """One chunk: its vectors, what it is filtered by, and its text as an envelope."""

    chunk_id: UUID
    version_id: UUID
    ordinal: int
    attributes: DocumentAttributes
    dense: Vector
    sparse: SparseVector
    envelope: bytes


@dataclass(frozen=True, slots=True)
class IndexHit:
    """A candidate. It has not been decided yet: nothing of it may be decrypted before policy has seen it."""

    chunk_id: UUID
    version_id: UUID
    document_id: UUID
    ordinal: int
    score: float
    envelope: bytes


@dataclass(frozen=True, slots=True)
class LegHits:
    """Both legs' candidates, best first: cosine similarity, and BM25 with the tenant's own term statistics."""

    dense: tuple[IndexHit, ...]
    sparse: tuple[IndexHit, ...]


class VectorIndex(Protocol):
    """Raises ``VectorIndexUnavailable`` or ``StorageFull``; one index holds vectors of one embedding model only."""

    async def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Durable when it returns. The same chunk id replaces."""
        ...

    async def search(self, dense: Vector, sparse: SparseVector, scope: RetrievalScope, limit: int) -> LegHits:
        """The best ``limit`` of each leg, both within the scope; BM25's document frequencies come from one tenant only.

        Term statistics over all tenants would let one tenant infer another's vocabulary (invariant 2), so the corpus for
        them is every point of the scope's tenants.
        """
        ...

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        """Remove every point of those versions; absent ones are no error."""
        ...

    async def count(self, scope: RetrievalScope) -> int:
        """How many points the scope admits, exactly."""
        ...

    async def version_ids(self) -> frozenset[UUID]:
        """Every version that has a point, for the sweep after a crash."""
        ...

    async def ping(self) -> None:
        """Raise if it cannot serve now."""
        ...

    async def close(self) -> None: ...
