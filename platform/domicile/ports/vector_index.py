"""The vector index: hybrid search within a scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
class Ranked:
    """A chunk that a leg found, and how well it fits."""

    chunk_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class IndexHit:
    """A candidate. It has not been decided yet: nothing of it may be decrypted before policy has seen it."""

    chunk_id: UUID
    version_id: UUID
    document_id: UUID
    ordinal: int
    envelope: bytes


class VectorIndex(Protocol):
    """Raises ``VectorIndexUnavailable`` or ``StorageFull``; one index holds vectors of one embedding model only."""

    async def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Durable when it returns. The same chunk id replaces."""
        ...

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        """The dense leg: the best ``limit`` chunks within the scope by cosine similarity, best first."""
        ...

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        """The sparse leg: the best ``limit`` chunks within the scope that share a term, by BM25, best first.

        Document frequencies come from one tenant only, from every point of the scope's tenants: statistics over all tenants
        would let one tenant infer another's vocabulary (invariant 2).
        """
        ...

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]:
        """What those chunks are, for the few of a search's hits that are looked at; one that is gone by now is left out."""
        ...

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None:
        """Give those chunks other envelopes; durable when it returns. One that is gone by now stays gone."""
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
