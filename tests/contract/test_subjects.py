"""Whom documents and conversations are about, in both databases."""

from __future__ import annotations

import asyncio

from tests.fakes import people
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid
from tests.fakes.stored_documents import fill

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.conversations import Conversation
from domicile.domain.errors import AlreadyExists

ACME, GLOBEX = people.tenant("acme"), people.tenant("globex")
HANDBOOK, FOREIGN = people.collection("handbook", ACME), people.collection("handbook", GLOBEX)
TRAVEL, PLAN = people.document("travel", ACME, in_collection=HANDBOOK), people.document("plan", GLOBEX, in_collection=FOREIGN)
MIA = people.principal("mia", ACME)
ADA, BEN = b"a" * 32, b"b" * 32
NOW = FixedClock().now()


async def filled(database: SqlDatabase) -> None:
    await fill(database, [ACME, GLOBEX], [HANDBOOK, FOREIGN], [], [TRAVEL, PLAN])
    async with database.writing() as unit:
        await unit.principals.add(MIA, None)
        await unit.conversations.add(Conversation(uid("c"), ACME.id, MIA.id, uid("key"), b"title", NOW, NOW))
        await unit.subjects.set_of_document(TRAVEL.document_id, {ADA, BEN})
        await unit.subjects.set_of_document(PLAN.document_id, {ADA})
        await unit.commit()


async def test_subjects_are_one_tenants(database: SqlDatabase) -> None:
    """Neither the documents of a subject nor the subjects of a document are told across tenants."""
    await filled(database)
    async with database.reading() as unit:
        both = [TRAVEL.document_id, PLAN.document_id]
        assert await unit.subjects.of_documents(ACME.id, both) == {
            TRAVEL.document_id: frozenset({ADA, BEN}),
            PLAN.document_id: frozenset(),
        }
        assert await unit.subjects.documents_of(ACME.id, ADA) == [TRAVEL.document_id]
        assert await unit.subjects.documents_of(GLOBEX.id, ADA) == [PLAN.document_id]


async def test_they_go_with_what_is_about_them(database: SqlDatabase) -> None:
    """Nothing is left that says who it was about."""
    await filled(database)
    async with database.writing() as unit:
        await unit.subjects.add_to_conversation(uid("c"), {ADA})
        await unit.subjects.add_to_conversation(uid("c"), {ADA, BEN})
        await unit.commit()
    async with database.reading() as unit:
        assert await unit.subjects.conversations_of(ACME.id, BEN) == [uid("c")]
        assert await unit.subjects.conversations_of(GLOBEX.id, BEN) == []
    async with database.writing() as unit:
        await unit.documents.delete(ACME.id, TRAVEL.document_id)
        await unit.conversations.delete(ACME.id, uid("c"))
        await unit.commit()
    async with database.reading() as unit:
        assert await unit.subjects.documents_of(ACME.id, BEN) == []
        assert await unit.subjects.conversations_of(ACME.id, BEN) == []


async def test_two_answers_that_end_at_once_tag_their_conversation_once(database: SqlDatabase) -> None:
    """One of the two may have to try again, and nothing else."""
    await filled(database)

    async def tag() -> None:
        async with database.writing() as unit:
            await unit.subjects.add_to_conversation(uid("c"), {ADA})
            await asyncio.sleep(0.05)
            await unit.commit()

    outcomes = await asyncio.gather(tag(), tag(), return_exceptions=True)
    assert all(each is None or isinstance(each, AlreadyExists) for each in outcomes)
    async with database.reading() as unit:
        assert await unit.subjects.conversations_of(ACME.id, ADA) == [uid("c")]
