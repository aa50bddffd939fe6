"""Everything that a scope is turned into a filter for, each holding the same documents: which of them does it admit?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
from tests.fakes.stored_documents import fill
from tests.fakes.vector_index import point_of
from tests.fakes.worlds import COLLECTIONS, GROUPS, TENANTS

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.adapters.qdrant.server import ServerVectorIndex
from domicile.domain.documents import DocumentAttributes
from domicile.policy.scope import RetrievalScope, admits
from domicile.ports.vector_index import VectorIndex

_QUESTION = np.asarray((1.0, 0.0), dtype=np.float32)


class Admitting:
    """One store: the ids of the documents that a scope admits there, and how to close it."""

    def __init__(
        self,
        name: str,
        admitted: Callable[[RetrievalScope], Awaitable[set[UUID]]],
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.admitted = admitted
        self._close = close

    async def close(self) -> None:
        if self._close:
            await self._close()


def in_memory(documents: Sequence[DocumentAttributes]) -> Admitting:
    async def admitted(scope: RetrievalScope) -> set[UUID]:
        return {each.document_id for each in documents if admits(scope.tree, each)}

    return Admitting("in memory", admitted)


async def embedded(documents: Sequence[DocumentAttributes], folder: Path) -> Admitting:
    index = EdgeVectorIndex.open(folder, model="m", dimensions=2, reserve_bytes=0)
    return await _searched("Qdrant embedded", index, documents)


async def local_client(documents: Sequence[DocumentAttributes]) -> Admitting:
    from qdrant_client import AsyncQdrantClient

    index = ServerVectorIndex(AsyncQdrantClient(":memory:"), model="m", dimensions=2)
    return await _searched("Qdrant local client", index, documents)


async def _searched(name: str, index: VectorIndex, documents: Sequence[DocumentAttributes]) -> Admitting:
    """Each document is one point, which every question finds: what is missing was filtered out."""
    await index.upsert([point_of(each, each.document_id) for each in documents])

    async def admitted(scope: RetrievalScope) -> set[UUID]:
        found = {ranked.chunk_id for ranked in await index.nearest(_QUESTION, scope, len(documents))}
        assert await index.count(scope) == len(found)
        return found

    return Admitting(name, admitted, index.close)


async def in_database(name: str, documents: Sequence[DocumentAttributes], url: str) -> Admitting:
    database = SqlDatabase(url)
    await fill(database, TENANTS, COLLECTIONS, GROUPS, documents)

    async def admitted(scope: RetrievalScope) -> set[UUID]:
        async with database.reading() as unit:
            found = {each.id for each in await unit.documents.list(scope, limit=len(documents))}
            assert await unit.documents.count(scope) == len(found)
            return found

    return Admitting(name, admitted, database.close)
