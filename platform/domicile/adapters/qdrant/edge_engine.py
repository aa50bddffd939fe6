"""The embedded Qdrant engine itself: its filters' classes, its files on disk and its errors."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import qdrant_edge as engine

from domicile.adapters.qdrant.filters import Condition
from domicile.adapters.qdrant.points import DENSE, INTEGERS, KEYWORDS, SPARSE, SPARSE_FULL_SCAN_POINTS
from domicile.domain.errors import ConfigurationError, DomicileError, StorageFull, VectorIndexUnavailable
from domicile.policy.scope import Field


class EdgeDialect:
    """Filters in the embedded engine's classes."""

    def one_of(self, key: str, values: Sequence[str] | Sequence[int]) -> Condition:
        match = engine.MatchValue(values[0]) if len(values) == 1 else engine.MatchAny(list(values))  # type: ignore[arg-type]
        return engine.FieldCondition(key=key, match=match)

    def between(self, key: str, low: int | None, high: int | None) -> Condition:
        return engine.FieldCondition(key=key, range=engine.RangeFloat(gte=low, lte=high))

    def empty(self, key: str) -> Condition:
        return engine.IsEmptyCondition(key=key)

    def filter(
        self, *, must: Sequence[Condition] = (), should: Sequence[Condition] = (), must_not: Sequence[Condition] = ()
    ) -> engine.Filter:
        return engine.Filter(must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None)


EDGE_DIALECT = EdgeDialect()


def open_shard(folder: Path, dimensions: int) -> engine.EdgeShard:
    """The shard in that folder, made if there is none. Raises ``ConfigurationError`` for one of other dimensions."""
    with translated():
        if not folder.exists():
            _create(folder, dimensions)
        shard = engine.EdgeShard.load(str(folder), _config(dimensions))
        _add_missing_indexes(shard)
        return shard


def force_log_to_disk(folder: Path) -> None:
    """Make every change so far survive a power failure: what the log holds on disk is replayed at the next start."""
    log = folder / "wal"
    log_files = list(log.glob("*"))
    if not log_files:
        raise VectorIndexUnavailable("The vector index keeps no log, so its changes would not be durable.")
    for path in [*log_files, log]:
        force_to_disk(path)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the engine raises into our errors.

    The engine raises nothing more specific than ``Exception``, so the exact type tells its errors from everything else.
    Its message is not passed on: it may name values.
    """
    try:
        yield
    except DomicileError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise StorageFull() if full else VectorIndexUnavailable() from error
    except Exception as error:
        if type(error) not in (Exception, ValueError):
            raise
        raise _explained(str(error)) from None


def _explained(message: str) -> DomicileError:
    if "ncompatible" in message:
        return ConfigurationError(
            "The vector index on disk was made for other vectors.",
            hint="Use the embedding weights that it was made with, or an empty data folder.",
        )
    if any(f"os error {code}" in message for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
        return StorageFull()
    return VectorIndexUnavailable()


def _config(dimensions: int) -> engine.EdgeConfig:
    # Vectors come normalised, so their product is the cosine. Payloads are cached because the filters read them, and so
    # does every hit that is looked at.
    sparse = engine.EdgeSparseVectorParams(full_scan_threshold=SPARSE_FULL_SCAN_POINTS)
    return engine.EdgeConfig(
        vectors={DENSE: engine.EdgeVectorParams(size=dimensions, distance=engine.Distance.Dot)},
        sparse_vectors={SPARSE: sparse},
        payload_memory=engine.Memory.Cached,
        wal_enabled=True,
        max_search_threads=1,
    )


def _create(folder: Path, dimensions: int) -> None:
    """Make the shard beside its place and move it there, so that a crash never leaves half of one."""
    unfinished = folder.with_name(folder.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    shard = engine.EdgeShard.create(str(unfinished), _config(dimensions))
    _add_missing_indexes(shard)
    shard.flush()
    shard.close()
    unfinished.rename(folder)
    force_to_disk(folder.parent)


def _add_missing_indexes(shard: engine.EdgeShard) -> None:
    """All of them for a new shard, those that there were not yet for one that was made before."""
    there = shard.info().payload_schema
    for key, index in _payload_indexes().items():
        if key not in there:
            shard.update(engine.UpdateOperation.create_field_index(key, index))


def _payload_indexes() -> dict[str, engine.PayloadSchemaParams]:
    return {
        Field.TENANT.value: engine.KeywordIndexParams(is_tenant=True),
        **{key: engine.IntegerIndexParams(lookup=True, range=True) for key in INTEGERS},
        **{key: engine.KeywordIndexParams() for key in KEYWORDS},
    }


def force_to_disk(path: Path) -> None:
    """Flush a file's pages, those written through a mapping included, or a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
