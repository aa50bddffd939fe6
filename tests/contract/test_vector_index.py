"""What every vector index promises: the fake, the embedded engine, the server's client, and a real server if there is one."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import textwrap
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from tests.fakes.vector_index import InMemoryVectorIndex, point_of, sealed

from domicile.adapters.qdrant.edge import UPSERT_POINTS, EdgeVectorIndex
from domicile.adapters.qdrant.server import ServerVectorIndex
from domicile.adapters.sealed.index import SealedIndex
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import ConfigurationError, StorageFull, VectorIndexUnavailable
from domicile.domain.values import Classification, Region
from domicile.policy.scope import AllOf, AnyOf, Between, Everything, Field, Nothing, OneOf, RetrievalScope, Scope
from domicile.ports.vector_index import SparseVector
from domicile.retrieval.ranking import Legs

A, B = UUID(int=0xA), UUID(int=0xB)
COLLECTION = UUID(int=5)
DIMENSIONS = 4
EAST = (1.0, 0.0, 0.0, 0.0)
NORTH_EAST = (0.8, 0.6, 0.0, 0.0)
NORTH = (0.0, 1.0, 0.0, 0.0)
QUESTION = np.asarray(EAST, dtype=np.float32)
NO_TERMS = SparseVector((), ())
REAL_SERVER = os.environ.get("DOMICILE_TEST_QDRANT_URL")
CHILD = textwrap.dedent("""
    import asyncio, os, signal, sys
    from pathlib import Path
    from uuid import UUID
    from tests.contract.test_vector_index import A, document, embedded, point

    async def main():
        index = embedded(Path(sys.argv[1]))
        await index.upsert([point(n, document(A)) for n in range(70)])
        await index.delete_versions([UUID(int=7)])
        await index.upsert([point(100, document(A), version=9)])
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
""")


def scope(tree: Scope) -> RetrievalScope:
    return RetrievalScope(tree, policies=(), bundle_digest="")


def of_tenant(*tenants: UUID) -> RetrievalScope:
    return scope(OneOf(Field.TENANT, frozenset(str(tenant) for tenant in tenants)))


def document(
    tenant: UUID, number: int = 1, classification: Classification = Classification.INTERNAL, groups=(), collection=COLLECTION
):
    return DocumentAttributes(
        tenant_id=tenant,
        document_id=UUID(int=tenant.int * 1000 + number),
        collection_id=collection,
        region=Region("eu-de"),
        classification=classification,
        groups=frozenset(groups),
    )


def point(number: int, attributes: DocumentAttributes, *, version: int = 1, dense=EAST, terms=None, envelope=b"\x00\xff"):
    return point_of(
        attributes,
        UUID(int=number + 1),
        version_id=UUID(int=version),
        ordinal=number,
        dense=dense,
        terms=terms,
        envelope=envelope,
    )


def embedded(path: Path, **options) -> SealedIndex:
    """An index on the embedded engine below ``path``, behind the keys that every one of these tests has."""
    return sealed(EdgeVectorIndex.open(path, model="m", dimensions=DIMENSIONS, **options), DIMENSIONS, collections={COLLECTION})


async def legs(index, terms, within, limit) -> Legs:
    """What both legs find."""
    return Legs(await index.nearest(QUESTION, within, limit), await index.matching(terms, within, limit))


def numbers(leg) -> list[int]:
    """Which points a leg found, by the numbers that ``point`` was given."""
    return [hit.chunk_id.int - 1 for hit in leg]


@pytest.fixture(params=["fake", "edge", "server-in-memory", "server"])
async def index(request, tmp_path):
    match request.param:
        case "fake":
            index = InMemoryVectorIndex(DIMENSIONS)
        case "edge":
            index = embedded(tmp_path)
        case "server-in-memory":
            from qdrant_client import AsyncQdrantClient

            request.applymarker(pytest.mark.filterwarnings("ignore:Payload indexes have no effect"))
            index = sealed(ServerVectorIndex(AsyncQdrantClient(":memory:"), model="m", dimensions=DIMENSIONS), DIMENSIONS)
        case _:
            if not REAL_SERVER:
                pytest.skip("DOMICILE_TEST_QDRANT_URL is not set, so no Qdrant server is tested")
            store = ServerVectorIndex.connect(REAL_SERVER, model=f"test-{uuid4().hex}", dimensions=DIMENSIONS)
            index = sealed(store, DIMENSIONS)
    yield index
    if request.param == "server":
        await store.client.delete_collection(store._collection)
    await index.close()


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
class TestEveryIndex:
    async def test_a_hit_carries_everything_that_its_point_was_given(self, index):
        """Ids, ordinal, score and the envelope's bytes come back unchanged."""
        attributes = document(A)
        envelope = bytes(range(256))
        await index.upsert([point(3, attributes, version=7, dense=NORTH_EAST, envelope=envelope)])
        (ranked,) = await index.nearest(QUESTION, of_tenant(A), 5)
        assert (ranked.chunk_id, ranked.score) == (UUID(int=4), pytest.approx(0.8, abs=1e-6))
        hit = (await index.fetch([ranked.chunk_id]))[ranked.chunk_id]
        assert (hit.chunk_id, hit.version_id, hit.document_id) == (UUID(int=4), UUID(int=7), attributes.document_id)
        assert (hit.ordinal, hit.envelope) == (3, envelope)

    async def test_a_chunk_that_is_gone_is_left_out_of_what_is_fetched(self, index):
        """Between finding a chunk and fetching it its version may be removed; that is no error."""
        await index.upsert([point(n, document(A), version=n) for n in range(3)])
        await index.delete_versions([UUID(int=1)])
        wanted = [UUID(int=3), UUID(int=2), UUID(int=1), UUID(int=77)]
        assert {key: hit.ordinal for key, hit in (await index.fetch(wanted)).items()} == {UUID(int=3): 2, UUID(int=1): 0}
        assert await index.fetch([]) == {}

    async def test_envelopes_are_replaced_and_nothing_else(self, index) -> None:
        """What finds a chunk stays; one that is gone does not come back."""
        await index.upsert([point(n, document(A), envelope=b"old") for n in range(3)])
        one, gone = UUID(int=1), UUID(int=99)
        before = await index.nearest(QUESTION, of_tenant(A), 9)
        await index.replace_envelopes({one: b"new", gone: b"new"})
        await index.replace_envelopes({})
        assert {hit.envelope for hit in (await index.fetch([one])).values()} == {b"new"}
        assert {hit.envelope for hit in (await index.fetch([UUID(int=2), UUID(int=3)])).values()} == {b"old"}
        assert await index.fetch([gone]) == {}
        assert await index.nearest(QUESTION, of_tenant(A), 9) == before
        assert await index.count(of_tenant(A)) == 3

    async def test_the_nearest_come_first_and_no_more_than_asked(self, index):
        """The dense leg is ordered by cosine similarity and cut at the limit."""
        await index.upsert([point(n, document(A), dense=d) for n, d in enumerate([NORTH, EAST, NORTH_EAST])])
        hits = await index.nearest(QUESTION, of_tenant(A), 2)
        assert numbers(hits) == [1, 2]

    async def test_the_same_chunk_replaces(self, index):
        """A point of a known chunk id takes its place, with its new vectors and attributes."""
        await index.upsert([point(1, document(A), dense=NORTH, terms={5: 1.0})])
        await index.upsert([point(1, document(A, 2), dense=EAST, terms={6: 1.0}, version=2)])
        assert await index.count(of_tenant(A)) == 1
        found = await legs(index, SparseVector((5,), (1.0,)), of_tenant(A), 5)
        assert [(hit.chunk_id, hit.score) for hit in found.dense] == [(UUID(int=2), pytest.approx(1.0))]
        assert (await index.fetch([UUID(int=2)]))[UUID(int=2)].version_id == UUID(int=2)
        assert found.sparse == ()

    async def test_a_rare_term_weighs_more_than_a_common_one(self, index):
        """The sparse leg ranks by BM25: one rare term beats one that every point has."""
        await index.upsert([point(n, document(A), terms={1: 1.0} | ({2: 1.0} if n == 4 else {})) for n in range(6)])
        hits = await index.matching(SparseVector((1, 2), (1.0, 1.0)), of_tenant(A), 10)
        assert numbers(hits)[0] == 4
        assert hits[0].score > 2 * hits[1].score

    async def test_the_sparse_leg_finds_only_points_that_share_a_term(self, index):
        """Points without any term of the question are no hits of the sparse leg."""
        await index.upsert([point(0, document(A), terms={1: 1.0}), point(1, document(A), terms={2: 1.0})])
        found = await legs(index, SparseVector((2,), (1.0,)), of_tenant(A), 10)
        assert numbers(found.sparse) == [1]
        assert len(found.dense) == 2
        assert await index.matching(NO_TERMS, of_tenant(A), 10) == ()

    async def test_both_legs_stay_within_the_scope(self, index):
        """What the scope does not admit is in neither leg, however well it matches."""
        secret = document(A, 2, Classification.RESTRICTED)
        await index.upsert([point(0, secret, terms={1: 9.0}), point(1, document(A), dense=NORTH, terms={1: 1.0})])
        cleared = scope(AllOf((of_tenant(A).tree, Between(Field.CLASSIFICATION, None, 1))))
        found = await legs(index, SparseVector((1,), (1.0,)), cleared, 10)
        assert (numbers(found.dense), numbers(found.sparse)) == ([1], [1])
        assert await index.count(cleared) == 1

    async def test_another_tenants_points_are_neither_found_nor_counted(self, index):
        """A tenant's scope sees that tenant's points only."""
        await index.upsert([point(0, document(A), terms={1: 1.0}), point(1, document(B), terms={1: 1.0})])
        found = await legs(index, SparseVector((1,), (1.0,)), of_tenant(A), 10)
        assert {*numbers(found.dense), *numbers(found.sparse)} == {0}
        assert await index.count(of_tenant(A)) == 1
        assert await index.count(of_tenant(A, B)) == 2

    async def test_another_tenants_documents_do_not_move_a_score(self, index):
        """Term statistics come from the tenant alone, so nothing can be inferred about another's vocabulary."""
        await index.upsert([point(n, document(A), terms={1: 1.0} | ({2: 1.0} if n == 4 else {})) for n in range(6)])
        question = SparseVector((1, 2), (1.0, 1.0))
        before = await legs(index, question, of_tenant(A), 10)
        await index.upsert([point(100 + n, document(B), terms={2: 1.0, 3: 1.0}) for n in range(50)])
        after = await legs(index, question, of_tenant(A), 10)
        assert [hit.score for hit in after.sparse] == pytest.approx([hit.score for hit in before.sparse])

    async def test_term_statistics_count_the_whole_tenant(self, index):
        """Documents that the scope hides still count in their own tenant's term statistics."""
        await index.upsert([point(n, document(A, n, Classification(n % 2)), terms={1: 1.0}) for n in range(8)])
        public = scope(AllOf((of_tenant(A).tree, Between(Field.CLASSIFICATION, None, 0))))
        found = await legs(index, SparseVector((1,), (1.0,)), public, 10)
        expected = math.log(1 + 0.5 / 8.5)
        assert [hit.score for hit in found.sparse] == pytest.approx([expected] * 4, rel=1e-3)

    async def test_term_statistics_do_not_depend_on_collections(self, index):
        """A word that every collection of a tenant uses is as common as if all of its documents lay in one."""
        spread = [document(A, n, collection=UUID(int=50 + n)) for n in range(6)]
        await index.upsert([point(n, each, terms={1: 1.0} | ({2: 1.0} if n == 4 else {})) for n, each in enumerate(spread)])
        hits = await index.matching(SparseVector((1, 2), (1.0, 1.0)), of_tenant(A), 10)
        common, rare = math.log(1 + 0.5 / 6.5), math.log(1 + 5.5 / 1.5)
        assert numbers(hits)[0] == 4
        assert [hit.score for hit in hits] == pytest.approx([common + rare] + [common] * 5, rel=1e-3)

    @pytest.mark.parametrize("tree", [Nothing(), AnyOf(()), OneOf(Field.TENANT, frozenset())])
    async def test_an_empty_scope_finds_nothing(self, index, tree):
        """Empty means deny: no hit in either leg and a count of zero."""
        await index.upsert([point(0, document(A), terms={1: 1.0})])
        found = await legs(index, SparseVector((1,), (1.0,)), scope(tree), 10)
        assert (found.dense, found.sparse) == ((), ())
        assert await index.count(scope(tree)) == 0

    async def test_versions_are_listed_and_deleted_whole(self, index):
        """Deleting versions removes all of their points and no others; unknown ones are no error."""
        await index.upsert([point(n, document(A), version=n % 3) for n in range(9)])
        assert await index.version_ids() == {UUID(int=0), UUID(int=1), UUID(int=2)}
        await index.delete_versions([UUID(int=0), UUID(int=2), UUID(int=99)])
        await index.delete_versions([])
        assert await index.version_ids() == {UUID(int=1)}
        assert await index.count(scope(Everything())) == 3

    async def test_more_points_than_one_batch_arrive(self, index):
        """Bulk writes larger than one request of the engine are complete."""
        await index.upsert([point(n, document(A)) for n in range(UPSERT_POINTS * 4 + 1)])
        await index.upsert([])
        assert await index.count(of_tenant(A)) == UPSERT_POINTS * 4 + 1

    async def test_a_vector_of_another_length_is_refused_and_nothing_stored(self, index):
        """An index holds one embedding model's vectors only; a call with a wrong one changes nothing."""
        with pytest.raises(VectorIndexUnavailable):
            await index.upsert([point(0, document(A)), point(1, document(A), dense=(1.0, 0.0))])
        assert await index.count(scope(Everything())) == 0

    async def test_an_empty_index_answers(self, index):
        """Searching, counting and listing before the first point are no errors."""
        found = await legs(index, SparseVector((1,), (1.0,)), of_tenant(A), 10)
        assert (found.dense, found.sparse, await index.version_ids()) == ((), (), frozenset())
        await index.ping()

    async def test_questions_are_answered_while_points_are_written(self, index):
        """Concurrent searches and writes do not disturb one another."""
        await index.upsert([point(0, document(A))])
        writing = asyncio.create_task(index.upsert([point(n, document(B)) for n in range(1, 300)]))
        while not writing.done():
            assert len(await index.nearest(QUESTION, of_tenant(A), 5)) == 1
            await asyncio.sleep(0)
        await writing
        assert await index.count(of_tenant(B)) == 299


