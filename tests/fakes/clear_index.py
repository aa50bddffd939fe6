"""Indexes as they were before they were sealed: the layout, written down here since the product only reads it now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as engine

from domicile.adapters.qdrant.edge_engine import _payload_indexes
from domicile.adapters.qdrant.points import payload_of
from domicile.ports.vector_index import IndexPoint


def write_clear_edge(path: Path, points: Sequence[IndexPoint], *, model: str, dimensions: int) -> Path:
    """The embedded engine's, below ``path``; gives its folder."""
    folder = path / f"{model}-{dimensions}"
    folder.mkdir(parents=True)
    config = engine.EdgeConfig(
        vectors={"dense": engine.EdgeVectorParams(size=dimensions, distance=engine.Distance.Dot)},
        sparse_vectors={"sparse": engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf, full_scan_threshold=5000)},
        payload_memory=engine.Memory.Cached,
        wal_enabled=True,
        max_search_threads=1,
    )
    shard = engine.EdgeShard.create(str(folder), config)
    for key, index in _payload_indexes().items():
        shard.update(engine.UpdateOperation.create_field_index(key, index))
    shard.update(engine.UpdateOperation.upsert_points([_edge_point(point) for point in points]))
    shard.flush()
    shard.close()
    return folder


async def write_clear_server(client: Any, points: Sequence[IndexPoint], *, model: str, dimensions: int) -> str:
    """A collection on a server; gives its name."""
    from qdrant_client import models

    name = f"{model}-{dimensions}"
    await client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=dimensions, distance=models.Distance.DOT)},
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )
    structs = [
        models.PointStruct(
            id=str(point.chunk_id),
            vector={
                "dense": point.dense.tolist(),
                "sparse": models.SparseVector(indices=list(point.sparse.indices), values=list(point.sparse.values)),
            },
            payload=payload_of(point),
        )
        for point in points
    ]
    await client.upsert(name, structs, wait=True)
    return name


def _edge_point(point: IndexPoint) -> engine.Point:
    vectors: Any = {
        "dense": point.dense.tolist(),
        "sparse": engine.SparseVector(list(point.sparse.indices), list(point.sparse.values)),
    }
    return engine.Point(id=point.chunk_id, vector=vectors, payload=payload_of(point))
