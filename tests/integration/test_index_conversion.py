"""An index from before it was sealed is sealed when its cell opens, without embedding anything again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import pytest
from tests.fakes.clear_index import write_clear_edge, write_clear_server
from tests.fakes.vector_index import InMemoryVectorIndex, point_of, sealed

from domicile.adapters.qdrant.clear_layout import ClearEdgePoints, ClearServerPoints
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.adapters.qdrant.server import ServerVectorIndex
from domicile.adapters.sealed.index import SealedIndex
from domicile.bootstrap.conversion import POINTS_AT_ONCE, convert
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import VectorIndexUnavailable
from domicile.domain.marks import Validity
from domicile.domain.values import Classification, Region
from domicile.policy.scope import Everything, Field, OneOf, RetrievalScope
from domicile.ports.vector_index import IndexPoint, SparseVector

ROOT = Path(__file__).parents[2]
MODEL, DIMENSIONS, POINTS = "m", 16, POINTS_AT_ONCE * 2 + 100
TENANTS, COLLECTIONS = [UUID(int=0xA), UUID(int=0xB)], [UUID(int=5), UUID(int=6), UUID(int=7)]
EVERYTHING = RetrievalScope(Everything(), (), "")
CHILD = textwrap.dedent("""
    import asyncio, os, signal, sys
    from pathlib import Path
    from tests.integration.test_index_conversion import DIMENSIONS, MODEL, clear_points, embedded
    from domicile.bootstrap.conversion import convert

    async def main():
        path = Path(sys.argv[1])
        index, clear = embedded(path), clear_points(path)
        discard, batches = clear.discard, []

        async def dying(ids):
            batches.append(ids)
            if len(batches) == 2:  # The second batch is sealed, and not discarded yet.
                os.kill(os.getpid(), signal.SIGKILL)
            await discard(ids)

        clear.discard = dying
        await convert(clear, index)

    asyncio.run(main())
""")


def points() -> list[IndexPoint]:
    """Two tenants' chunks in three collections, with every attribute that a point may hold."""
    numbers = np.random.default_rng(0)
    vectors = numbers.standard_normal((POINTS, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        point_of(
            DocumentAttributes(
                tenant_id=TENANTS[number % 2],
                document_id=UUID(int=1000 + number // 7),
                collection_id=COLLECTIONS[number % 3],
                region=Region("eu-de"),
                classification=Classification(number % 4),
                groups=frozenset(UUID(int=40 + each) for each in range(number % 3)),
                owner=UUID(int=50 + number % 2),
                labels=frozenset({"hr"} if number % 5 else ()),
                personal_data=number % 2 == 1,
                validity=Validity(60 * (number % 3), 6000),
            ),
            uuid5(UUID(int=1), str(number)),
            version_id=UUID(int=2000 + number // 7),
            ordinal=number % 7,
            dense=vectors[number],
            terms={int(term): 1.0 + number % 4 for term in numbers.integers(0, 300, 12)},
            envelope=b"\x01\x01sealed" + number.to_bytes(4, "big"),
        )
        for number in range(POINTS)
    ]


def embedded(path: Path) -> SealedIndex:
    store = EdgeVectorIndex.open(path, model=MODEL, dimensions=DIMENSIONS, reserve_bytes=0)
    return sealed(store, DIMENSIONS, collections=COLLECTIONS)


def clear_points(path: Path) -> ClearEdgePoints:
    clear = ClearEdgePoints.open(path, model=MODEL, dimensions=DIMENSIONS)
    assert clear is not None
    return clear


async def assert_same(index: SealedIndex, clear: list[IndexPoint]) -> None:
    """Everything is there, and both legs find what they found, with the scores that they had."""
    before = InMemoryVectorIndex(DIMENSIONS)
    await before.upsert(clear)
    assert await index.count(EVERYTHING) == len(clear)
    assert await index.version_ids() == await before.version_ids()
    ids = [point.chunk_id for point in clear[::50]]
    assert await index.fetch(ids) == await before.fetch(ids)
    for tenant in TENANTS:
        scope = RetrievalScope(OneOf(Field.TENANT, frozenset({str(tenant)})), (), "")
        terms = SparseVector((3, 77, 212), (1.0, 1.0, 0.6))
        for mine, theirs in [
            (await index.nearest(clear[8].dense, scope, 40), await before.nearest(clear[8].dense, scope, 40)),
            (await index.matching(terms, scope, 500), await before.matching(terms, scope, 500)),
        ]:
            scores = {each.chunk_id: each.score for each in theirs}
            assert {each.chunk_id: each.score for each in mine} == pytest.approx(scores, rel=1e-4, abs=1e-5)


async def test_an_embedded_index_is_converted_and_the_clear_one_removed(tmp_path: Path) -> None:
    """No question notices, and no file of the old index is left."""
    clear = points()
    old = write_clear_edge(tmp_path, clear, model=MODEL, dimensions=DIMENSIONS)
    index = embedded(tmp_path)
    await convert(clear_points(tmp_path), index)
    await assert_same(index, clear)
    assert [path.name for path in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))] == [old.name + "-sealed"]
    await index.close()


async def test_a_conversion_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """After SIGKILL between storing a batch and discarding it, the next start converts what is left, and nothing is lost."""
    clear = points()
    write_clear_edge(tmp_path, clear, model=MODEL, dimensions=DIMENSIONS)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)])}
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(tmp_path), env=environment, cwd=ROOT)
    assert await child.wait() == -signal.SIGKILL
    index = embedded(tmp_path)
    assert await index.count(EVERYTHING) == 2 * POINTS_AT_ONCE
    await convert(clear_points(tmp_path), index)
    await assert_same(index, clear)
    await index.close()