class TestEmbeddedIndex:
    async def test_what_was_written_is_there_after_reopening(self, tmp_path):
        """Closing and opening again keeps every point, and closing twice is no error."""
        index = embedded(tmp_path)
        await index.upsert([point(n, document(A), terms={1: 1.0}) for n in range(5)])
        await index.close()
        await index.close()
        reopened = embedded(tmp_path)
        found = await legs(reopened, SparseVector((1,), (1.0,)), of_tenant(A), 10)
        assert (len(found.dense), len(found.sparse)) == (5, 5)
        await reopened.close()

    async def test_what_was_acknowledged_survives_a_killed_process(self, tmp_path):
        """After SIGKILL right behind an upsert and a deletion, both are there."""
        root = Path(__file__).parents[2]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "platform"), str(root)])}
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(tmp_path), env=environment, cwd=root)
        assert await child.wait() == -signal.SIGKILL
        index = embedded(tmp_path)
        assert await index.count(of_tenant(A)) == 71
        assert await index.version_ids() == {UUID(int=1), UUID(int=9)}
        await index.close()

    async def test_models_do_not_share_a_folder(self, tmp_path):
        """Each embedding model and each length has an index of its own below the same path."""
        first = EdgeVectorIndex.open(tmp_path, model="Org/Model v2", dimensions=4)
        await first.upsert([point(0, document(A))])
        for model, dimensions in [("Org/Model v3", 4), ("Org/Model v2", 8)]:
            other = EdgeVectorIndex.open(tmp_path, model=model, dimensions=dimensions)
            assert await other.count(scope(Everything())) == 0
            await other.close()
        await first.close()
        assert (tmp_path / "org-model-v2-4-sealed").is_dir()

    async def test_an_index_of_other_dimensions_is_refused(self, tmp_path):
        """A folder that was made for other vectors is not opened, and says what to change."""
        await embedded(tmp_path).close()
        (tmp_path / "m-4-sealed").rename(tmp_path / "m-8-sealed")
        with pytest.raises(ConfigurationError):
            EdgeVectorIndex.open(tmp_path, model="m", dimensions=8)

    async def test_a_creation_that_was_interrupted_is_begun_again(self, tmp_path):
        """Half of a new index, left by a crash, does not stand in the way."""
        (tmp_path / "m-4-sealed.new" / "segments").mkdir(parents=True)
        (tmp_path / "m-4-sealed.new" / "segments" / "rubbish").write_bytes(b"x")
        index = embedded(tmp_path)
        assert await index.count(scope(Everything())) == 0
        await index.close()

    async def test_a_folder_that_is_no_index_is_refused(self, tmp_path):
        """Damage is reported as an index that is not available, without the engine's words."""
        (tmp_path / "m-4-sealed").mkdir()
        (tmp_path / "m-4-sealed" / "edge_config.json").write_text("{")
        with pytest.raises(VectorIndexUnavailable) as caught:
            embedded(tmp_path)
        assert "json" not in str(caught.value).lower()

    async def test_a_full_disk_is_noticed_before_anything_is_written(self, tmp_path):
        """With less than the reserve free, a write is refused, the index unchanged and its readiness withdrawn."""
        index = embedded(tmp_path, reserve_bytes=1 << 62)
        with pytest.raises(StorageFull):
            await index.upsert([point(0, document(A))])
        with pytest.raises(StorageFull):
            await index.ping()
        assert await index.count(scope(Everything())) == 0
        await index.close()

    async def test_a_closed_index_serves_nothing(self, tmp_path):
        """After closing, every call fails in our own words."""
        index = embedded(tmp_path)
        await index.close()
        for call in (index.ping(), index.upsert([point(0, document(A))]), index.count(scope(Everything()))):
            with pytest.raises(VectorIndexUnavailable):
                await call


