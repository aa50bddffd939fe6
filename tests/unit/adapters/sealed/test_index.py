"""What reaches a point store, and how the index in front of it finds its way back."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from tests.fakes.keys import MemoryKeyRing
from tests.fakes.people import document
from tests.fakes.vector_index import InMemoryVectorIndex, point_of, sealed

from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.adapters.sealed.index import SealedIndex
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import DecryptionFailed, VectorIndexUnavailable
from domicile.domain.values import Classification, Region
from domicile.policy.scope import AllOf, Between, Everything, Field, OneOf, RetrievalScope, Scope
from domicile.ports.keys import Secret
from domicile.ports.vector_index import SparseVector

A, B = UUID(int=0xA), UUID(int=0xB)
LARGE, SMALL = UUID(int=5), UUID(int=6)
EAST = (1.0, 0.0, 0.0, 0.0)
COMMON, TOPIC = 1, 2


def attributes(tenant: UUID, collection: UUID, number: int) -> DocumentAttributes:
    return DocumentAttributes(tenant, UUID(int=number), collection, Region("eu-de"), Classification.INTERNAL)


def scope(tree: Scope) -> RetrievalScope:
    return RetrievalScope(tree, (), "")


def of_tenants(*tenants: UUID) -> RetrievalScope:
    return scope(OneOf(Field.TENANT, frozenset(map(str, tenants))))


@pytest.fixture
async def store(tmp_path):
    store = EdgeVectorIndex.open(tmp_path, model="m", dimensions=4, reserve_bytes=0)
    yield store
    await store.close()


async def test_no_vector_and_no_term_reaches_the_store_as_it_was(store):
    """The store holds another vector, and other terms in each collection; what a hit is made of stays as it is."""
    written = []
    upsert = store.upsert

    async def seen(points):
        written.extend(points)
        await upsert(points)

    store.upsert = seen
    index = sealed(store, 4)
    clear = [
        point_of(attributes(A, each, 1), UUID(int=9 + n), dense=EAST, terms={7: 1.5, 8: 2.0})
        for n, each in enumerate([LARGE, SMALL])
    ]
    await index.upsert(clear)
    for before, after in zip(clear, written, strict=True):
        assert np.abs(after.dense - before.dense).max() > 0.1
        assert not {7, 8} & set(after.sparse.indices)
        assert after.sparse.values == before.sparse.values
        assert (after.chunk_id, after.attributes, after.envelope) == (before.chunk_id, before.attributes, before.envelope)
    assert not set(written[0].sparse.indices) & set(written[1].sparse.indices)


async def test_points_of_many_places_keep_their_own_vectors_and_terms(store):
    """One write of several tenants' and collections' points mixes nothing up."""
    index, exact = sealed(store, 4, collections=[LARGE, SMALL]), InMemoryVectorIndex(4)
    numbers = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    points = [
        point_of(
            attributes((A, B)[n % 2], (LARGE, SMALL)[n // 2 % 2], n),
            UUID(int=n + 1),
            dense=vector,
            terms={n % 7: 1.0, 10 + n % 5: 2.0},
        )
        for n, vector in enumerate(numbers)
    ]
    await index.upsert(points)
    await exact.upsert(points)
    for tenant in (A, B):
        for found, expected in (
            (await index.nearest(numbers[0], of_tenants(tenant), 60), await exact.nearest(numbers[0], of_tenants(tenant), 60)),
            (
                await index.matching(SparseVector((3, 11), (1.0, 0.5)), of_tenants(tenant), 60),
                await exact.matching(SparseVector((3, 11), (1.0, 0.5)), of_tenants(tenant), 60),
            ),
        ):
            assert {each.chunk_id: each.score for each in found} == pytest.approx(
                {each.chunk_id: each.score for each in expected}, abs=1e-4
            )


async def test_a_word_that_every_collection_uses_is_common_in_each(store):
    """A small collection with common words does not come before the one document that is about the question."""
    index = sealed(store, 4)
    large = [
        point_of(attributes(A, LARGE, n), UUID(int=n + 1), dense=EAST, terms={COMMON: 1.0, 100 + n: 1.0}) for n in range(40)
    ]
    about = point_of(attributes(A, LARGE, 99), UUID(int=99), dense=EAST, terms={TOPIC: 1.0})
    small = [point_of(attributes(A, SMALL, 50 + n), UUID(int=50 + n), dense=EAST, terms={COMMON: 1.2}) for n in range(2)]
    await index.upsert([*large, about, *small])
    found = await index.matching(SparseVector((COMMON, TOPIC), (1.0, 1.0)), of_tenants(A), 5)
    assert found[0].chunk_id == about.chunk_id
    # ln(1 + (N - n + 0.5) / (n + 0.5)) with N = 43 chunks and n = 42 of them.
    assert found[1].score == pytest.approx(1.2 * np.log(44 / 42.5), rel=1e-4)


async def test_a_question_about_certain_collections_is_hidden_for_those_only(store):
    """What the scope names is searched, also where nobody knows a collection's name but the scope."""
    asked = []

    async def known(_: UUID) -> list[UUID]:
        asked.append(1)
        return []

    index = SealedIndex(store, keys=MemoryKeyRing(), collections=known, dimensions=4)
    writer = sealed(store, 4)
    await writer.upsert([point_of(attributes(A, each, 1), each, dense=EAST, terms={7: 1.0}) for each in (LARGE, SMALL)])
    narrowed = scope(AllOf((of_tenants(A).tree, OneOf(Field.COLLECTION, frozenset({str(SMALL)})))))
    assert [hit.chunk_id for hit in await index.matching(SparseVector((7,), (1.0,)), narrowed, 5)] == [SMALL]
    assert not asked
    assert await index.matching(SparseVector((7,), (1.0,)), of_tenants(A), 5) == ()


