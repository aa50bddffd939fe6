"""Running a job until it is through: retried while a dependency is down, given up when it keeps breaking by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from domicile.domain.errors import DependencyError

Handler = Callable[[UUID, UUID], Awaitable[None]]

_log = structlog.get_logger("domicile.jobs")


async def abandon_nothing(job_id: UUID, tenant_id: UUID) -> None:
    """For handlers that have nothing to settle when a job is given up."""


class RetryingHandler:
    """Calls ``handler`` with (job id, tenant id) until it returns.

    A ``DependencyError`` is waited out, with pauses that double from ``first_pause`` to ``longest_pause`` seconds: an outage of
    hours is no reason to lose a job. Any other error is a fault of ours; after ``faults`` of them ``give_up`` settles the job.
    """

    def __init__(
        self,
        handler: Handler,
        give_up: Handler = abandon_nothing,
        *,
        first_pause: float = 0.5,
        longest_pause: float = 60.0,
        faults: int = 4,
    ) -> None:
        self._handler = handler
        self._give_up = give_up
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._faults = faults

    async def __call__(self, job_id: UUID, tenant_id: UUID) -> None:
        attempt = faults = 0
        while True:
            try:
                await (self._give_up if faults >= self._faults else self._handler)(job_id, tenant_id)
            except DependencyError as error:
                _log.warning("a job waits for a component", job_id=str(job_id), error=error.slug, attempt=attempt)
            except Exception as error:  # noqa: BLE001  # the outermost loop of a worker: nothing above could do better
                faults += 1
                _log.error("a job failed", job_id=str(job_id), error=type(error).__name__, attempt=attempt)
            else:
                return
            await asyncio.sleep(min(self._longest_pause, self._first_pause * 2 ** min(attempt, 16)))
            attempt += 1
