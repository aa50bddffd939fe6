"""The durable queue across processes and restarts."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from domicile.adapters.jobs.dbos_queue import DbosJobQueue
from domicile.domain.errors import ConfigurationError, DatabaseUnavailable, EmbedderUnavailable

WORKER = """
import asyncio, os, sys
from uuid import UUID
from domicile.adapters.jobs.dbos_queue import DbosJobQueue

async def main():
    queue = DbosJobQueue(sys.argv[1], polling_seconds=0.05, executor_id=sys.argv[3], watch_seconds=0.2)

    async def handler(job_id, tenant_id):
        print(job_id, flush=True)
        if sys.argv[4] == "die":
            os.kill(os.getpid(), 9)
        await asyncio.sleep(60)

    await queue.start(handler)
    await queue.enqueue(UUID(sys.argv[2]), UUID(sys.argv[2]))
    await asyncio.sleep(20)

asyncio.run(main())
"""


def _url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/jobs.sqlite3"


async def _until(done: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        await done.wait()


async def test_a_job_whose_process_was_killed_is_taken_up_by_the_next(tmp_path: Path) -> None:
    """Killed in the middle, without any chance to say goodbye."""
    job = uuid4()
    worker = await _worker(_url(tmp_path), job, "local", "die")
    output, _ = await worker.communicate()
    assert (worker.returncode, output.decode().split()) == (-9, [str(job)])
    assert await _next_job(tmp_path) == job


async def test_a_job_interrupted_by_stopping_is_taken_up_again(tmp_path: Path) -> None:
    """Stopping waits for its handler to let go, and does not count as an end."""
    queue, begun, let_go, job = DbosJobQueue(_url(tmp_path), polling_seconds=0.05), asyncio.Event(), asyncio.Event(), uuid4()

    async def handler(job_id: UUID, tenant_id: UUID) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            let_go.set()

    await queue.start(handler)
    await queue.enqueue(job, uuid4())
    await _until(begun)
    await queue.stop()
    assert let_go.is_set()
    assert await _next_job(tmp_path) == job


async def test_an_outage_is_waited_out_without_a_restart(tmp_path: Path) -> None:
    """The job is tried again by the same process."""
    queue, done, calls = DbosJobQueue(_url(tmp_path), polling_seconds=0.05), asyncio.Event(), 0

    async def handler(job_id: UUID, tenant_id: UUID) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise EmbedderUnavailable
        done.set()

    await queue.start(handler)
    await queue.enqueue(uuid4(), uuid4())
    await _until(done)
    await queue.stop()
    assert calls == 2


async def test_a_process_without_a_handler_only_enqueues(tmp_path: Path) -> None:
    """As the service does beside workers; it may even be the first to use the queue's database."""
    client, job = DbosJobQueue(_url(tmp_path)), uuid4()
    await client.start()
    await client.enqueue(job, uuid4())
    await client.stop()
    assert await _next_job(tmp_path) == job


async def test_the_queue_keeps_ids_and_no_pickles(tmp_path: Path) -> None:
    """What it stores is in clear, and unpickling would run whatever somebody wrote into its file."""
    client, job, tenant = DbosJobQueue(_url(tmp_path)), uuid4(), uuid4()
    await client.start()
    await client.enqueue(job, tenant)
    await client.stop()
    with sqlite3.connect(tmp_path / "jobs.sqlite3") as connection:
        rows = connection.execute("SELECT workflow_uuid, inputs FROM workflow_input").fetchall()
    connection.close()
    assert rows == [(str(job), f'{{"namedArgs":{{}},"positionalArgs":["{job}","{tenant}"]}}')]


async def test_a_queue_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    """As a component that is not available, and stopping it afterwards is no error."""
    queue = DbosJobQueue(_url(tmp_path / "missing" / "folder"))
    with pytest.raises(DatabaseUnavailable):
        await queue.enqueue(uuid4(), uuid4())
    with pytest.raises(DatabaseUnavailable):
        await queue.start()
    await queue.stop()


@pytest.mark.parametrize("url", ["mysql://host/name", "no url"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    """When the cell is put together, not when the first document comes."""
    with pytest.raises(ConfigurationError):
        DbosJobQueue(url)


@pytest.mark.postgres
async def test_the_jobs_of_a_worker_that_never_comes_back_are_taken_up_by_another(postgres_url: str) -> None:
    """But not while it lives, however long its job takes; a replaced container comes back under another name."""
    job, seen, done = uuid4(), list[UUID](), asyncio.Event()
    worker = await _worker(postgres_url, job, "container-1", "hang")
    assert worker.stdout is not None
    assert (await worker.stdout.readline()).decode().strip() == str(job)

    async def handler(job_id: UUID, tenant_id: UUID) -> None:
        seen.append(job_id)
        done.set()

    queue = DbosJobQueue(postgres_url, polling_seconds=0.05, executor_id="container-2", watch_seconds=0.2)
    await queue.start(handler)
    await asyncio.sleep(1.5)
    assert seen == []
    worker.kill()
    await worker.wait()
    await _until(done)
    await queue.stop()
    assert seen == [job]


async def _worker(url: str, job: UUID, name: str, fate: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WORKER, url, str(job), name, fate), stdout=asyncio.subprocess.PIPE
    )


async def _next_job(folder: Path) -> UUID:
    """The job that a newly started process runs first."""
    queue, done, seen = DbosJobQueue(_url(folder), polling_seconds=0.05), asyncio.Event(), list[UUID]()

    async def handler(job_id: UUID, tenant_id: UUID) -> None:
        seen.append(job_id)
        done.set()

    await queue.start(handler)
    await _until(done)
    await queue.stop()
    assert len(seen) == 1
    return seen[0]