async def test_several_tenants_are_each_asked_with_their_own_keys(store):
    """A scope of two tenants finds both one's chunks, the best first whosever they are."""
    index = sealed(store, 4)
    await index.upsert(
        [point_of(attributes(tenant, LARGE, 1), tenant, dense=EAST, terms={7: 1.0 + n}) for n, tenant in enumerate((A, B))]
    )
    both = of_tenants(A, B)
    assert {hit.chunk_id for hit in await index.nearest(np.array(EAST, np.float32), both, 5)} == {A, B}
    assert [hit.chunk_id for hit in await index.matching(SparseVector((7,), (1.0,)), both, 5)] == [B, A]
    assert [hit.chunk_id for hit in await index.matching(SparseVector((7,), (1.0,)), both, 1)] == [B]


@pytest.mark.parametrize("tree", [Everything(), Between(Field.CLASSIFICATION, 0, 3)])
async def test_a_search_within_no_tenant_is_refused(store, tree):
    """There is no key to ask with, and nobody may search everybody's."""
    index = sealed(store, 4)
    await index.upsert([point_of(attributes(A, LARGE, 1), A, dense=EAST, terms={7: 1.0})])
    with pytest.raises(VectorIndexUnavailable):
        await index.nearest(np.array(EAST, np.float32), scope(tree), 5)
    with pytest.raises(VectorIndexUnavailable):
        await index.matching(SparseVector((7,), (1.0,)), scope(tree), 5)


async def test_without_its_key_a_tenants_part_is_neither_written_nor_searched(store):
    """A destroyed key closes the tenant's part at once, whatever was made from it before, and changes nothing stored."""

    class Destroyable(MemoryKeyRing):
        destroyed = False

        async def secret(self, tenant_id: UUID, purpose: Secret):
            if self.destroyed:
                raise DecryptionFailed
            return await super().secret(tenant_id, purpose)

    keys = Destroyable()
    index = sealed(store, 4, keys=keys)
    await index.upsert([point_of(attributes(A, LARGE, 1), A, dense=EAST, terms={7: 1.0})])
    await index.matching(SparseVector((7,), (1.0,)), of_tenants(A), 5)
    keys.destroyed = True
    for call in (
        index.upsert([point_of(document(), B, dense=EAST)]),
        index.nearest(np.array(EAST, np.float32), of_tenants(A), 5),
        index.matching(SparseVector((7,), (1.0,)), of_tenants(A), 5),
    ):
        with pytest.raises(DecryptionFailed):
            await call
    assert await index.count(scope(Everything())) == 1


async def test_noise_moves_stored_vectors_and_no_question(store):
    """Two indexes over one store, with noise and without, ask alike."""
    noisy, plain = sealed(store, 4, noise=2.0), sealed(store, 4)
    await noisy.upsert([point_of(attributes(A, LARGE, 1), A, dense=EAST)])
    (with_noise,) = await noisy.nearest(np.array(EAST, np.float32), of_tenants(A), 1)
    (asked_without,) = await plain.nearest(np.array(EAST, np.float32), of_tenants(A), 1)
    assert with_noise == asked_without
    assert 1e-4 < abs(with_noise.score - 1) <= 0.5
