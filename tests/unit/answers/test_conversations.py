"""One's own chat history."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from tests.fakes.generator import ScriptedGenerator
from tests.fakes.people import uid
from tests.fakes.reading import BEN, GIA, HANDBOOK, ReadingCell, as_caller

from domicile.answers.events import AnswerRequest, Sources
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AuditUnavailable, DecryptionFailed, Forbidden, NotFound

SECRET = "marzipan"


async def begin(cell: ReadingCell, question: str = f"How is {SECRET} recorded?", who=None):
    caller = as_caller(who) if who else as_caller()
    async for event in cell.answers(ScriptedGenerator(f"{SECRET} [1]")).answer(caller, AnswerRequest(question)):
        if isinstance(event, Sources):
            sources = event
    cell.log.entries.clear()
    return sources.conversation_id


@pytest.fixture
async def told(cell: ReadingCell) -> ReadingCell:
    await cell.publish("sweets", f"All {SECRET} is recorded in the log.")
    return cell


async def test_a_list_shows_ones_own_and_the_latest_first(told: ReadingCell) -> None:
    """Titles are the first questions; a colleague's do not show."""
    first, second = await begin(told), await begin(told, "And the second?")
    await begin(told, "Not yours", BEN)
    views = await told.conversations.list(as_caller())
    assert [(view.id, view.title) for view in views] == [(second, "And the second?"), (first, f"How is {SECRET} recorded?")]
    assert [event.action for event in told.log.events] == [Action.CONVERSATION_READ]


async def test_a_conversation_with_its_exchanges(told: ReadingCell) -> None:
    """Question, answer, and citations that name the place without its words."""
    view = await told.conversations.get(as_caller(), await begin(told))
    (exchange,) = view.exchanges
    assert (exchange.body.question, exchange.body.answer) == (f"How is {SECRET} recorded?", f"{SECRET} [1]")
    assert (exchange.body.generator, exchange.body.region, exchange.body.complete) == ("scripted", "eu-de", True)
    (citation,) = exchange.body.citations
    assert (citation.document_id, citation.source) == (uid("document/acme/sweets"), "docs/sweets.md")
    assert 0 <= citation.start < citation.end


@pytest.mark.parametrize("do", ["get", "delete"])
@pytest.mark.parametrize("who", [BEN, GIA])
async def test_nobody_elses_is_found(told: ReadingCell, do: str, who) -> None:
    """A colleague, even one who may read everything, and another tenant: both are told that there is nothing."""
    id_ = await begin(told)
    with pytest.raises(NotFound):
        await getattr(told.conversations, do)(as_caller(who), id_)
    assert [event.outcome for event in told.log.events] == [Outcome.DENIED]
    assert (await told.conversations.get(as_caller(), id_)).exchanges


@pytest.mark.parametrize("do", ["get", "delete"])
async def test_what_never_was_is_not_found(told: ReadingCell, do: str) -> None:
    """And recorded like any refusal."""
    with pytest.raises(NotFound):
        await getattr(told.conversations, do)(as_caller(), uid("never"))
    assert [event.outcome for event in told.log.events] == [Outcome.DENIED]


async def test_a_narrowed_credential_reads_no_history(told: ReadingCell) -> None:
    """Conversations reach beyond the collections it was granted for."""
    id_ = await begin(told)
    narrow = as_caller(collections=[HANDBOOK.id])
    with pytest.raises(Forbidden):
        await told.conversations.get(narrow, id_)
    with pytest.raises(Forbidden):
        await told.conversations.list(narrow)


async def test_deleting_takes_the_key_with_it(told: ReadingCell) -> None:
    """Its destruction is on order in the transaction of the audit event, and done when deleting returns."""
    id_ = await begin(told)
    async with told.database.reading() as unit:
        key_id = (await unit.conversations.get(as_caller().tenant.id, id_)).data_key_id
    await told.conversations.delete(as_caller(), id_)
    with pytest.raises(NotFound):
        await told.conversations.get(as_caller(), id_)
    assert not await told.keys.open_existing(as_caller().tenant.id, frozenset({key_id}))
    async with told.database.reading() as unit:
        assert await unit.doomed_keys.all(9) == [(as_caller().tenant.id, key_id)]
    async with told.database.reading_transaction() as open_:
        rows = await open_.all(text("SELECT count(*) FROM audit_entries"))
    assert rows[0][0] == 1


@pytest.mark.parametrize("do", ["get", "list"])
async def test_nothing_is_decrypted_if_the_audit_log_cannot_be_written(told: ReadingCell, do: str) -> None:
    """Not even a title."""
    arguments = (as_caller(), await begin(told))[: 2 if do == "get" else 1]
    told.keys.reads, told.log.broken = 0, True
    with pytest.raises(AuditUnavailable):
        await getattr(told.conversations, do)(*arguments)
    assert told.keys.reads == 0


async def test_the_database_holds_no_word_of_it(told: ReadingCell, tmp_path) -> None:
    """Titles, questions and answers are envelopes."""
    await begin(told)
    await told.database.close()
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes()


async def test_an_exchange_that_was_moved_does_not_open(told: ReadingCell) -> None:
    """Somebody who writes to the database can delete words, and cannot put them elsewhere."""
    one, other = await begin(told), await begin(told)
    async with told.database.writing_transaction() as open_:
        await open_.run(
            text("UPDATE exchanges SET body_envelope = (SELECT body_envelope FROM exchanges WHERE conversation_id = :other)"),
            {"other": other.hex},
        )
        await open_.commit()
    assert (await told.conversations.get(as_caller(), other)).exchanges
    with pytest.raises(DecryptionFailed):
        await told.conversations.get(as_caller(), one)
