"""Which documents and conversations retention finds, in both databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from tests.fakes import people
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid
from tests.fakes.stored_documents import stored

from domicile.adapters.db import schema
from domicile.adapters.db.database import SqlDatabase
from domicile.domain.conversations import Conversation
from domicile.domain.documents import Document
from domicile.domain.errors import NotFound
from domicile.domain.holds import Hold, HoldKind
from domicile.domain.retention import DueCount, Kept, RetentionRule, rule_for, specific_first
from domicile.domain.values import Classification

CLOCK = FixedClock()
NOW = CLOCK.now()
ACME, GLOBEX = people.tenant("acme"), people.tenant("globex")
PLACES = [people.collection(name, ACME) for name in ("handbook", "letters", "minutes")]
FOREIGN = people.collection("handbook", GLOBEX)
MIA = people.principal("mia", ACME)
AGES = (0, 1, 29, 30, 31, 365, 4000)


def aged(name: str, place: object, classification: Classification, days: int) -> Document:
    owner = GLOBEX if place is FOREIGN else ACME
    made = stored(people.document(name, owner, in_collection=place, classification=classification))  # type: ignore[arg-type]
    return replace(made, version=replace(made.version, created_at=NOW - timedelta(days=days)))


DOCUMENTS = [
    aged(f"{place.slug}/{level.label}/{days}", place, level, days)
    for place in PLACES
    for level in Classification
    for days in AGES
]
STRANGE = aged("foreign", FOREIGN, Classification.PUBLIC, 4000)


@pytest.fixture
async def filled(database: SqlDatabase) -> SqlDatabase:
    async with database.writing() as unit:
        for tenant in (ACME, GLOBEX):
            await unit.tenants.add(tenant)
        for place in (*PLACES, FOREIGN):
            await unit.collections.add(place)
        await unit.principals.add(MIA, None)
        for document in (*DOCUMENTS, STRANGE):
            await unit.documents.publish(document)
        for days in AGES:
            at = NOW - timedelta(days=days)
            await unit.conversations.add(Conversation(uid(f"talk/{days}"), ACME.id, MIA.id, uid("key"), b"title", at, at))
        await unit.commit()
    return database


async def place(database: SqlDatabase, kind: HoldKind, target: UUID) -> None:
    hold = Hold(
        id=CLOCK.new_id(),
        tenant_id=ACME.id,
        kind=kind,
        target=target,
        subject=None,
        reference="matter-1",
        placed_by=MIA.id,
        placed_at=NOW,
    )
    async with database.writing() as unit:
        await unit.holds.place(hold)
        await unit.commit()


RULES = st.lists(
    st.builds(
        RetentionRule,
        st.just(Kept.DOCUMENTS),
        st.sampled_from([1, 30, 31, 3650]),
        st.sampled_from([None, *(each.id for each in PLACES)]),
        st.sampled_from([None, *Classification]),
    ),
    max_size=8,
    unique_by=lambda each: each.name,
).map(specific_first)


async def test_what_is_found_is_what_the_most_specific_rule_says(filled: SqlDatabase) -> None:
    """For any rules: each document by its one rule and no other, a page at a time, and counted the same."""
    found: list[tuple[object, ...]] = []

    @settings(max_examples=25, deadline=None)
    @given(RULES)
    def collect(rules: tuple[RetentionRule, ...]) -> None:
        found.append(rules)

    collect()
    for rules in found:
        expected = {}
        for each in DOCUMENTS:
            rule = rule_for(rules, each.attributes.collection_id, each.attributes.classification)  # type: ignore[arg-type]
            if rule is not None and each.version.created_at <= rule.before(NOW):
                expected[each.id] = rule
        seen: dict[UUID, RetentionRule] = {}
        after: UUID | None = None
        async with filled.reading() as unit:
            while page := await unit.retention.due_documents(ACME.id, rules, NOW, after=after, limit=7):  # type: ignore[arg-type]
                seen |= {each.id: each.rule for each in page}
                after = page[-1].id
            counts = await unit.retention.counts(ACME.id, rules, NOW)  # type: ignore[arg-type]
        assert seen == expected
        assert sum(each.due for each in counts.values()) == len(expected)
        assert set(counts) == {each.name for each in rules}  # type: ignore[attr-defined]


async def test_what_is_held_is_counted_and_not_found(filled: SqlDatabase) -> None:
    """By whichever kind of hold."""
    rules = (RetentionRule(Kept.DOCUMENTS, 30),)
    await place(filled, HoldKind.COLLECTION, PLACES[0].id)
    await place(filled, HoldKind.DOCUMENT, DOCUMENTS[-1].id)
    async with filled.reading() as unit:
        found = await unit.retention.due_documents(ACME.id, rules, NOW, limit=1000)
        counts = await unit.retention.counts(ACME.id, rules, NOW)
    places = {each.id: each.attributes.collection_id for each in DOCUMENTS}
    assert {places[each.id] for each in found} == {PLACES[1].id, PLACES[2].id}
    assert DOCUMENTS[-1].id not in {each.id for each in found}
    assert counts == {"documents": DueCount(len(found), 4 * 4 + 1)}


async def test_conversations_count_from_their_last_exchange(filled: SqlDatabase) -> None:
    """A hold on the tenant keeps them too."""
    rules = (RetentionRule(Kept.CONVERSATIONS, 30),)
    async with filled.reading() as unit:
        found = await unit.retention.due_conversations(ACME.id, rules, NOW)
        assert {each.id for each in found} == {uid(f"talk/{days}") for days in AGES if days >= 30}
        assert await unit.retention.due_conversations(GLOBEX.id, rules, NOW) == []
        assert [each.id for each in await unit.retention.due_conversations(ACME.id, rules, NOW, only=found[1].id)] == [
            found[1].id
        ]
    await place(filled, HoldKind.TENANT, ACME.id)
    async with filled.reading() as unit:
        assert await unit.retention.due_conversations(ACME.id, rules, NOW) == []
        assert await unit.retention.counts(ACME.id, rules, NOW) == {"conversations": DueCount(0, 4)}


async def test_rules_are_kept_as_they_were_written(filled: SqlDatabase) -> None:
    """The most specific first, all at once, and each tenant's own."""
    rules = specific_first(
        [
            RetentionRule(Kept.DOCUMENTS, 3650),
            RetentionRule(Kept.DOCUMENTS, 90, None, Classification.RESTRICTED),
            RetentionRule(Kept.DOCUMENTS, 365, PLACES[0].id),
            RetentionRule(Kept.DOCUMENTS, 30, PLACES[0].id, Classification.RESTRICTED),
            RetentionRule(Kept.CONVERSATIONS, 180),
            RetentionRule(Kept.AUDIT, 400),
        ]
    )
    async with filled.writing() as unit:
        await unit.retention.set_rules(ACME.id, [RetentionRule(Kept.AUDIT, 700)])
        await unit.retention.set_rules(ACME.id, rules[::-1])
        await unit.commit()
    async with filled.reading() as unit:
        assert await unit.retention.rules(ACME.id) == rules
        assert [each.days for each in rules if each.kept is Kept.DOCUMENTS] == [30, 365, 90, 3650]
        assert await unit.retention.rules(GLOBEX.id) == ()


