"""Events on their way into a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from domicile.domain.errors import QuestionEmpty
from domicile.web.relay import Relay

_where = ContextVar("where", default="")


async def _counted(n: int) -> AsyncIterator[int]:
    for each in range(n):
        yield each


async def test_the_first_event_comes_apart_and_the_others_in_order() -> None:
    """Nothing is lost between the two."""
    relay = Relay(_counted(4))
    assert await relay.first() == 0
    assert [each async for each in relay.rest(10)] == [1, 2, 3]


async def test_a_refusal_before_the_first_event_is_raised_there() -> None:
    """So that it becomes an ordinary error response."""

    async def refused() -> AsyncIterator[int]:
        raise QuestionEmpty()
        yield 0

    with pytest.raises(QuestionEmpty):
        await Relay(refused()).first()


async def test_a_failure_later_is_raised_after_what_came_before_it() -> None:
    """The reader has seen every event up to it."""

    async def breaks() -> AsyncIterator[int]:
        yield 0
        yield 1
        raise QuestionEmpty()

    relay = Relay(breaks())
    await relay.first()
    rest = relay.rest(10)
    assert await anext(rest) == 1
    with pytest.raises(QuestionEmpty):
        await anext(rest)


async def test_silence_is_filled_with_heartbeats() -> None:
    """None comes whenever nothing else does, and costs no event."""
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[int]:
        yield 0
        await go_on.wait()
        yield 1

    relay = Relay(slow())
    await relay.first()
    rest = relay.rest(0.001)
    assert await anext(rest) is None
    go_on.set()
    assert 1 in [each async for each in rest]


async def test_closing_the_reader_stops_the_use_case() -> None:
    """A visitor who goes away stops the model."""
    stopped = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            yield 0
            yield 1
            await asyncio.Event().wait()
        finally:
            stopped.set()

    relay = Relay(endless())
    await relay.first()
    rest = relay.rest(10)
    await anext(rest)
    await rest.aclose()
    await asyncio.wait_for(stopped.wait(), 5)


async def test_the_use_case_runs_in_one_context_from_first_to_last() -> None:
    """What it sets before its first event it finds again after, though another task reads."""

    async def remembers() -> AsyncIterator[str]:
        token = _where.set("here")
        yield "first"
        yield _where.get()
        _where.reset(token)

    relay = Relay(remembers())
    await relay.first()
    assert await asyncio.create_task(_all(relay)) == ["here"]


async def _all(relay: Relay[str]) -> list[str | None]:
    return [each async for each in relay.rest(10)]