async def test_a_removal_that_was_interrupted_is_finished_by_the_next_start(tmp_path: Path) -> None:
    """A crash while the old folder is deleted leaves no part of it for good."""
    left = tmp_path / f"{MODEL}-{DIMENSIONS}.converted"
    left.mkdir()
    (left / "wal").write_bytes(b"clear")
    assert ClearEdgePoints.open(tmp_path, model=MODEL, dimensions=DIMENSIONS) is None
    assert not left.exists()


async def test_a_cell_without_an_old_index_has_nothing_to_convert(tmp_path: Path) -> None:
    """A new cell, and every later start."""
    index = embedded(tmp_path)
    await convert(ClearEdgePoints.open(tmp_path, model=MODEL, dimensions=DIMENSIONS), index)
    assert await index.count(EVERYTHING) == 0
    await index.close()


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
async def test_a_collection_on_a_server_is_converted_and_deleted() -> None:
    """The same, over the client; and again with nothing there, as at every later start."""
    from qdrant_client import AsyncQdrantClient

    client, clear = AsyncQdrantClient(":memory:"), points()
    old = await write_clear_server(client, clear, model=MODEL, dimensions=DIMENSIONS)
    store = ServerVectorIndex(client, model=MODEL, dimensions=DIMENSIONS)
    index = sealed(store, DIMENSIONS, collections=COLLECTIONS)
    for _ in range(2):
        await convert(ClearServerPoints(client, model=MODEL, dimensions=DIMENSIONS), index)
        assert not await client.collection_exists(old)
    await assert_same(index, clear)
    await index.close()


async def test_a_conversion_that_cannot_write_removes_nothing(tmp_path: Path) -> None:
    """A store that fails fails the start, and the old index is as it was."""
    clear = points()
    old = write_clear_edge(tmp_path, clear, model=MODEL, dimensions=DIMENSIONS)
    index = embedded(tmp_path)
    await index.close()
    with pytest.raises(VectorIndexUnavailable):
        await convert(clear_points(tmp_path), index)
    assert old.is_dir()
    again = clear_points(tmp_path)
    assert await again.count() == len(clear)
    await again.close()
