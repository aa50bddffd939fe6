"""Two things at once, neither of which is left running behind the other's failure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

First = TypeVar("First")
Second = TypeVar("Second")


async def both(first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]) -> tuple[First, Second]:
    """Both results. A failure of one is told when the other has ended too; of two failures the first's is told.

    The other is let finish, because it takes milliseconds and a database connection that is stopped half-way is lost. Only a
    caller who has gone away stops both.
    """
    one, other = tasks = asyncio.create_task(first), asyncio.create_task(second)
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return one.result(), other.result()