class TestServerIndex:
    async def test_a_server_that_is_not_there_is_unavailable(self):
        """A refused connection becomes our own error after the retries, and later calls try again."""
        index = ServerVectorIndex.connect("http://127.0.0.1:1", model="m", dimensions=4, grpc_port=1)
        with pytest.raises(VectorIndexUnavailable):
            await index.ping()
        await index.close()

    @pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
    async def test_a_collection_of_other_dimensions_is_refused(self):
        """A collection that was made for other vectors is not used."""
        from qdrant_client import AsyncQdrantClient, models

        client = AsyncQdrantClient(":memory:")
        vectors = {"dense": models.VectorParams(size=8, distance=models.Distance.DOT)}
        await client.create_collection("m-4-sealed", vectors_config=vectors)
        with pytest.raises(ConfigurationError):
            await ServerVectorIndex(client, model="m", dimensions=4).ping()

    async def test_a_server_that_would_count_terms_over_all_tenants_is_refused(self, monkeypatch):
        """Servers that ignore the corpus of the term statistics are too old to be used."""
        from qdrant_client import AsyncQdrantClient, models

        client = AsyncQdrantClient(":memory:")

        async def old():
            return models.VersionInfo(title="qdrant", version="1.18.4")

        monkeypatch.setattr(client, "info", old)
        with pytest.raises(ConfigurationError):
            await ServerVectorIndex(client, model="m", dimensions=4).ping()
