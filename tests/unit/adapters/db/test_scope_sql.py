"""The scope as SQL admits exactly what the scope admits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes import people
from tests.fakes.people import uid
from tests.fakes.stored_documents import fill

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.documents import Document
from domicile.domain.marks import ALWAYS, FOREVER, NOBODY, Validity
from domicile.domain.values import Classification
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
    RetrievalScope,
    Scope,
    admits,
)

TENANTS = [people.tenant("acme"), people.tenant("globex")]
COLLECTIONS = [people.collection(slug, tenant) for tenant in TENANTS for slug in ("handbook", "minutes")]
GROUPS = [people.group(slug, TENANTS[0]) for slug in ("finance", "legal", "board")]
OWNERS = [NOBODY, uid("mia"), uid("ben")]
LABELS = ["hr", "works-council"]
VALIDITIES = [ALWAYS, Validity(60, 120), Validity(120, FOREVER)]

#: One document of every kind there is: collection, region, classification, groups; the other marks come as they may.
DOCUMENTS = [
    people.document(
        f"{collection.slug}-{region}-{int(level)}-{len(groups)}",
        next(tenant for tenant in TENANTS if tenant.id == collection.tenant_id),
        in_collection=collection,
        region=region,
        classification=level,
        groups=[group.id for group in groups],
        owner=OWNERS[(number + len(groups)) % 3],
        labels=frozenset(LABELS[: (number + int(level)) % 3]),
        personal_data=(number + int(level)) % 2 == 1,
        validity=VALIDITIES[(number + int(level) + len(groups)) % 3],
    )
    for number, collection in enumerate(COLLECTIONS)
    for region in (people.HOME, people.ELSEWHERE)
    for level in Classification
    for groups in ([], GROUPS[:1], GROUPS[:2], GROUPS)
]

IDS = [*OWNERS, *(each.id for each in (*TENANTS, *COLLECTIONS, *GROUPS)), *(each.document_id for each in DOCUMENTS[::17])]
# Next to what documents have: text that looks like it and is not the same, and text that is nothing at all.
TEXTS = [*map(str, IDS), str(IDS[0]).upper(), IDS[0].hex, "eu-de", "us-va", "EU-DE", "0", "1", "3", "01", "9" * 30, "", "x"]
TEXTS += [*LABELS, "true", "false", "True", "60", "0120", str(FOREVER), "nul\x00"]

values = st.frozensets(st.sampled_from(TEXTS), max_size=4)
fields = st.sampled_from(Field)
bounds = st.none() | st.integers(-2, 6) | st.sampled_from([-(10**12), 10**12])
moments = st.none() | st.sampled_from([-1, 0, 59, 60, 119, 120, FOREVER - 1, FOREVER, 10**30])
leaves = st.one_of(
    st.just(Everything()),
    st.just(Nothing()),
    st.builds(OneOf, fields, values),
    st.builds(Intersects, fields, values),
    st.builds(Between, st.just(Field.CLASSIFICATION), bounds, bounds),
    st.builds(Between, st.sampled_from([Field.VALID_FROM, Field.VALID_UNTIL]), moments, moments),
    st.builds(IsEmpty, fields),
)
scopes = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=12,
)


async def listed(database: SqlDatabase, scope: Scope) -> tuple[set[UUID], int]:
    async with database.reading() as unit:
        found: Sequence[Document] = await unit.documents.list(RetrievalScope(scope, (), ""), limit=1000)
        return {each.id for each in found}, await unit.documents.count(RetrievalScope(scope, (), ""))


def test_sql_admits_what_the_scope_admits(database_url: str) -> None:
    """For any tree over any fields and values, on both databases, lists and counts alike."""
    with asyncio.Runner() as runner:
        database = SqlDatabase(database_url)
        runner.run(fill(database, TENANTS, COLLECTIONS, GROUPS, DOCUMENTS))

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(scopes)
        def check(scope: Scope) -> None:
            admitted = {each.document_id for each in DOCUMENTS if admits(scope, each)}
            assert runner.run(listed(database, scope)) == (admitted, len(admitted))

        check()
        runner.run(database.close())


def test_the_documents_differ_in_everything_a_scope_can_test() -> None:
    """Otherwise the property above would prove little."""
    assert len({each.document_id for each in DOCUMENTS}) == len(DOCUMENTS) == 4 * 2 * 4 * 4
