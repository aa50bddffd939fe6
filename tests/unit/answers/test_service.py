"""From a question to a cited answer that is recorded and remembered."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import UUID

import pytest
from tests.fakes import people
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.people import ELSEWHERE, uid
from tests.fakes.reading import ACME, BEN, HANDBOOK, ReadingCell, as_caller
from tests.fakes.receipts import memory_receipts

from domicile.answers.events import AnswerEvent, AnswerRequest, Citations, Delta, Done, Receipted, Sources
from domicile.answers.receipts import Located, PublishedKey, encode, verify
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    AuditUnavailable,
    DatabaseUnavailable,
    DecryptionFailed,
    ModelStreamBroken,
    ModelUnavailable,
    NotFound,
    QuestionEmpty,
    RegionRefused,
)

QUESTION = "How is travel time recorded?"


@pytest.fixture
async def asked(cell: ReadingCell) -> ReadingCell:
    await cell.publish("travel", "Travel time is recorded in the log.")
    return cell


async def answer(cell: ReadingCell, generator: ScriptedGenerator, *, who=None, **options) -> list[AnswerEvent]:
    request = AnswerRequest(options.pop("question", QUESTION), **options)
    caller = as_caller(who) if who else as_caller()
    return [event async for event in cell.answers(generator).answer(caller, request)]


async def conversation_id(cell: ReadingCell) -> UUID:
    sources = (await answer(cell, ScriptedGenerator()))[0]
    assert isinstance(sources, Sources)
    assert sources.conversation_id is not None
    return sources.conversation_id


async def test_a_conversation_is_about_whom_its_documents_are_about(asked: ReadingCell) -> None:
    """All whose passages were released for any of its answers; also when it broke off, or the document is gone by then."""
    ada, ben = b"a" * 32, b"b" * 32
    await _about(asked, "travel", ada)
    conversation = await conversation_id(asked)
    await asked.publish("trains", "Travel time by train is recorded by the conductor.")
    await _about(asked, "trains", ben)
    with pytest.raises(ModelStreamBroken):
        await answer(asked, ScriptedGenerator(failure=ModelStreamBroken()), conversation_id=conversation)
    async with asked.database.reading() as unit:
        assert await unit.subjects.conversations_of(ACME.id, ada) == [conversation]
        assert await unit.subjects.conversations_of(ACME.id, ben) == [conversation]
        assert await unit.subjects.conversations_of(uid("another"), ada) == []


async def _about(cell: ReadingCell, name: str, subject: bytes) -> None:
    document = people.document(name, ACME, in_collection=HANDBOOK).document_id
    async with cell.database.writing() as unit:
        await unit.subjects.set_of_document(document, {subject})
        await unit.commit()


async def test_sources_deltas_citations_done(asked: ReadingCell) -> None:
    """In this order, with who answered, where, and how much was searched."""
    sources, first, second, citations, receipted, done = await answer(asked, ScriptedGenerator())
    assert isinstance(sources, Sources)
    assert (sources.generator, sources.region.name) == ("scripted", "eu-de")
    assert (sources.searched_documents, sources.searched_collections) == (1, 2)
    assert [each.chunk.text for each in sources.passages] == ["Travel time is recorded in the log."]
    assert (first, second) == (Delta("It is "), Delta("so [1]."))
    assert isinstance(citations, Citations)
    assert [each.number for each in citations.items] == [1]
    assert done == Done(True, 12, 3)
    assert isinstance(receipted, Receipted)


async def test_a_receipt_states_where_everything_was(asked: ReadingCell) -> None:
    """The documents and their regions, the models and theirs, who asked from where, under which policies; no word of it."""
    events = await answer(asked, ScriptedGenerator())
    sources, receipt = events[0], next(event.receipt for event in events if isinstance(event, Receipted))
    statement = verify(encode(receipt), PublishedKey.of(memory_receipts(asked.clock).published.verify_key))
    assert (statement.answer_id, statement.audit_id) == (sources.answer_id, sources.audit_id)
    assert [(each.id, each.region) for each in statement.documents] == [
        (each.attributes.document_id, "eu-de") for each in sources.passages
    ]
    assert (statement.model, statement.embedding) == (Located("scripted", "eu-de"), Located("hash", "eu-de"))
    assert statement.transfers == ()
    assert "Travel" not in encode(receipt).decode()


async def test_a_receipt_is_kept_with_its_exchange(asked: ReadingCell) -> None:
    """So that it can still be had when the conversation is opened later."""
    events = await answer(asked, ScriptedGenerator())
    issued = next(event.receipt for event in events if isinstance(event, Receipted))
    (conversation,) = await asked.conversations.list(as_caller())
    view = await asked.conversations.get(as_caller(), conversation.id)
    assert [each.body.receipt for each in view.exchanges] == [issued]


async def test_the_model_is_given_the_question_and_the_passages_only(asked: ReadingCell) -> None:
    """Nothing that the caller may not read, and no history that is not theirs."""
    generator = ScriptedGenerator()
    await answer(asked, generator)
    (request,) = generator.requests
    assert (request.question, len(request.passages), request.history) == (QUESTION, 1, ())


async def test_an_answer_is_recorded_before_it_is_released(asked: ReadingCell) -> None:
    """With documents, chunks, policies, the model and where it is; never with words."""
    sources = (await answer(asked, ScriptedGenerator()))[0]
    (event,) = asked.log.events
    assert event.id == sources.audit_id
    assert (event.action, event.outcome) == (Action.ANSWER_CREATE, Outcome.PERMITTED)
    assert (event.model, event.model_region) == ("scripted", "eu-de")
    assert event.documents == (uid("document/acme/travel"),)
    assert event.chunks == tuple(each.chunk_id for each in sources.passages)
    assert {"member-questions", "member-documents", "endpoint-region"} <= set(event.policies)
    assert ("answer", str(sources.answer_id)) in event.detail
    assert "travel" not in repr(event).lower()


async def test_no_passages_no_model(cell: ReadingCell) -> None:
    """It says so plainly, and no model is asked."""
    generator = ScriptedGenerator(region=ELSEWHERE)
    sources, said, citations, receipted, done = await answer(cell, generator)
    assert generator.requests == []
    assert sources.passages == ()
    assert "found nothing" in said.text
    assert (citations, done) == (Citations(()), Done(False))
    assert (receipted.receipt.statement.model, receipted.receipt.statement.documents) == (None, ())
    assert [(event.outcome, event.model) for event in cell.log.events] == [(Outcome.PERMITTED, "")]


async def test_a_model_outside_the_region_gets_nothing(asked: ReadingCell) -> None:
    """Refused and recorded before anything is decrypted, and nothing else is tried."""
    generator = ScriptedGenerator(region=ELSEWHERE)
    with pytest.raises(RegionRefused):
        await answer(asked, generator)
    assert generator.requests == []
    assert asked.keys.reads == 0
    assert [(event.action, event.outcome) for event in asked.log.events] == [(Action.ENDPOINT_USE, Outcome.DENIED)]


async def test_a_bad_question_is_refused_before_the_first_event(asked: ReadingCell) -> None:
    """As the search refuses it."""
    with pytest.raises(QuestionEmpty):
        await answer(asked, ScriptedGenerator(), question="  ")


async def test_an_exchange_is_remembered_and_told_to_the_model_next_time(asked: ReadingCell) -> None:
    """Under one conversation, in order."""
    id_ = await conversation_id(asked)
    generator = ScriptedGenerator("Then ", "so [1].")
    sources = (await answer(asked, generator, conversation_id=id_, question="And the travel time abroad?"))[0]
    assert sources.conversation_id == id_
    (turn,) = generator.requests[0].history
    assert (turn.question, turn.answer) == (QUESTION, "It is so [1].")
    view = await asked.conversations.get(as_caller(), id_)
    assert view.title == QUESTION
    assert [each.body.answer for each in view.exchanges] == ["It is so [1].", "Then so [1]."]
    assert ("conversation", str(id_)) in asked.log.events[1].detail


async def test_not_remembering_writes_nothing(asked: ReadingCell) -> None:
    """Neither a new conversation nor in one that is named."""
    sources = (await answer(asked, ScriptedGenerator(), remember=False))[0]
    assert sources.conversation_id is None
    assert await asked.conversations.list(as_caller()) == []
    id_ = await conversation_id(asked)
    await answer(asked, ScriptedGenerator(), conversation_id=id_, remember=False)
    assert len((await asked.conversations.get(as_caller(), id_)).exchanges) == 1


async def test_somebody_elses_conversation_is_not_found(asked: ReadingCell) -> None:
    """Not even by a colleague who may read all the same documents; the attempt is recorded."""
    id_ = await conversation_id(asked)
    for who, other in ((BEN, id_), (None, uid("never was"))):
        with pytest.raises(NotFound):
            await answer(asked, ScriptedGenerator(), who=who, conversation_id=other)
        assert asked.log.events[-1].outcome is Outcome.DENIED


async def test_a_broken_stream_is_told_recorded_and_kept_as_incomplete(asked: ReadingCell) -> None:
    """What was shown stays in the history, marked, and is not told to a model as an answer."""
    events: list[AnswerEvent] = []

    async def listen() -> None:
        generator = ScriptedGenerator("It is ", failure=ModelStreamBroken())
        async for event in asked.answers(generator).answer(as_caller(), AnswerRequest(QUESTION)):
            events.append(event)  # noqa: PERF401 (what came before the error is kept)

    with pytest.raises(ModelStreamBroken):
        await listen()
    assert [type(event) for event in events] == [Sources, Delta]
    assert [(event.outcome, event.reason) for event in asked.log.events] == [
        (Outcome.PERMITTED, ""),
        (Outcome.FAILED, "model-stream-broken"),
    ]
    id_ = events[0].conversation_id
    (exchange,) = (await asked.conversations.get(as_caller(), id_)).exchanges
    assert (exchange.body.answer, exchange.body.complete, exchange.body.answered) == ("It is ", False, False)
    generator = ScriptedGenerator()
    await answer(asked, generator, conversation_id=id_)
    assert generator.requests[0].history == ()


async def test_a_model_that_is_down_leaves_a_conversation_that_can_go_on(asked: ReadingCell) -> None:
    """The id that was told stays good, although nothing was said."""
    generator = ScriptedGenerator(failure=ModelUnavailable())
    generator.pieces = ()
    with pytest.raises(ModelUnavailable):
        await answer(asked, generator)
    (view,) = await asked.conversations.list(as_caller())
    await answer(asked, ScriptedGenerator(), conversation_id=view.id)
    assert [each.body.complete for each in (await asked.conversations.get(as_caller(), view.id)).exchanges] == [False, True]


async def test_a_client_that_goes_away_stops_the_model(asked: ReadingCell) -> None:
    """And what it saw is kept, marked incomplete."""
    generator = ScriptedGenerator("It is ")
    generator.hangs = True
    async with aclosing(asked.answers(generator).answer(as_caller(), AnswerRequest(QUESTION))) as events:
        sources, delta = await anext(events), await anext(events)
    assert delta == Delta("It is ")
    assert generator.closed == 1
    (exchange,) = (await asked.conversations.get(as_caller(), sources.conversation_id)).exchanges
    assert (exchange.body.answer, exchange.body.complete) == ("It is ", False)


async def test_a_request_that_is_cancelled_again_and_again_still_leaves_its_exchange(asked: ReadingCell) -> None:
    """Some servers cancel every await of a request that is over; the history is written all the same."""
    generator = ScriptedGenerator("It is ")
    generator.hangs = True
    answers = asked.answers(generator)
    told = asyncio.Event()

    async def listen() -> None:
        async for event in answers.answer(as_caller(), AnswerRequest(QUESTION)):
            if isinstance(event, Delta):
                told.set()

    task = asyncio.create_task(listen())
    await told.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    await answers.close()
    (view,) = await asked.conversations.list(as_caller())
    (exchange,) = (await asked.conversations.get(as_caller(), view.id)).exchanges
    assert (exchange.body.answer, exchange.body.complete) == ("It is ", False)


async def test_a_client_that_leaves_after_the_last_word_has_a_whole_answer(asked: ReadingCell) -> None:
    """Only the end was not heard."""
    async with aclosing(asked.answers(ScriptedGenerator()).answer(as_caller(), AnswerRequest(QUESTION))) as events:
        sources = await anext(events)
        while not isinstance(await anext(events), Citations):
            pass
    (exchange,) = (await asked.conversations.get(as_caller(), sources.conversation_id)).exchanges
    assert (exchange.body.complete, exchange.body.answered) == (True, True)
    assert [each.number for each in exchange.body.citations] == [1]


async def test_a_destroyed_key_is_recorded_as_failed(asked: ReadingCell) -> None:
    """Before the first event, and the model is not asked."""
    await asked.keys.destroy(ACME.id, [uid("key/acme/travel/1")])
    generator = ScriptedGenerator()
    with pytest.raises(DecryptionFailed):
        await answer(asked, generator)
    assert generator.requests == []
    assert [event.outcome for event in asked.log.events] == [Outcome.PERMITTED, Outcome.FAILED]


async def test_a_history_that_cannot_be_written_is_an_error(asked: ReadingCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that was promised to be remembered and is not was not whole: there is no ``Done``."""

    async def broken(*_: object) -> None:
        raise DatabaseUnavailable()

    monkeypatch.setattr(asked.history, "add", broken)
    with pytest.raises(DatabaseUnavailable):
        await answer(asked, ScriptedGenerator())
    assert asked.log.events[-1].outcome is Outcome.FAILED


async def test_nothing_is_released_if_the_audit_log_cannot_be_written(asked: ReadingCell) -> None:
    """No key is opened, no model is asked, no conversation begun."""
    asked.log.broken = True
    generator = ScriptedGenerator()
    with pytest.raises(AuditUnavailable):
        await answer(asked, generator)
    assert (generator.requests, asked.keys.reads) == ([], 0)
    asked.log.broken = False
    assert await asked.conversations.list(as_caller()) == []


async def test_collections_narrow_an_answer(asked: ReadingCell) -> None:
    """As they do a search."""
    sources = (await answer(asked, ScriptedGenerator(), collections=frozenset({HANDBOOK.id})))[0]
    assert sources.searched_collections == 1
