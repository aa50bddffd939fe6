"""A language model behind an OpenAI-compatible endpoint: SGLang, vLLM, TGI, or a gateway in front of them.

What such a server does that a client must not believe (seen with SGLang 0.5): it takes any model's name with status 200; under
load it answers 200 and sends an ``error`` object as an event; when it dies the body just ends. So the name is checked against
``/models``, an ``error`` object is a failure whatever the status, and a stream without ``[DONE]`` was cut off.

An error's text is never passed on or logged: it carries paths of the server, and may carry the prompt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final, TypeVar

import httpx2
import msgspec

from domicile.adapters.llm.sse import EventTooLarge, data_of
from domicile.adapters.llm.wire import DONE, Chunk, decode_chunk, decode_models, request_body
from domicile.domain.errors import CERTIFICATE_HINT, ConfigurationError, ModelStreamBroken, ModelTimeout, ModelUnavailable
from domicile.domain.values import Region
from domicile.ports.generator import ChatEnd, ChatEvent, ChatMessage, TextDelta
from domicile.ports.tls import is_untrusted

#: Statuses that the same request may not meet again: too many requests, and the server's own trouble.
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
#: Seconds before the first retry; each further one waits twice as long, and each as much again or less by chance.
_BACKOFF_SECONDS: Final = 0.25
#: Bytes of ``/models`` that are read.
_MAX_MODELS_BYTES: Final = 4 * 1024 * 1024


Awaited = TypeVar("Awaited")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds to the connection, from the request to the first token, between two tokens, and for the whole answer."""

    connect: float = 5.0
    first_token: float = 60.0
    stall: float = 20.0
    total: float = 300.0


class _Passing(Exception):
    """A failure that may be gone on the next try; carries the error to raise if it is not."""

    def __init__(self, error: ModelUnavailable) -> None:
        super().__init__()
        self.error = error


class OpenAICompatibleModel:
    """Implements ``ChatModel``. ``base_url`` ends with the version, such as ``https://sglang:30000/v1``; only it is spoken to:
    redirects are not followed and proxies of the environment are not used. ``retries`` are made before the first token only.
    """

    def __init__(  # noqa: PLR0913  (each is one fact about the server, and all are named)
        self,
        *,
        base_url: str,
        model: str,
        region: Region,
        api_key: str | None = None,
        tls: SSLContext | None = None,
        max_tokens: int = 800,
        patience: Patience | None = None,
        retries: int = 2,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.name = model
        self.region = region
        self._max_tokens = max_tokens
        self._patience = patience or Patience()
        self._retries = retries
        self._pause = pause
        # Identity, so that no answer can unpack into more than was received.
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._client = httpx2.AsyncClient(
            base_url=_checked_url(base_url),
            headers=headers,
            # Reading is timed by tokens, not by bytes: a server that keeps a connection alive is not answering.
            timeout=httpx2.Timeout(self._patience.connect, read=None),
            # Answers in flight are bounded where they are let in, not by waiting for a connection here.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            follow_redirects=False,
            trust_env=False,
            verify=tls or True,
        )

    async def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ChatEvent, None]:
        """See ``ChatModel``."""
        total = asyncio.get_running_loop().time() + self._patience.total
        for attempt in range(self._retries + 1):
            shown = False
            try:
                async with aclosing(self._attempt(messages, total)) as events:
                    async for event in events:
                        shown = True
                        yield event
            except _Passing as failure:
                if shown or attempt == self._retries:
                    raise failure.error from None
                await self._pause(_BACKOFF_SECONDS * 2**attempt * random.uniform(1, 2))  # noqa: S311 (spreads load)
            else:
                return

    async def ping(self) -> None:
        """See ``ChatModel``. ``ConfigurationError`` names the model that is missing, not those that are there."""
        try:
            async with asyncio.timeout(self._patience.connect + self._patience.stall):
                served = decode_models(await self._models())
        except TimeoutError:
            raise ModelTimeout() from None
        except httpx2.HTTPError as error:
            raise _unreached(error) from None
        except (msgspec.DecodeError, EventTooLarge):
            raise ModelUnavailable() from None
        if self.name not in {model.id for model in served.data}:
            raise ConfigurationError(
                f"The model server does not serve '{self.name}'.", hint="Check DOMICILE_LLM_MODEL against its /models."
            )

    async def close(self) -> None:
        """Ends the connections, and with them what is still being generated."""
        await self._client.aclose()

    async def _models(self) -> bytes:
        async with self._client.stream("GET", "models") as response:
            if response.status_code != httpx2.codes.OK:
                raise _refusal(response.status_code)
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _MAX_MODELS_BYTES:
                    raise EventTooLarge()
            return bytes(body)

    async def _attempt(self, messages: Sequence[ChatMessage], total: float) -> AsyncGenerator[ChatEvent, None]:
        """One request. Raises ``_Passing`` for what another may not meet."""
        watch = _Watch(self._patience, total)
        body = request_body(self.name, list(messages), self._max_tokens)
        request = self._client.build_request("POST", "chat/completions", json=body)
        try:
            response = await watch.wait(self._client.send(request, stream=True))
        except httpx2.ConnectTimeout:
            raise ModelTimeout("The language model could not be reached in time.") from None
        except httpx2.HTTPError as failure:
            raise _Passing(_unreached(failure)) from None
        try:
            if response.status_code != httpx2.codes.OK:
                error = _refusal(response.status_code)
                raise _Passing(error) if response.status_code in _PASSING else error
            async for event in _events(response.aiter_raw(), watch):
                yield event
        except httpx2.HTTPError:
            raise _Passing(ModelStreamBroken()) from None
        finally:
            await response.aclose()


