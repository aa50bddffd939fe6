"""``/v1/jobs``."""

from __future__ import annotations

import json
from uuid import uuid4

from tests.fakes.cell import MemoryCell, client


async def _job_id(cell: MemoryCell, name: str) -> str:
    sent = await client(cell, "ada").post("/v1/collections/board/documents", files={"file": (name, b"# Job\n\nText.")})
    return str(sent.json()["id"])


async def test_anonymous_requests_are_refused(cell: MemoryCell) -> None:
    """Both of the job's routes."""
    for path in (f"/v1/jobs/{uuid4()}", f"/v1/jobs/{uuid4()}/events"):
        assert (await client(cell).get(path)).status_code == 401


async def test_another_tenants_job_does_not_exist(cell: MemoryCell) -> None:
    """Not to read and not to follow."""
    job_id = await _job_id(cell, "foreign.md")
    for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/events", f"/v1/jobs/{uuid4()}/events"):
        answered = await client(cell, "gus").get(path)
        assert (answered.status_code, answered.headers["content-type"]) == (404, "application/problem+json")


async def test_somebody_elses_job_is_refused(cell: MemoryCell) -> None:
    """Its sources are content, and the member did not bring them."""
    job_id = await _job_id(cell, "own.md")
    assert (await client(cell, "mia").get(f"/v1/jobs/{job_id}")).status_code == 403


async def test_following_a_job_ends_when_it_is_done(cell: MemoryCell) -> None:
    """Every event is the whole job; progress never goes back; the last one is done."""
    job_id = await _job_id(cell, "follow.md")
    answered = await client(cell, "ada").get(f"/v1/jobs/{job_id}/events")
    assert answered.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\n") for block in answered.text.strip().split("\n\n")]
    assert {block[0] for block in blocks} == {"event: progress"}
    jobs = [json.loads(block[1].removeprefix("data: ")) for block in blocks]
    assert [job["progress"] for job in jobs] == sorted(job["progress"] for job in jobs)
    assert (jobs[-1]["state"], jobs[-1]["progress"]) == ("done", 1.0)


async def test_a_job_says_what_it_waits_for(cell: MemoryCell) -> None:
    """By the slug of a problem, which is stable, and in sentences that hold no content; null when it waits for nothing."""
    tenant_id = (await cell.caller("ada")).tenant.id
    async with cell.queue.turn(tenant_id):
        path = f"/v1/jobs/{await _job_id(cell, 'waiting.md')}"
        assert (await client(cell, "ada").get(path)).json()["waiting"] is None
        async with cell.database.writing() as unit:
            await unit.jobs.set_waiting(tenant_id, "storage-full", "The storage is full")
            await unit.commit()
        answered = await client(cell, "ada").get(path)
    assert answered.json()["waiting"] == {
        "reason": "storage-full",
        "detail": "The storage is full",
        "hint": "Free some space; the job then goes on by itself.",
    }
