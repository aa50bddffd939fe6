"""A model server's good and bad days."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing

import pytest
from tests.fakes.model_server import (
    DONE,
    FINISH,
    OK,
    USAGE,
    ScriptedServer,
    delta,
    drips,
    hangs_after,
    sends,
    status,
)

from domicile.adapters.llm.openai_compatible import OpenAICompatibleModel, Patience
from domicile.domain.errors import ConfigurationError, DomicileError, ModelStreamBroken, ModelTimeout, ModelUnavailable
from domicile.domain.values import Region
from domicile.ports.generator import ChatEnd, ChatEvent, ChatMessage, Speaker, TextDelta

MESSAGES = [ChatMessage(Speaker.SYSTEM, "Rules."), ChatMessage(Speaker.USER, "Question?")]
SHORT = Patience(connect=2, first_token=0.2, stall=0.2, total=5)


def model(url: str, patience: Patience | None = None, **options: object) -> OpenAICompatibleModel:
    async def at_once(_: float) -> None:
        return None

    return OpenAICompatibleModel(
        base_url=url,
        model="tiny",
        region=Region("eu-de"),
        patience=patience or Patience(connect=2, first_token=5, stall=5, total=10),
        pause=at_once,
        **options,  # type: ignore[arg-type]
    )


async def reply(server: ScriptedServer, *acts, patience: Patience | None = None, **options: object) -> list[ChatEvent]:
    server.acts = list(acts)
    client = model(server.url, patience, **options)
    try:
        return [event async for event in client.stream(MESSAGES)]
    finally:
        await client.close()


async def failure(server: ScriptedServer, *acts, patience: Patience | None = None) -> tuple[list[ChatEvent], DomicileError]:
    """What was streamed, and the error it ended with."""
    server.acts = list(acts)
    client, events = model(server.url, patience), []

    async def listen() -> None:
        async for event in client.stream(MESSAGES):
            events.append(event)  # noqa: PERF401 (what came before the error is kept)

    try:
        with pytest.raises(DomicileError) as raised:
            await listen()
    finally:
        await client.close()
    return events, raised.value


async def test_deltas_then_the_end_with_its_tokens(server: ScriptedServer) -> None:
    """A whole reply, and the request that asked for it."""
    events = await reply(server, sends(delta("It "), delta("is."), FINISH, USAGE, DONE), api_key="secret")
    assert events == [TextDelta("It "), TextDelta("is."), ChatEnd(False, 7, 2)]
    ((line, headers, body),) = server.requests
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert headers["authorization"] == "Bearer secret"
    sent = json.loads(body)
    assert sent["messages"] == [{"role": "system", "content": "Rules."}, {"role": "user", "content": "Question?"}]
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == ("tiny", True, 800)


async def test_reasoning_is_not_part_of_the_answer(server: ScriptedServer) -> None:
    """What a model thinks is not shown, by either name that servers give it."""
    script = sends(delta("hm", "reasoning_content"), delta("well", "reasoning"), delta("Yes."), FINISH, DONE)
    assert await reply(server, script) == [TextDelta("Yes."), ChatEnd(False)]


async def test_a_reply_that_ran_into_its_limit_says_so(server: ScriptedServer) -> None:
    """``finish_reason`` length is no whole answer."""
    cut = b'data: {"choices":[{"delta":{"content":"and"},"finish_reason":"length"}]}\n\n'
    assert (await reply(server, sends(cut, DONE)))[-1] == ChatEnd(True)


async def test_a_server_that_is_down_is_unavailable() -> None:
    """Tried again, and then told."""
    client = model("http://127.0.0.1:9/v1")
    with pytest.raises(ModelUnavailable):
        await anext(client.stream(MESSAGES))
    await client.close()


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(server: ScriptedServer, code: int) -> None:
    """Twice refused, the third time answered."""
    events = await reply(server, status(code), status(code), sends(delta("Yes."), FINISH, DONE))
    assert events == [TextDelta("Yes."), ChatEnd(False)]
    assert len(server.requests) == 3


async def test_a_failure_that_does_not_pass_is_told(server: ScriptedServer) -> None:
    """After the first request and two retries."""
    _, error = await failure(server, status(500))
    assert type(error) is ModelUnavailable
    assert len(server.requests) == 3


@pytest.mark.parametrize("code", [301, 307, 400, 401, 404, 422])
async def test_a_lasting_refusal_is_not_tried_again(server: ScriptedServer, code: int) -> None:
    """And a redirect is not followed: only the declared address is spoken to."""
    elsewhere = f"HTTP/1.1 {code} X\r\nLocation: {server.url}/elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    _, error = await failure(server, sends(head=elsewhere.encode()))
    assert type(error) is ModelUnavailable
    assert len(server.requests) == 1


async def test_the_servers_words_are_neither_shown_nor_logged(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """An error's text carries paths of the server, and may carry the prompt."""
    caplog.set_level(logging.DEBUG)
    _, refused = await failure(server, status(400))
    in_stream = b'data: {"error":{"message":"/srv/secret/path","code":500}}\n\n'
    _, broken = await failure(server, sends(delta("a"), in_stream, DONE))
    for error in (refused, broken):
        assert "secret" not in f"{error} {error.advice} {error.members} {error.__cause__}"
    assert "secret" not in caplog.text
    assert "Question?" not in caplog.text


