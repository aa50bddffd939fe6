"""Events of a use case on their way into a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

Event = TypeVar("Event")

_END = object()


class Relay(Generic[Event]):
    """Runs an iterator of events in one task from its first step to its last.

    A handler takes the first event, so that a refusal is an ordinary error response, and the response takes the others from
    another task. Spans and other context of the use case must not notice: hence a task of its own, with a queue between.
    The queue has no bound since an answer is small, and its length is bounded by the generator.
    """

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._queue: asyncio.Queue[object] = asyncio.Queue()
        self._task = asyncio.create_task(self._pass_on(events))
        self._task.add_done_callback(lambda _: self._queue.put_nowait(_END))

    async def first(self) -> Event:
        """The first event. Raises what the use case raised before it."""
        event = await self._queue.get()
        if event is _END:
            await self._task
            raise RuntimeError("a use case gave no event at all")
        return event  # type: ignore[return-value]

    async def rest(self, heartbeat: float) -> AsyncIterator[Event | None]:
        """The other events, and None whenever there was none for ``heartbeat`` seconds. Raises what the use case raised.

        Closing it stops the use case.
        """
        try:
            while True:
                try:
                    async with asyncio.timeout(heartbeat):
                        event = await self._queue.get()
                except TimeoutError:
                    yield None
                    continue
                if event is _END:
                    await self._task
                    return
                yield event  # type: ignore[misc]
        finally:
            self._task.cancel()

    async def _pass_on(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            self._queue.put_nowait(event)
