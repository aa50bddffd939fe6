"""Conversations as files of a bundle: what is in them, and for whom."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.fakes import people
from tests.fakes.clock import FixedClock
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.people import uid
from tests.fakes.reading import ACME, BEN, HANDBOOK, MIA, ReadingCell, as_caller

from domicile.answers.events import AnswerRequest, Sources
from domicile.answers.portable import PortableConversations
from domicile.domain.conversations import Conversation
from domicile.domain.erasures import ErasedObject, Erasure, ErasureKind, ErasureState, ObjectKind
from domicile.domain.errors import BundleInvalid, DocumentErased

SECRET = "marzipan"
BEGAN = FixedClock().now()


@pytest.fixture
async def told(cell: ReadingCell) -> ReadingCell:
    await cell.publish("sweets", f"All {SECRET} is recorded in the log.")
    return cell


async def talk(cell: ReadingCell, *questions: str) -> Conversation:
    """A conversation of mia's with an answer to each."""
    conversation: UUID | None = None
    for question in questions:
        request = AnswerRequest(question, conversation_id=conversation)
        async for event in cell.answers(ScriptedGenerator(f"{SECRET} [1]")).answer(as_caller(), request):
            if isinstance(event, Sources):
                conversation = event.conversation_id
    assert conversation is not None
    async with cell.database.reading() as unit:
        return await unit.conversations.get(ACME.id, conversation)


async def test_a_file_holds_the_words_and_what_they_are_from(told: ReadingCell) -> None:
    """For whoever may read the documents."""
    portable = PortableConversations(told.history)
    opened = await portable.open(await talk(told, f"How is {SECRET} recorded?"))
    assert opened.documents
    body, left_out = portable.pack(opened, "mia", opened.documents, own=False)
    (exchange,) = json.loads(body)["exchanges"]
    assert left_out == 0
    assert exchange["body"]["answer"] == f"{SECRET} [1]"
    assert {each["document_id"] for each in exchange["body"]["citations"]} == set(map(str, opened.documents))


async def test_after_an_answer_that_is_left_out_none_is_shown(told: ReadingCell) -> None:
    """It may go on from it. The questions stay, and one's own answers do."""
    portable = PortableConversations(told.history)
    opened = await portable.open(await talk(told, f"How is {SECRET} recorded?", "And when?"))
    body, left_out = portable.pack(opened, "mia", frozenset(), own=False)
    exchanges = json.loads(body)["exchanges"]
    assert left_out == 2
    assert [(each["body"]["answer"], each["body"]["citations"], each["body"]["receipt"]) for each in exchanges] == [
        ("", [], None)
    ] * 2
    assert [each["body"]["question"] for each in exchanges] == [f"How is {SECRET} recorded?", "And when?"]
    own, left_out = portable.pack(opened, "mia", frozenset(), own=True)
    assert left_out == 0
    (first, _) = json.loads(own)["exchanges"]
    assert (first["body"]["answer"], first["body"]["citations"]) == (f"{SECRET} [1]", [])


async def test_a_restored_conversation_is_sealed_anew_and_known_again(told: ReadingCell) -> None:
    """Under a key of its own; its citations point to the documents here."""
    portable = PortableConversations(told.history)
    made = await talk(told, f"How is {SECRET} recorded?")
    opened = await portable.open(made)
    own, _ = portable.pack(opened, "ben", opened.documents, own=False)
    assert portable.owner(own) == "ben"
    assert not await portable.restore(ACME.id, BEN.id, own, {}, BEGAN)  # It is here already, under the id that it has.
    body = own.replace(str(made.id).encode(), str(uuid4()).encode())  # As if it were another cell's.
    here = {document: (uid("here"), uid("version")) for document in opened.documents}
    assert await portable.restore(ACME.id, BEN.id, body, here, BEGAN)
    assert not await portable.restore(ACME.id, BEN.id, body, here, BEGAN)
    async with told.database.reading() as unit:
        (restored,) = await unit.conversations.of_principal(ACME.id, BEN.id)
        assert {each.id for each in await unit.conversations.of_principal(ACME.id, MIA.id)} == {made.id}
    assert restored.id != made.id
    assert restored.data_key_id != made.data_key_id
    again = await portable.open(restored)
    assert (again.title, again.exchanges[0].body.question) == (opened.title, opened.exchanges[0].body.question)
    assert {(each.document_id, each.version_id) for each in again.exchanges[0].body.citations} == {
        (uid("here"), uid("version"))
    }


async def _erased(cell: ReadingCell, document: UUID, at: datetime) -> None:
    """As an erasure notes it, while the document's row goes."""
    erasure = Erasure(
        id=uuid4(),
        tenant_id=ACME.id,
        kind=ErasureKind.DOCUMENT,
        target=document,
        subject=None,
        account=None,
        reason="request-7",
        state=ErasureState.RUNNING,
        requested_by=BEN.id,
        requested_at=at,
    )
    async with cell.database.writing() as unit:
        await unit.erasures.add(erasure)
        await unit.erasures.note(erasure.id, [ErasedObject(ObjectKind.VERSION, uuid4(), document)], at)
        await unit.commit()


async def test_an_erasure_finds_a_restored_conversation_or_keeps_it_out(told: ReadingCell) -> None:
    """By the documents here that its answers draw from, and by whom these are about; none is kept of what is just erased."""
    portable = PortableConversations(told.history)
    made = await talk(told, f"How is {SECRET} recorded?")
    opened = await portable.open(made)
    own, _ = portable.pack(opened, "mia", opened.documents, own=False)
    body = own.replace(str(made.id).encode(), str(uuid4()).encode())  # As if it were another cell's.
    await told.publish("here", "All of it is recorded here.")
    here = people.document("here", ACME, in_collection=HANDBOOK).document_id
    versions = {document: (here, uid("version")) for document in opened.documents}
    async with told.database.writing() as unit:
        await unit.subjects.set_of_document(here, {b"a" * 32})
        await unit.commit()
    await _erased(told, here, BEGAN)
    with pytest.raises(DocumentErased):
        await portable.restore(ACME.id, BEN.id, body, versions, BEGAN)
    async with told.database.reading() as unit:
        assert await unit.conversations.of_principal(ACME.id, BEN.id) == []
    assert await portable.restore(ACME.id, BEN.id, body, versions, BEGAN + timedelta(minutes=1))
    async with told.database.reading() as unit:
        (restored,) = await unit.conversations.of_principal(ACME.id, BEN.id)
        assert await unit.erasing.conversations_of(ACME.id, [here], None) == [restored.id]
        assert await unit.subjects.conversations_of(ACME.id, b"a" * 32) == [restored.id]


@pytest.mark.parametrize(
    "change",
    [{"title": "x" * 201}, {"created_at": "2026-01-01T00:00:00"}, {"id": "1"}, {"more": 1}, {"exchanges": [{}]}],
    ids=["title", "time", "id", "more", "exchange"],
)
async def test_what_is_no_conversation_is_refused(told: ReadingCell, change: dict[str, object]) -> None:
    """Before anything of it is stored."""
    portable = PortableConversations(told.history)
    opened = await portable.open(await talk(told, f"How is {SECRET} recorded?"))
    body, _ = portable.pack(opened, "mia", opened.documents, own=False)
    altered = json.dumps({**json.loads(body), **change}).encode()
    with pytest.raises(BundleInvalid):
        portable.owner(altered)
    with pytest.raises(BundleInvalid):
        await portable.restore(uuid4(), BEN.id, b"[]", {}, BEGAN)
