"""Stages beside one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from domicile.domain.errors import StorageFull
from domicile.ingestion.flow import ahead, all_of, in_order


async def test_results_come_in_order_with_bounded_work_under_way() -> None:
    """The slowest does not reorder the others, and no more than the width is ever begun."""
    begun = 0

    async def work(delay: int) -> int:
        nonlocal begun
        begun += 1
        await asyncio.sleep(delay / 1000)
        return delay

    seen = []
    async for result in in_order([5, 1, 3, 0], work, width=2):
        seen.append(result)
        assert begun <= len(seen) + 1
    assert seen == [5, 1, 3, 0]


async def test_stopping_early_stops_the_work() -> None:
    """Whoever stops listening leaves no task behind."""
    cancelled = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(0 if number == 0 else 60)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    results = in_order(range(5), work, width=3)
    assert await anext(results) == 0
    await results.aclose()
    assert cancelled == [1, 2]
    assert len(asyncio.all_tasks()) == 1


async def test_the_next_value_is_made_while_the_last_is_used() -> None:
    """One ahead, not more."""
    made: list[int] = []

    async def source() -> AsyncGenerator[int, None]:
        for number in range(4):
            made.append(number)
            yield number

    async for number in ahead(source()):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert made[-1] == min(number + 1, 3)


async def test_a_failing_source_raises_its_own_error_and_is_closed() -> None:
    """After the values that came before it."""
    closed = False

    async def source() -> AsyncGenerator[int, None]:
        nonlocal closed
        try:
            yield 1
            raise StorageFull
        finally:
            closed = True

    values = ahead(source())
    assert await anext(values) == 1
    with pytest.raises(StorageFull):
        await anext(values)
    assert closed


async def test_the_first_failure_stops_the_others_and_is_raised_as_it_is() -> None:
    """Not wrapped in a group, so that callers can tell a full disk from anything else."""
    finished = []

    async def fail() -> None:
        raise StorageFull

    async def wait() -> None:
        await asyncio.sleep(60)
        finished.append(True)

    with pytest.raises(StorageFull):
        await all_of([wait(), fail()])
    assert finished == []
