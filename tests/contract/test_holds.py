"""What is held, and what happens when a hold and a deletion come at the same moment; in both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.fakes import people
from tests.fakes.clock import FixedClock
from tests.fakes.people import uid
from tests.fakes.stored_documents import fill

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.conversations import Conversation
from domicile.domain.errors import NotFound
from domicile.domain.holds import Hold, HoldKind

CLOCK = FixedClock()
ACME, GLOBEX = people.tenant("acme"), people.tenant("globex")
HANDBOOK, LETTERS = people.collection("handbook", ACME), people.collection("letters", ACME)
FOREIGN = people.collection("handbook", GLOBEX)
TRAVEL = people.document("travel", ACME, in_collection=HANDBOOK)
LETTER = people.document("letter", ACME, in_collection=LETTERS)
PLAN = people.document("plan", GLOBEX, in_collection=FOREIGN)
MIA = people.principal("mia", ACME)
ADA = b"a" * 32
TALK = uid("talk")
OURS = [TRAVEL.document_id, LETTER.document_id, PLAN.document_id]


@pytest.fixture
async def filled(database: SqlDatabase) -> SqlDatabase:
    await fill(database, [ACME, GLOBEX], [HANDBOOK, LETTERS, FOREIGN], [], [TRAVEL, LETTER, PLAN])
    async with database.writing() as unit:
        await unit.principals.add(MIA, None)
        await unit.conversations.add(Conversation(TALK, ACME.id, MIA.id, uid("key"), b"title", CLOCK.now(), CLOCK.now()))
        await unit.subjects.set_of_document(LETTER.document_id, {ADA})
        await unit.subjects.add_to_conversation(TALK, {ADA})
        await unit.commit()
    return database


def hold(kind: HoldKind, **changes: object) -> Hold:
    made = Hold(
        id=CLOCK.new_id(),
        tenant_id=ACME.id,
        kind=kind,
        target=None,
        subject=None,
        reference="matter-1",
        placed_by=MIA.id,
        placed_at=CLOCK.now(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def place(database: SqlDatabase, *holds: Hold) -> None:
    async with database.writing() as unit:
        for each in holds:
            await unit.holds.place(each)
        await unit.commit()


BY_KIND = [
    (hold(HoldKind.DOCUMENT, target=TRAVEL.document_id), {TRAVEL.document_id}, False),
    (hold(HoldKind.COLLECTION, target=LETTERS.id), {LETTER.document_id}, False),
    (hold(HoldKind.SUBJECT, subject=ADA), {LETTER.document_id}, True),
    (hold(HoldKind.TENANT, target=ACME.id), {TRAVEL.document_id, LETTER.document_id}, True),
]


@pytest.mark.parametrize(("placed", "documents", "talk"), BY_KIND, ids=[str(each[0].kind) for each in BY_KIND])
async def test_each_kind_keeps_what_it_says(filled: SqlDatabase, placed: Hold, documents: set[object], talk: bool) -> None:
    """And nothing else, nor anything of another tenant; until it is released, and it says by which hold."""
    await place(filled, placed)
    async with filled.reading() as unit:
        assert await unit.holds.on_documents(ACME.id, OURS) == dict.fromkeys(documents, placed)
        assert await unit.holds.on_conversations(ACME.id, [TALK]) == ({TALK: placed} if talk else {})
        assert await unit.holds.on_documents(GLOBEX.id, OURS) == {}
    async with filled.writing() as unit:
        assert await unit.holds.release(ACME.id, placed.id, MIA.id, CLOCK.now()) == placed
        await unit.commit()
    async with filled.reading() as unit:
        assert await unit.holds.on_documents(ACME.id, OURS) == {}
        assert await unit.holds.on_conversations(ACME.id, [TALK]) == {}


async def test_what_one_hold_lets_go_another_still_keeps(filled: SqlDatabase) -> None:
    """Of several the oldest is named."""
    first = hold(HoldKind.TENANT, target=ACME.id)
    second = hold(HoldKind.DOCUMENT, target=TRAVEL.document_id)
    await place(filled, second, first)
    async with filled.reading() as unit:
        assert await unit.holds.on_documents(ACME.id, [TRAVEL.document_id]) == {TRAVEL.document_id: first}
    async with filled.writing() as unit:
        await unit.holds.release(ACME.id, first.id, MIA.id, CLOCK.now())
        await unit.commit()
    async with filled.reading() as unit:
        assert await unit.holds.on_documents(ACME.id, OURS) == {TRAVEL.document_id: second}


async def test_holds_are_listed_newest_first_and_stay_on_record(filled: SqlDatabase) -> None:
    """A page at a time; released ones on request; never another tenant's."""
    placed = [hold(HoldKind.TENANT, target=ACME.id, reference=f"matter-{number}") for number in range(3)]
    await place(filled, *placed)
    async with filled.writing() as unit:
        await unit.holds.release(ACME.id, placed[1].id, MIA.id, CLOCK.now())
        await unit.commit()
    async with filled.reading() as unit:
        assert await unit.holds.list(ACME.id) == [placed[2], placed[0]]
        everything = await unit.holds.list(ACME.id, released=True)
        assert [each.released_by for each in everything] == [None, MIA.id, None]
        assert await unit.holds.list(ACME.id, released=True, after=placed[2].id, limit=1) == [everything[1]]
        assert await unit.holds.list(GLOBEX.id, released=True) == []