async def _events(body: AsyncIterator[bytes], watch: _Watch) -> AsyncIterator[ChatEvent]:
    """Deltas and the end, from the chunks of one reply."""
    finish: str | None = None
    usage: tuple[int | None, int | None] = (None, None)
    try:
        async with aclosing(_chunks(body, watch)) as chunks:
            async for chunk in chunks:
                if chunk.text or chunk.thinking:
                    watch.token()
                if chunk.text:
                    yield TextDelta(chunk.text)
                finish = chunk.finish_reason or finish
                if chunk.usage is not None:
                    usage = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
    except (msgspec.DecodeError, EventTooLarge):
        raise ModelStreamBroken("The language model sent what is not an answer.") from None
    if finish is None:
        raise _Passing(ModelStreamBroken())
    yield ChatEnd(finish == "length", *usage)


async def _chunks(body: AsyncIterator[bytes], watch: _Watch) -> AsyncGenerator[Chunk, None]:
    """Every chunk up to ``[DONE]``. A body that ends before that was cut off."""
    events = data_of(body)
    while (data := await watch.wait(anext(events, None))) != DONE:
        if data is None:
            raise _Passing(ModelStreamBroken())
        chunk = decode_chunk(data)
        if chunk.failed:
            raise _Passing(ModelStreamBroken() if watch.started else ModelUnavailable())
        yield chunk


class _Watch:
    """When patience ends: with the first token, then with each further one, and at the latest for the whole answer."""

    def __init__(self, patience: Patience, total: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._stall = patience.stall
        self._total = total
        self._until = min(total, self._loop.time() + patience.first_token)
        self.started = False

    def token(self) -> None:
        """Call for each: what a model thinks counts, or a long thought would be taken for a stall."""
        self.started = True
        self._until = min(self._total, self._loop.time() + self._stall)

    async def wait(self, awaited: Awaitable[Awaited]) -> Awaited:
        """Its result; raises ``ModelTimeout`` before the first token and ``ModelStreamBroken`` after it."""
        try:
            async with asyncio.timeout_at(self._until):
                return await awaited
        except TimeoutError:
            if self.started:
                raise ModelStreamBroken("The language model stopped in the middle of its answer.") from None
            raise ModelTimeout() from None


def _unreached(error: BaseException) -> ModelUnavailable:
    if is_untrusted(error):
        return ModelUnavailable("The language model is reached, but not by TLS that can be trusted.", hint=CERTIFICATE_HINT)
    return ModelUnavailable()


def _refusal(status: int) -> ModelUnavailable:
    return ModelUnavailable(f"The language model's server answered with status {status}.")


def _checked_url(base_url: str) -> httpx2.URL:
    """The URL, if it says where to go and nothing else. There is no default: an empty one must not become a cloud's."""
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            "The language model's address is not an http or https URL without credentials and query.",
            hint="Set DOMICILE_LLM_URL to something like https://sglang:30000/v1.",
        )
    return url