async def test_a_slow_first_token_times_out(server: ScriptedServer) -> None:
    """Headers and role chunks are no token, however many keep coming."""
    role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    events, error = await failure(server, drips(b": ping\n\n" + role, 0.02), patience=SHORT)
    assert (events, type(error)) == ([], ModelTimeout)
    assert len(server.requests) == 1


async def test_silence_from_the_start_times_out(server: ScriptedServer) -> None:
    """Not even headers."""
    events, error = await failure(server, hangs_after(head=b""), patience=SHORT)
    assert (events, type(error)) == ([], ModelTimeout)


async def test_a_stall_after_the_first_token_breaks_the_stream(server: ScriptedServer) -> None:
    """What was shown is incomplete, and it is not asked for again."""
    events, error = await failure(server, hangs_after(delta("It ")), patience=SHORT)
    assert (events, type(error)) == ([TextDelta("It ")], ModelStreamBroken)
    assert len(server.requests) == 1


async def test_thinking_is_no_stall_but_ends_with_the_whole(server: ScriptedServer) -> None:
    """A long thought keeps the stream alive past the stall, and never past the total."""
    patience = Patience(connect=2, first_token=0.3, stall=0.3, total=1.0)
    started = asyncio.get_running_loop().time()
    events, error = await failure(server, drips(delta("hm", "reasoning_content"), 0.05), patience=patience)
    assert (events, type(error)) == ([], ModelStreamBroken)
    assert asyncio.get_running_loop().time() - started >= 1.0


@pytest.mark.parametrize("ending", [b"", b'data: {"choices"', FINISH])
async def test_a_stream_without_its_end_is_broken(server: ScriptedServer, ending: bytes) -> None:
    """A body that just ends was cut off, even after a finish reason."""
    events, error = await failure(server, sends(delta("It "), ending))
    assert (events, type(error)) == ([TextDelta("It ")], ModelStreamBroken)
    assert len(server.requests) == 1


async def test_an_end_without_a_finish_is_broken(server: ScriptedServer) -> None:
    """``[DONE]`` alone does not make an answer whole."""
    _, error = await failure(server, sends(delta("It "), DONE))
    assert type(error) is ModelStreamBroken


async def test_a_connection_cut_inside_a_chunk_is_broken(server: ScriptedServer) -> None:
    """Chunked encoding that ends early is the transport's way of saying so."""
    head = OK.replace(b"Connection", b"Transfer-Encoding: chunked\r\nConnection")
    piece = delta("It ")
    chunked = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    events, error = await failure(server, sends(chunked, b"ff\r\ndata", head=head))
    assert (events, type(error)) == ([TextDelta("It ")], ModelStreamBroken)