async def test_only_a_hold_that_is_there_is_released(filled: SqlDatabase) -> None:
    """Once, and by its own tenant."""
    placed = hold(HoldKind.TENANT, target=ACME.id)
    await place(filled, placed)
    for tenant_id, hold_id in ((GLOBEX.id, placed.id), (ACME.id, uid("another"))):
        async with filled.writing() as unit:
            with pytest.raises(NotFound):
                await unit.holds.release(tenant_id, hold_id, MIA.id, CLOCK.now())
    async with filled.reading() as unit:
        assert await unit.holds.list(ACME.id) == [placed]


async def test_a_hold_waits_for_a_deletion_that_was_first(filled: SqlDatabase) -> None:
    """It is placed when the deletion is done, and then sees that the document is gone."""
    outcome: list[object] = []

    async def place_on_what_is_there() -> None:
        async with filled.writing() as unit:
            await unit.holds.place(hold(HoldKind.DOCUMENT, target=TRAVEL.document_id))
            outcome.append("placed")
            with pytest.raises(NotFound):
                await unit.documents.get(ACME.id, TRAVEL.document_id)
            outcome.append("gone")

    async with filled.writing() as unit:
        assert await unit.holds.on_documents(ACME.id, [TRAVEL.document_id]) == {}
        placing = asyncio.create_task(place_on_what_is_there())
        await asyncio.sleep(0.2)
        assert outcome == []
        await unit.documents.delete(ACME.id, TRAVEL.document_id)
        await unit.commit()
    await placing
    assert outcome == ["placed", "gone"]


async def test_a_deletion_waits_for_a_hold_that_was_first(filled: SqlDatabase) -> None:
    """And then sees it."""
    placed = hold(HoldKind.DOCUMENT, target=TRAVEL.document_id)

    async def look() -> object:
        async with filled.writing() as unit:
            return await unit.holds.on_documents(ACME.id, [TRAVEL.document_id])

    async with filled.writing() as unit:
        await unit.holds.place(placed)
        looking = asyncio.create_task(look())
        await asyncio.sleep(0.2)
        assert not looking.done()
        await unit.commit()
    assert await looking == {TRAVEL.document_id: placed}


async def test_a_hold_of_one_tenant_keeps_no_other_waiting(filled: SqlDatabase, database_url: str) -> None:
    """Where writers of several tenants work side by side."""
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writer.")
    async with filled.writing() as unit:
        await unit.holds.place(hold(HoldKind.TENANT, target=ACME.id))
        async with asyncio.timeout(5), filled.writing() as other:
            assert await other.holds.on_documents(GLOBEX.id, [PLAN.document_id]) == {}
