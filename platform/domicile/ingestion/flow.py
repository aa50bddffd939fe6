"""How the stages of a pipeline run beside one another without holding more than they need."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, TypeVar

T = TypeVar("T")
Source = TypeVar("Source")


async def all_of(works: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run them side by side. If one fails the others are stopped first, and its own error is raised, not a group of errors."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def in_order(
    items: Iterable[Source], work: Callable[[Source], Coroutine[Any, Any, T]], width: int
) -> AsyncGenerator[T, None]:
    """The results in the order of the items, with up to ``width`` of them under way or waiting to be taken."""
    tasks: deque[asyncio.Task[T]] = deque()
    try:
        for item in items:
            tasks.append(asyncio.create_task(work(item)))
            if len(tasks) >= width:
                yield await tasks[0]
                tasks.popleft()
        while tasks:
            yield await tasks[0]
            tasks.popleft()
    finally:
        await _stop(tasks)


async def ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same values, the next one being made while the last one is used. Closes the source."""
    async with aclosing(source):
        upcoming = asyncio.create_task(_next(source))
        try:
            while (value := await upcoming) is not None:
                upcoming = asyncio.create_task(_next(source))
                yield value[0]
        finally:
            await _stop([upcoming])


async def _next(source: AsyncIterator[T]) -> tuple[T] | None:
    async for value in source:
        return (value,)
    return None


async def _stop(tasks: Iterable[asyncio.Task[T]]) -> None:
    waiting: list[Awaitable[T]] = []
    for task in tasks:
        task.cancel()
        waiting.append(task)
    await asyncio.gather(*waiting, return_exceptions=True)
