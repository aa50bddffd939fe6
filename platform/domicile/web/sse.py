"""Server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec
from litestar.response import Stream

from domicile.web.problems import log_if_ours, problem_of
from domicile.web.relay import Relay

MEDIA_TYPE = "text/event-stream"
#: Seconds without an event after which a comment is sent, so that both ends notice a lost connection.
HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b": waiting\n\n"

Event = TypeVar("Event")


def event(name: str, data: object) -> bytes:
    """One event; the data is JSON, which has no line breaks of its own."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


async def respond(relay: Relay[Event], write: Callable[[Event], bytes], request_id: str) -> Stream:
    """A response of the relay's events. Raises what the use case raises before its first; later errors become an event."""
    first = await relay.first()
    # The proxy header keeps nginx from collecting the stream before it passes it on.
    return Stream(
        _frames(first, relay, write, request_id), media_type=MEDIA_TYPE, headers={"x-accel-buffering": "no"}, status_code=200
    )


async def _frames(first: Event, relay: Relay[Event], write: Callable[[Event], bytes], request_id: str) -> AsyncIterator[bytes]:
    yield write(first)
    try:
        async for each in relay.rest(HEARTBEAT_SECONDS):
            yield _HEARTBEAT if each is None else write(each)
    except Exception as error:  # noqa: BLE001 - the outermost loop of a response that has begun: it has to end in words
        problem = problem_of(error)
        log_if_ours(error, problem)
        yield event("error", problem.body(request_id))
