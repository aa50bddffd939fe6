"""What a cell does beside its requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

import structlog

from domicile.domain.errors import DomicileError
from domicile.ingestion.pipeline import Pipeline
from domicile.lifecycle.erasure_run import ErasureRun
from domicile.lifecycle.retention_run import RetentionRun

_DAY_SECONDS = 24 * 3600.0


def in_background(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run until the cell closes."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


async def keep_swept(pipeline: Pipeline, erasures: ErasureRun) -> None:
    """Remove what a crash left and what is too old, now and every day."""

    async def sweep() -> None:
        await pipeline.sweep()
        await erasures.forget_notes()

    await _every_day("sweep", sweep)


async def keep_in_bounds(retention: RetentionRun) -> None:
    """Remove what has been kept long enough, now and every day."""

    async def carry_out() -> None:
        async with aclosing(retention.run_all()) as reports:
            async for report in reports:
                structlog.get_logger().info("retention was carried out", count=report.removed.total())

    await _every_day("retention", carry_out)


async def _every_day(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Failing that is no reason not to serve."""
    while True:
        try:
            await work()
        except DomicileError as error:
            structlog.get_logger().warning(f"{name} failed", error=error.slug)
        await asyncio.sleep(_DAY_SECONDS)
