"""Running a job until it is through."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from domicile.adapters.jobs.retrying import RetryingHandler
from domicile.domain.errors import EmbedderUnavailable, StorageFull

JOB, TENANT = uuid4(), uuid4()


class Script:
    """A handler that raises what it was given, call by call, and then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.calls: list[tuple[UUID, UUID]] = []
        self._failures = list(failures)

    async def __call__(self, job_id: UUID, tenant_id: UUID) -> None:
        self.calls.append((job_id, tenant_id))
        if self._failures:
            raise self._failures.pop(0)


async def test_a_job_that_works_runs_once() -> None:
    """With the ids that it was enqueued with."""
    script = Script()
    await RetryingHandler(script)(JOB, TENANT)
    assert script.calls == [(JOB, TENANT)]


async def test_an_outage_is_waited_out() -> None:
    """However long it lasts: far more often than a fault would be tried."""
    script, given_up = Script(*[StorageFull(), EmbedderUnavailable()] * 10), Script()
    await RetryingHandler(script, given_up, first_pause=0, longest_pause=0)(JOB, TENANT)
    assert len(script.calls) == 21
    assert given_up.calls == []


async def test_a_fault_of_ours_is_given_up() -> None:
    """After a few tries the job is settled instead of blocking its tenant for ever."""
    script, given_up = Script(*[ValueError("content")] * 99), Script()
    await RetryingHandler(script, given_up, first_pause=0, faults=3)(JOB, TENANT)
    assert (len(script.calls), given_up.calls) == (3, [(JOB, TENANT)])


async def test_giving_up_is_retried_as_well() -> None:
    """Settling a job needs the same components."""
    script, given_up = Script(*[ValueError()] * 9), Script(StorageFull(), ValueError())
    await RetryingHandler(script, given_up, first_pause=0, longest_pause=0, faults=2)(JOB, TENANT)
    assert len(given_up.calls) == 3


async def test_cancelling_ends_it() -> None:
    """Also during a pause."""
    script = Script(StorageFull())
    running = asyncio.create_task(RetryingHandler(script, first_pause=60)(JOB, TENANT))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(script.calls) == 1


async def test_nothing_that_an_error_says_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """It may quote a document; its class says enough."""
    await RetryingHandler(Script(ValueError("secret sentence")), first_pause=0)(JOB, TENANT)
    written = "".join(capfd.readouterr())
    assert "ValueError" in written
    assert "secret" not in written
