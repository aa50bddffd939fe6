"""Two things at once."""

from __future__ import annotations

import asyncio

import pytest

from domicile.retrieval.together import both


async def value(result: int, after: float = 0.0) -> int:
    await asyncio.sleep(after)
    return result


async def failure(name: str) -> int:
    raise RuntimeError(name)


async def test_both_results_come_in_the_order_asked() -> None:
    """Whichever ends first."""
    assert await both(value(1, 0.01), value(2)) == (1, 2)


async def test_a_failure_is_told_when_the_other_has_ended() -> None:
    """Nothing goes on behind a refusal."""
    ended: list[int] = []

    async def slow() -> None:
        ended.append(await value(1, 0.01))

    with pytest.raises(RuntimeError, match="first"):
        await both(failure("first"), slow())
    assert ended == [1]


async def test_of_two_failures_the_first_is_told() -> None:
    """And the second is not reported as an exception that nobody took."""
    with pytest.raises(RuntimeError, match="first"):
        await both(failure("first"), failure("second"))


async def test_a_caller_who_goes_away_stops_both() -> None:
    """Neither is left running."""
    stopped: list[str] = []

    async def waiting(name: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(name)
            raise

    task = asyncio.create_task(both(waiting("one"), waiting("other")))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(stopped) == ["one", "other"]