async def test_no_rule_names_another_tenants_collection(filled: SqlDatabase) -> None:
    """It is not there."""
    async with filled.writing() as unit:
        with pytest.raises(NotFound):
            await unit.retention.set_rules(ACME.id, [RetentionRule(Kept.DOCUMENTS, 30, FOREIGN.id)])


async def test_the_same_work_is_done_by_one_at_a_time(database: SqlDatabase, database_url: str) -> None:
    """In one process, and on PostgreSQL in all of them; other work goes on beside it."""
    async with database.alone("retention") as first, database.alone("retention") as second, database.alone("other") as other:
        assert (first, second, other) == (True, False, True)
    async with database.alone("retention") as again:
        assert again
        if database_url.startswith("postgres"):
            another = SqlDatabase(database_url)
            async with another.alone("retention") as elsewhere:
                assert not elsewhere
            await another.close()


@pytest.mark.slow
async def test_a_hundred_thousand_documents_are_looked_through_quickly(
    filled: SqlDatabase, summary_line: Callable[[str], None]
) -> None:
    """A page and the counts of a preview, with a few that are due among many that are not."""
    columns = schema.documents.c
    template = {
        **{each.name: None for each in columns if each.nullable},
        "tenant_id": ACME.id,
        "collection_id": PLACES[0].id,
        "region": "eu-de",
        "classification": 1,
        "content_digest": b"c",
        "title_envelope": b"t",
        "size_bytes": 1,
        "chunk_count": 1,
    }
    rows = []
    for number in range(100_000):
        id_ = CLOCK.new_id()
        at = NOW - timedelta(days=4000 if number % 100 == 0 else 10)
        rows.append(
            template
            | {"id": id_, "version_id": id_, "data_key_id": id_, "source_digest": id_.bytes}
            | {"created_at": at, "version_created_at": at}
        )
    async with filled.writing_transaction() as open_:
        for start in range(0, len(rows), 1000):
            await open_.run(insert(schema.documents), rows[start : start + 1000])
        await open_.commit()
    rules = specific_first(
        [RetentionRule(Kept.DOCUMENTS, 365), *(RetentionRule(Kept.DOCUMENTS, 700, each.id) for each in PLACES)]
    )
    async with filled.reading() as unit:
        began = time.perf_counter()
        page = await unit.retention.due_documents(ACME.id, rules, NOW, limit=100)
        counts = await unit.retention.counts(ACME.id, rules, NOW)
        took = time.perf_counter() - began
    assert len(page) == 100
    assert sum(each.due for each in counts.values()) >= 1000
    summary_line(f"retention preview of 100,000 documents: {took * 1000:.0f} ms")
