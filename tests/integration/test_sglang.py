"""Answers from a real SGLang server, whole and broken off.

The tiny model writes noise; what is shown here is the way from a question to streamed, recorded and remembered text.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from tests.fakes.reading import ReadingCell, as_caller
from tests.integration.sglang.server import SglangServer, why_unavailable

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.llm.openai_compatible import OpenAICompatibleModel, Patience
from domicile.answers.events import AnswerEvent, AnswerRequest, Citations, Delta, Done, Receipted, Sources
from domicile.answers.receipts import Located
from domicile.answers.service import Answers
from domicile.audit.events import Outcome
from domicile.domain.errors import ConfigurationError, ModelStreamBroken, ModelUnavailable
from domicile.domain.values import Region
from domicile.generation.model_answer import ModelAnswer
from domicile.ports.generator import ChatEnd, ChatMessage, Speaker

pytestmark = [pytest.mark.sglang, pytest.mark.slow]

QUESTION = "How is travel time recorded?"
KEY = "only-for-this-test"


@pytest.fixture(scope="module")
def sglang(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SglangServer]:
    if (reason := why_unavailable()) is not None:
        pytest.skip(reason)
    with SglangServer(tmp_path_factory.mktemp("sglang") / "server.log", api_key=KEY) as server:
        yield server


@pytest.fixture
async def model(sglang: SglangServer) -> AsyncIterator[OpenAICompatibleModel]:
    made = model_of(sglang)
    yield made
    await made.close()


@pytest.fixture
async def cell(sqlite_database: SqlDatabase) -> ReadingCell:
    made = await ReadingCell(sqlite_database).prepare()
    await made.publish("travel", "Travel time is recorded in the log. It counts as work.", "Meals are paid per diem.")
    return made


def model_of(server: SglangServer, name: str = SglangServer.model, **options: object) -> OpenAICompatibleModel:
    return OpenAICompatibleModel(
        base_url=f"{server.base_url}/v1",
        model=name,
        region=Region("eu-de"),
        **{"api_key": KEY, "max_tokens": 64, **options},  # type: ignore[arg-type]
    )


def answering(cell: ReadingCell, model: OpenAICompatibleModel) -> Answers:
    return cell.answers(ModelAnswer(model=model))


async def test_an_answer_is_streamed_recorded_and_remembered(cell: ReadingCell, model: OpenAICompatibleModel) -> None:
    """From the question to ``Done``, through policy, audit, decryption, prompt, the wire and the history."""
    events: list[AnswerEvent] = [event async for event in answering(cell, model).answer(as_caller(), AnswerRequest(QUESTION))]
    sources, *deltas, citations, receipted, done = events
    assert isinstance(sources, Sources)
    assert (sources.generator, sources.region.name, len(sources.passages)) == ("tiny", "eu-de", 2)
    assert len(deltas) > 5
    assert all(isinstance(delta, Delta) for delta in deltas)
    assert isinstance(citations, Citations)
    assert isinstance(receipted, Receipted)
    assert receipted.receipt.statement.model == Located("tiny", "eu-de")
    assert isinstance(done, Done)
    assert done.completion_tokens == 64
    assert done.prompt_tokens is not None
    assert done.prompt_tokens > 100
    (event,) = cell.log.events
    assert (event.outcome, event.model, event.model_region) == (Outcome.PERMITTED, "tiny", "eu-de")
    (exchange,) = (await cell.conversations.get(as_caller(), sources.conversation_id)).exchanges
    assert exchange.body.complete
    assert exchange.body.answer == "".join(delta.text for delta in deltas)


async def test_a_follow_up_is_accepted_with_its_history(cell: ReadingCell, model: OpenAICompatibleModel) -> None:
    """The server takes system, user, assistant and user in turn."""
    messages = [
        ChatMessage(Speaker.SYSTEM, "Rules."),
        ChatMessage(Speaker.USER, "Before?"),
        ChatMessage(Speaker.ASSISTANT, "Thus."),
        ChatMessage(Speaker.USER, "And now?"),
    ]
    events = [event async for event in model.stream(messages)]
    assert isinstance(events[-1], ChatEnd)
    assert events[-1].cut


async def test_the_model_that_is_served_is_known_and_another_is_not(sglang: SglangServer, model: OpenAICompatibleModel) -> None:
    """The server itself would answer in any model's name."""
    await model.ping()
    other = model_of(sglang, "gpt-5")
    with pytest.raises(ConfigurationError):
        await other.ping()
    await other.close()


async def test_without_the_key_there_is_no_answer(sglang: SglangServer) -> None:
    """A refusal that does not pass is told at once."""
    keyless = model_of(sglang, api_key=None)
    with pytest.raises(ModelUnavailable, match="401"):
        await anext(keyless.stream([ChatMessage(Speaker.USER, "Hello?")]))
    await keyless.close()


async def test_a_prompt_that_is_too_long_is_refused_without_the_servers_words(model: OpenAICompatibleModel) -> None:
    """The server's own message would name its files and limits."""
    with pytest.raises(ModelUnavailable) as raised:
        await anext(model.stream([ChatMessage(Speaker.USER, "word " * 60_000)]))
    assert "word" not in str(raised.value)
    assert "token" not in str(raised.value)


async def test_a_client_that_goes_away_frees_the_server(cell: ReadingCell, sglang: SglangServer) -> None:
    """The request that nobody waits for is gone long before its 8,000 tokens could have been generated."""
    long = model_of(sglang, max_tokens=8000)
    async with aclosing(answering(cell, long).answer(as_caller(), AnswerRequest(QUESTION))) as events:
        async for event in events:
            if isinstance(event, Delta):
                break
        await asyncio.wait_for(_until(sglang, busy=True), 30)
    await asyncio.wait_for(_until(sglang, busy=False), 10)
    await long.close()


async def test_a_server_that_dies_while_it_answers_breaks_the_stream(cell: ReadingCell, sglang: SglangServer) -> None:
    """What was shown is told to be incomplete, recorded as failed and kept as such. The last test: the server is dead then."""
    doomed = model_of(sglang, max_tokens=8000, patience=Patience(stall=30))
    heard: list[AnswerEvent] = []

    async def listen() -> None:
        async for event in answering(cell, doomed).answer(as_caller(), AnswerRequest(QUESTION)):
            heard.append(event)
            if sum(isinstance(each, Delta) for each in heard) == 3:
                sglang.kill_scheduler()

    with pytest.raises(ModelStreamBroken):
        await listen()
    with pytest.raises(ModelUnavailable):
        await anext(doomed.stream([ChatMessage(Speaker.USER, "Are you there?")]))
    await doomed.close()
    assert not any(isinstance(event, Citations | Done) for event in heard)
    assert [event.outcome for event in cell.log.events] == [Outcome.PERMITTED, Outcome.FAILED]
    (view,) = await cell.conversations.list(as_caller())
    (exchange,) = (await cell.conversations.get(as_caller(), view.id)).exchanges
    assert exchange.body.answer.startswith("".join(each.text for each in heard if isinstance(each, Delta))[:10])
    assert not exchange.body.complete


async def _until(server: SglangServer, *, busy: bool) -> None:
    """Returns once the server's own metrics say that it runs a request, or none."""
    while (await asyncio.to_thread(_running, server) > 0) is not busy:  # noqa: ASYNC110 (another process has no event)
        await asyncio.sleep(0.2)


def _running(server: SglangServer) -> float:
    request = urllib.request.Request(f"{server.base_url}/metrics")  # noqa: S310 (this machine's own server)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("sglang:num_running_reqs{"))
