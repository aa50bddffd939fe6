"""The index's layout before it was sealed: vectors as the model gave them, terms as hashes of words. Read to be converted.

Implements ``ports.point_store.ClearPoints`` for both engines. What is discarded here was stored in the sealed layout before, so
that after a crash at any instant every point is in one of the two, and the conversion goes on with what is left.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import qdrant_edge as engine

from domicile.adapters.qdrant.edge_engine import force_to_disk, translated
from domicile.adapters.qdrant.points import DENSE, SPARSE, clear_collection_name, point_of
from domicile.adapters.qdrant.server import with_retries
from domicile.ports.vector_index import IndexPoint, SparseVector

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient


class ClearEdgePoints:
    """In a folder, on the embedded engine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with translated():
            # As the folder itself says that it was made.
            self._shard = engine.EdgeShard.load(str(folder))
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, model: str, dimensions: int) -> ClearEdgePoints | None:
        """The model's own below ``path``; None if there is none. Blocks."""
        folder = path / clear_collection_name(model, dimensions)
        leaving = _leaving(folder)
        if leaving.exists():
            shutil.rmtree(leaving)
        return cls(folder) if folder.exists() else None

    async def count(self) -> int:
        with translated():
            return self._shard.count(engine.CountRequest(exact=True))

    async def some(self, limit: int) -> Sequence[IndexPoint]:
        with translated():
            found, _ = self._shard.scroll(engine.ScrollRequest(limit=limit, with_payload=True, with_vector=True))
        return [_point(cast("UUID", record.id), record.vector, record.payload or {}) for record in found]

    async def discard(self, chunk_ids: Sequence[UUID]) -> None:
        """Not forced to disk: what a crash brings back is converted once more, to the same."""
        with translated():
            self._shard.update(engine.UpdateOperation.delete_points(list(chunk_ids)))

    async def remove(self) -> None:
        """Renamed first, so that a crash leaves either the whole folder or what the next start removes."""
        await self.close()
        leaving = _leaving(self._folder)
        self._folder.rename(leaving)
        force_to_disk(leaving.parent)
        await asyncio.to_thread(shutil.rmtree, leaving)

    async def close(self) -> None:
        """Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        with translated():
            self._shard.flush()
            self._shard.close()


class ClearServerPoints:
    """In a collection on a server. The client is the sealed collection's, and closed with that."""

    def __init__(self, client: AsyncQdrantClient, *, model: str, dimensions: int) -> None:
        self._client = client
        self._collection = clear_collection_name(model, dimensions)

    async def count(self) -> int:
        if not await with_retries(lambda: self._client.collection_exists(self._collection)):
            return 0
        return (await with_retries(lambda: self._client.count(self._collection, exact=True))).count

    async def some(self, limit: int) -> Sequence[IndexPoint]:
        found, _ = await with_retries(
            lambda: self._client.scroll(self._collection, limit=limit, with_payload=True, with_vectors=True)
        )
        return [_point(UUID(str(record.id)), record.vector, record.payload or {}) for record in found]

    async def discard(self, chunk_ids: Sequence[UUID]) -> None:
        ids: Any = [str(each) for each in chunk_ids]
        await with_retries(lambda: self._client.delete(self._collection, ids, wait=True))

    async def remove(self) -> None:
        if await with_retries(lambda: self._client.collection_exists(self._collection)):
            await with_retries(lambda: self._client.delete_collection(self._collection))

    async def close(self) -> None:
        """The client is not this one's to close."""


def _leaving(folder: Path) -> Path:
    return folder.with_name(folder.name + ".converted")


def _point(chunk_id: UUID, vectors: Any, payload: dict[str, Any]) -> IndexPoint:
    terms = vectors.get(SPARSE)
    sparse = SparseVector((), ()) if terms is None else SparseVector(tuple(terms.indices), tuple(terms.values))
    return point_of(chunk_id, vectors[DENSE], sparse, payload)