async def test_a_cut_before_the_first_token_is_tried_again(server: ScriptedServer) -> None:
    """Nothing was shown yet."""
    events = await reply(server, sends(), sends(delta("Yes."), FINISH, DONE))
    assert events == [TextDelta("Yes."), ChatEnd(False)]


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"error":{"code":503,"message":"busy"}}\n\n',
        b'data: {"object":"error","message":"busy"}\n\n',
        b'data: {"error":"x"}\n\n',
    ],
)
async def test_an_error_inside_a_stream_of_status_200_is_a_failure(server: ScriptedServer, event: bytes) -> None:
    """As SGLang sends under load, with ``[DONE]`` after it: tried again before the first token, broken after it."""
    events = await reply(server, sends(event, DONE), sends(delta("Yes."), FINISH, DONE))
    assert events[0] == TextDelta("Yes.")
    events, error = await failure(server, sends(delta("It "), event, DONE))
    assert (events, type(error)) == ([TextDelta("It ")], ModelStreamBroken)


@pytest.mark.parametrize("junk", [b"data: nonsense\n\n", b'data: {"choices": 4}\n\n', b"data: \xff\xfe\n\n"])
async def test_what_is_no_answer_breaks_the_stream(server: ScriptedServer, junk: bytes) -> None:
    """And is not asked for again: a server that talks nonsense goes on doing so."""
    _, error = await failure(server, sends(junk, FINISH, DONE))
    assert type(error) is ModelStreamBroken
    assert len(server.requests) == 1


async def test_a_line_without_end_is_given_up(server: ScriptedServer) -> None:
    """Nobody's memory is filled by it."""
    _, error = await failure(server, drips(b"x" * 65536, 0))
    assert type(error) is ModelStreamBroken


async def test_closing_the_iterator_hangs_up(server: ScriptedServer) -> None:
    """The server sees it and can stop generating."""
    server.acts = [hangs_after(delta("It "))]
    client = model(server.url)
    async with aclosing(client.stream(MESSAGES)) as events:
        assert await anext(events) == TextDelta("It ")
    await asyncio.wait_for(server.left.wait(), 5)
    await client.close()


async def test_the_environments_proxy_is_not_used(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would be an endpoint that nobody declared a region for."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await reply(server, sends(delta("Yes."), FINISH, DONE))


def models(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


async def test_the_model_has_to_be_served(server: ScriptedServer) -> None:
    """A server takes any name with status 200, so the name is looked up before it is believed."""
    server.acts = [status(200, models("other", "tiny")), status(200, models("secret-model"))]
    client = model(server.url)
    await client.ping()
    with pytest.raises(ConfigurationError) as raised:
        await client.ping()
    assert "tiny" in str(raised.value)
    assert "secret-model" not in str(raised.value)
    await client.close()


@pytest.mark.parametrize("act", [status(503), status(200, b"<html>"), status(200, b"x" * 5_000_000), sends(head=b"")])
async def test_a_server_that_cannot_say_what_it_serves_is_unavailable(server: ScriptedServer, act) -> None:
    """Not a configuration error: it may be starting."""
    server.acts = [act]
    client = model(server.url)
    with pytest.raises(ModelUnavailable):
        await client.ping()
    await client.close()


@pytest.mark.parametrize(
    "url",
    ["", "sglang:30000", "ftp://host/v1", "http://", "http://user:pass@host/v1", "http://host/v1?key=x", "file:///etc/passwd"],
)
def test_an_address_that_says_not_where_to_go_is_refused(url: str) -> None:
    """There is no default: an empty address must not become a cloud's."""
    with pytest.raises(ConfigurationError):
        model(url)


def test_the_key_does_not_show() -> None:
    """Not in a representation, wherever it may be printed."""
    assert "hunter2" not in repr(vars(model("http://127.0.0.1:9/v1", api_key="hunter2")))
