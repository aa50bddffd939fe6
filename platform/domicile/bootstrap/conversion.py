"""An index of the layout before it was sealed becomes a sealed one, without embedding anything again.

Before the cell serves: nothing else writes meanwhile. Batch by batch, points are stored sealed, durably, and then removed from
the old index, so that a conversion that ends half-way is gone on with by the next start.
"""

from __future__ import annotations

import time

import structlog

from domicile.ports.point_store import ClearPoints
from domicile.ports.vector_index import VectorIndex

#: Points of one batch: some megabytes.
POINTS_AT_ONCE = 512
#: Seconds between two lines of the log.
PROGRESS_SECONDS = 5.0


async def convert(clear: ClearPoints | None, index: VectorIndex) -> None:
    """Move every point of ``clear`` into ``index``, then remove what it lay in. Raises what either raises."""
    if clear is None:
        return
    try:
        left = await clear.count()
        if left:
            await _moved(clear, index, left)
        await clear.remove()
    finally:
        await clear.close()


async def _moved(clear: ClearPoints, index: VectorIndex, left: int) -> None:
    log, told, moved = structlog.get_logger(), time.monotonic(), 0
    log.info("converting the index to its sealed layout; points to convert", count=left)
    while batch := await clear.some(POINTS_AT_ONCE):
        await index.upsert(batch)
        await clear.discard([point.chunk_id for point in batch])
        moved += len(batch)
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            log.info("converting the index; points left", count=left - moved)
    log.info("the index is converted; points", count=moved)
