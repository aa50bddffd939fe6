"""Both engines' filters admit exactly what the scope admits."""

from __future__ import annotations

import asyncio
import warnings
from uuid import UUID

import pytest
import qdrant_edge as engine
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import AsyncQdrantClient, models
from tests.fakes.vector_index import point_of

from domicile.adapters.qdrant.edge_engine import EDGE_DIALECT, open_shard
from domicile.adapters.qdrant.filters import compile_scope, reduce_scope
from domicile.adapters.qdrant.points import DENSE, payload_of
from domicile.adapters.qdrant.server import ServerDialect
from domicile.domain.documents import DocumentAttributes
from domicile.domain.marks import FOREVER, NOBODY, Validity
from domicile.domain.values import Classification, Region
from domicile.policy.scope import (
    AllOf,
    AnyOf,
    Between,
    Everything,
    Field,
    Intersects,
    IsEmpty,
    Not,
    Nothing,
    OneOf,
    Scope,
    admits,
)

TENANTS, DOCUMENTS, COLLECTIONS, GROUPS = ([UUID(int=base + n) for n in range(3)] for base in (10, 20, 30, 40))
OWNERS = [UUID(int=50), UUID(int=51)]
LABELS = ["hr", "works-council", "archive"]
MOMENTS = [0, 60, 120, 180, 240]
REGIONS = ["eu-de", "eu-fr", "us-va"]
CORPUS = [
    DocumentAttributes(
        tenant_id=TENANTS[n % 3],
        document_id=DOCUMENTS[n // 3 % 3],
        collection_id=COLLECTIONS[n // 2 % 3],
        region=Region(REGIONS[n // 5 % 3]),
        classification=Classification(n // 7 % 4),
        groups=frozenset(group for bit, group in enumerate(GROUPS) if (n * 5) >> bit & 1),
        owner=[NOBODY, *OWNERS][n // 11 % 3],
        labels=frozenset(label for bit, label in enumerate(LABELS) if (n * 3) >> bit & 1),
        personal_data=n // 13 % 2 == 1,
        validity=Validity(MOMENTS[n // 4 % 3], [*MOMENTS[3:], FOREVER][n // 6 % 3]),
    )
    for n in range(90)
]
POINTS = [point_of(attributes, UUID(int=1000 + n)) for n, attributes in enumerate(CORPUS)]
VALUES = {
    Field.TENANT: [str(value) for value in TENANTS],
    Field.DOCUMENT: [str(value) for value in DOCUMENTS],
    Field.COLLECTION: [str(value) for value in COLLECTIONS],
    Field.REGION: REGIONS,
    Field.CLASSIFICATION: ["0", "1", "2", "3", "02", "x", "-1"],
    Field.GROUPS: [str(value) for value in GROUPS],
    Field.OWNER: [str(value) for value in [NOBODY, *OWNERS]],
    Field.LABELS: LABELS,
    Field.PERSONAL_DATA: ["true", "false", "True"],
    Field.VALID_FROM: ["0", "60", "x"],
    Field.VALID_UNTIL: [str(FOREVER), "180", "0180"],
}
levels = st.none() | st.integers(-1, 4)
moments = st.none() | st.sampled_from([-1, *MOMENTS, 61, FOREVER - 1, FOREVER])
some_values = st.sampled_from(Field).flatmap(
    lambda name: st.tuples(st.just(name), st.frozensets(st.sampled_from([*VALUES[name], "absent"]), max_size=4))
)
leaves = (
    st.just(Everything())
    | st.just(Nothing())
    | some_values.map(lambda pair: OneOf(*pair))
    | some_values.map(lambda pair: Intersects(*pair))
    | st.builds(Between, st.just(Field.CLASSIFICATION), levels, levels)
    | st.builds(Between, st.sampled_from([Field.VALID_FROM, Field.VALID_UNTIL]), moments, moments)
    | st.builds(IsEmpty, st.sampled_from(Field))
)
scopes = st.recursive(
    leaves,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=12,
)


def _expected(scope: Scope) -> set[UUID]:
    return {point.chunk_id for point in POINTS if admits(scope, point.attributes)}


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    shard = open_shard(tmp_path_factory.mktemp("filters") / "index", dimensions=2)
    points = [engine.Point(id=p.chunk_id, vector={DENSE: [1.0, 0.0]}, payload=payload_of(p)) for p in POINTS]
    shard.update(engine.UpdateOperation.upsert_points(points))
    yield shard
    shard.close()


@pytest.fixture(scope="module")
def client():
    client = AsyncQdrantClient(":memory:")
    vectors = {DENSE: models.VectorParams(size=2, distance=models.Distance.DOT)}
    structs = [models.PointStruct(id=str(p.chunk_id), vector={DENSE: [1.0, 0.0]}, payload=payload_of(p)) for p in POINTS]
    with asyncio.Runner() as runner:
        runner.run(client.create_collection("filters", vectors_config=vectors))
        runner.run(client.upsert("filters", structs))
        yield lambda admitted: runner.run(client.scroll("filters", admitted, limit=200))[0]


@given(scope=scopes)
@settings(deadline=None, max_examples=150)
def test_the_embedded_engine_finds_exactly_what_the_scope_admits(shard, scope):
    """Over random scopes, the embedded engine's filter and the reference semantics choose the same points."""
    request = engine.ScrollRequest(limit=200, filter=compile_scope(scope, EDGE_DIALECT), with_payload=False)
    assert {record.id for record in shard.scroll(request)[0]} == _expected(scope)


@given(scope=scopes)
@settings(deadline=None, max_examples=150)
def test_the_server_client_finds_exactly_what_the_scope_admits(client, scope):
    """Over random scopes, the client's filter and the reference semantics choose the same points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        records = client(compile_scope(scope, ServerDialect()))
    assert {UUID(record.id) for record in records} == _expected(scope)


@given(scope=scopes)
def test_reducing_a_scope_changes_nothing_but_its_form(scope):
    """A reduced scope admits the same documents and hides no constant below its top."""
    reduced = reduce_scope(scope)
    assert [admits(reduced, attributes) for attributes in CORPUS] == [admits(scope, a) for a in CORPUS]
    if not isinstance(reduced, Everything | Nothing):
        assert "Everything" not in repr(reduced)
        assert "Nothing" not in repr(reduced)
