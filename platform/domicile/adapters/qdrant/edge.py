"""The vector index in this process, on the embedded Qdrant engine.

Three properties of the engine (``qdrant_edge`` 0.9, measured) shape this module:

- Every call holds the interpreter's lock until it is done. A query of 3 ms therefore runs where it is asked: a thread
  would stop the event loop just as long and add two hand-overs. An upsert takes few points at a time.
- ``update`` writes to a memory-mapped log without forcing it to disk, and ``flush`` takes 30 to 100 ms at 100,000 points.
  So an upsert forces only the log to disk, during which others run; the engine replays the log after a crash.
- ``optimize`` would stop the whole process for seconds or minutes, so it is never called: an index of one machine's size
  answers in milliseconds without it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import qdrant_edge as engine

from domicile.adapters.qdrant.edge_engine import EDGE_DIALECT, force_log_to_disk, open_shard, translated
from domicile.adapters.qdrant.filters import compile_scope, reduce_scope
from domicile.adapters.qdrant.points import (
    DENSE,
    HIT_FIELDS,
    SPARSE,
    VERSION,
    batches,
    collection_name,
    envelope_payload,
    hit_of,
    payload_of,
)
from domicile.domain.errors import StorageFull, VectorIndexUnavailable
from domicile.policy.scope import Field, Nothing, RetrievalScope
from domicile.ports.point_store import SealedPoint, StoredTerms
from domicile.ports.vector_index import IndexHit, Ranked, SparseVector, Vector

#: Points of one call into the engine: about 4 ms during which nothing else runs.
UPSERT_POINTS = 32
#: Points after which the segments are flushed, which bounds the log that the next start has to replay.
FLUSH_POINTS = 8192
#: Bytes that must stay free. The engine writes through memory mappings, where a full disk kills the process instead of
#: raising an error, so it has to be noticed before.
RESERVE_BYTES = 256 * 1024 * 1024
#: Versions that one facet lists at most; an index of one machine's size has far fewer.
MOST_VERSIONS = 10_000_000

_HIT_PAYLOAD = engine.PayloadSelector.Include(HIT_FIELDS)


class EdgeVectorIndex:
    """Implements ``ports.point_store.PointStore``. One process at a time may open a folder; the cell's lock sees to it."""

    def __init__(self, folder: Path, dimensions: int, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._dimensions = dimensions
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._unflushed_points = 0
        self._closed = False
        self._shard = open_shard(folder, dimensions)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="index-writer")

    @classmethod
    def open(cls, path: Path, *, model: str, dimensions: int, reserve_bytes: int = RESERVE_BYTES) -> EdgeVectorIndex:
        """The model's own index below ``path``, made if there is none. Blocks: about 2 s per 100,000 points.

        Raises ``ConfigurationError`` if the folder holds vectors of other dimensions, ``VectorIndexUnavailable`` if it
        cannot be read.
        """
        return cls(path / collection_name(model, dimensions), dimensions, reserve_bytes)

    async def upsert(self, points: Sequence[SealedPoint]) -> None:
        for batch in batches(points, UPSERT_POINTS, self._dimensions):
            await self._write(partial(self._upsert, batch))
        if points:
            await self._write(partial(force_log_to_disk, self._folder))

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        return self._leg(engine.Query.Nearest(dense.tolist(), using=DENSE), scope, limit)

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        if not sparse.indices:
            return ()
        terms: Any = _terms(sparse)
        return self._leg(engine.Query.Nearest(terms, using=SPARSE), scope, limit)

    async def terms(self, tenant_id: UUID, start: UUID | None, limit: int) -> tuple[Sequence[StoredTerms], UUID | None]:
        self._check_open()
        theirs = EDGE_DIALECT.filter(must=[EDGE_DIALECT.one_of(Field.TENANT, [str(tenant_id)])])
        fields = engine.PayloadSelector.Include([Field.COLLECTION.value])
        request = engine.ScrollRequest(offset=start, limit=limit, filter=theirs, with_payload=fields, with_vector=[SPARSE])
        with translated():
            found, next_start = self._shard.scroll(request)
        return [_stored_terms(record) for record in found], cast("UUID | None", next_start)

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]:
        self._check_open()
        with translated():
            found = self._shard.retrieve(list(chunk_ids), _HIT_PAYLOAD, False)
        return {hit.chunk_id: hit for hit in (hit_of(cast("UUID", point.id), point.payload or {}) for point in found)}

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None:
        for chunk_id, envelope in envelopes.items():
            await self._write(partial(self._replace_envelope, chunk_id, envelope))
        if envelopes:
            await self._write(partial(force_log_to_disk, self._folder))

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        if not version_ids:
            return
        theirs = EDGE_DIALECT.filter(must=[EDGE_DIALECT.one_of(VERSION, [str(version) for version in version_ids])])
        await self._write(partial(self._shard.update, engine.UpdateOperation.delete_points_by_filter(theirs)))
        await self._write(partial(force_log_to_disk, self._folder))

    async def count(self, scope: RetrievalScope) -> int:
        self._check_open()
        with translated():
            return self._shard.count(engine.CountRequest(filter=compile_scope(scope.tree, EDGE_DIALECT), exact=True))

    async def version_ids(self) -> frozenset[UUID]:
        self._check_open()
        with translated():
            facet = self._shard.facet(engine.FacetRequest(key=VERSION, limit=MOST_VERSIONS, exact=True))
            # Values of deleted points stay listed, with nothing counted.
            return frozenset(UUID(str(hit.value)) for hit in facet.hits if hit.count)

    async def ping(self) -> None:
        self._check_open()
        with translated():
            self._check_space()

    async def close(self) -> None:
        """Wait for what is being written, then give the folder up. Closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._writer, self._shut)
        self._writer.shutdown(wait=False)

    def _leg(self, query: engine.Query, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        self._check_open()
        if isinstance(reduce_scope(scope.tree), Nothing):
            return ()
        admitted = compile_scope(scope.tree, EDGE_DIALECT)
        with translated():
            found = self._shard.query(engine.QueryRequest(limit=limit, query=query, filter=admitted, with_payload=False))
        return tuple(Ranked(cast("UUID", point.id), point.score) for point in found)

    async def _write(self, change: Callable[[], None]) -> None:
        """Run a change in the one thread that writes, so that changes never overlap."""
        self._check_open()
        await asyncio.get_running_loop().run_in_executor(self._writer, _with_translation, change)

    def _upsert(self, batch: Sequence[SealedPoint]) -> None:
        self._check_space()
        self._shard.update(engine.UpdateOperation.upsert_points([_point(point) for point in batch]))
        self._unflushed_points += len(batch)
        if self._unflushed_points >= FLUSH_POINTS:
            self._shard.flush()
            self._unflushed_points = 0

    def _replace_envelope(self, chunk_id: UUID, envelope: bytes) -> None:
        self._check_space()
        if self._shard.retrieve([chunk_id], False, False):
            self._shard.update(engine.UpdateOperation.set_payload([chunk_id], envelope_payload(envelope)))

    def _shut(self) -> None:
        with translated():
            self._shard.flush()
            self._shard.close()

    def _check_open(self) -> None:
        if self._closed:
            raise VectorIndexUnavailable("The vector index is closed.")

    def _check_space(self) -> None:
        if shutil.disk_usage(self._folder).free < self._reserve_bytes:
            raise StorageFull("Too little disk space is left for the vector index.")


def _with_translation(change: Callable[[], None]) -> None:
    with translated():
        change()


def _point(point: SealedPoint) -> engine.Point:
    vectors: Any = {DENSE: point.dense.tolist(), SPARSE: _terms(point.sparse)}
    return engine.Point(id=point.chunk_id, vector=vectors, payload=payload_of(point))


def _stored_terms(record: engine.Record) -> StoredTerms:
    vectors, payload = cast("dict[str, engine.SparseVector]", record.vector), record.payload or {}
    return StoredTerms(UUID(payload[Field.COLLECTION.value]), tuple(vectors[SPARSE].indices))


def _terms(sparse: SparseVector) -> engine.SparseVector:
    return engine.SparseVector(list(sparse.indices), list(sparse.values))
