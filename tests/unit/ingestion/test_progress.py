"""How far a job has come, and who is told."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.people import caller, principal
from tests.unit.ingestion.cell import ACME, IngestCell

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState, JobState, Stage
from domicile.domain.errors import (
    AuditUnavailable,
    DocumentCorrupt,
    Forbidden,
    NotFound,
    StorageFull,
    VectorIndexUnavailable,
)
from domicile.domain.values import Role
from domicile.ingestion.progress import JobView, Waiting


async def test_a_new_job_stands_at_nothing(cell: IngestCell) -> None:
    """Its items are named by the sources they were given with."""
    job = await cell.submit(("a.txt", "a"), ("b.txt", "b"))
    view = await cell.progress.get(cell.admin, job.id)
    assert (view.state, view.total, view.progress) == (JobState.QUEUED, 2, 0.0)
    assert [item.source for item in view.items] == ["a.txt", "b.txt"]


async def test_stages_make_the_number(cell: IngestCell) -> None:
    """A finished item counts whole, also a failed one; an embedded one nearly."""
    job = await cell.submit(("a.txt", "a"), ("b.txt", "b"))
    first, second = job.items
    async with cell.database.writing() as unit:
        await unit.jobs.finish(first.id, ItemState.FAILED, failure="document-corrupt", failure_detail="unreadable")
        await unit.jobs.set_stage([second.id], Stage.EMBEDDED)
        await unit.commit()
    view = await cell.progress.get(cell.admin, job.id)
    assert view.progress == 0.95
    assert (view.failed, view.added) == (1, 0)
    assert (view.items[0].failure, view.items[0].detail) == ("document-corrupt", "unreadable")


async def test_a_done_job_stands_at_one(cell: IngestCell) -> None:
    """With the counts that the command line reports, and every source still legible, also of the failed file."""
    cell.parser.failures["bad.txt"] = DocumentCorrupt()
    await cell.ingest(("old.txt", "old"))
    job = await cell.ingest(("old.txt", "old"), ("new.txt", "new"), ("bad.txt", "bad"))
    view = await cell.progress.get(cell.admin, job.id)
    assert (view.added, view.unchanged, view.failed, view.progress) == (1, 1, 1, 1.0)
    assert [item.source for item in view.items] == ["old.txt", "new.txt", "bad.txt"]


async def test_the_source_of_a_replaced_version_is_gone_with_its_key(cell: IngestCell) -> None:
    """An old job does not keep alive what was erased; the rest of it can still be shown."""
    job = await cell.ingest(("a.txt", "one"), ("b.txt", "b"))
    await cell.ingest(("a.txt", "two"))
    view = await cell.progress.get(cell.admin, job.id)
    assert [item.source for item in view.items] == ["", "b.txt"]


async def test_another_tenants_job_is_not_there(cell: IngestCell) -> None:
    """And asking for it is recorded as refused."""
    job = await cell.submit(("a.txt", "a"))
    with pytest.raises(NotFound):
        await cell.progress.get(cell.rival, job.id)
    refused = (await cell.events())[-1]
    assert (refused.action, refused.outcome, refused.resource) == (Action.JOB_READ, Outcome.DENIED, f"job:{job.id}")


async def test_a_colleagues_job_is_forbidden(cell: IngestCell) -> None:
    """A job shows file names, so only whoever submitted it follows it."""
    job = await cell.submit(("a.txt", "a"))
    colleague = caller(principal("eve", ACME, role=Role.ADMINISTRATOR), ACME)
    with pytest.raises(Forbidden):
        await cell.progress.get(colleague, job.id)


async def test_nothing_is_shown_that_cannot_be_recorded(cell: IngestCell) -> None:
    """Sources are content."""
    job = await cell.submit(("a.txt", "a"))
    cell.log.broken = True
    with pytest.raises(AuditUnavailable):
        await cell.progress.get(cell.admin, job.id)


async def test_watching_shows_each_change_until_the_job_is_done(cell: IngestCell) -> None:
    """The number never goes back, and the last view is of the finished job."""
    files = [(f"{number}.txt", f"Document {number}.") for number in range(16)]
    job = await cell.submit(*files)

    async def watch() -> list[JobView]:
        return [view async for view in cell.progress.watch(cell.admin, job.id)]

    views, _ = await asyncio.gather(watch(), cell.pipeline.run(job.id, ACME.id))
    assert [view.progress for view in views] == sorted(view.progress for view in views)
    assert (views[-1].state, views[-1].added, views[-1].progress) == (JobState.DONE, 16, 1.0)
    assert len([event for event in cell.log.events if event.action is Action.JOB_READ]) == 1


async def test_a_full_disk_of_the_index_is_what_a_job_waits_for(cell: IngestCell) -> None:
    """The view names the reason, says what is wrong and what to do; no item has failed, and afterwards nothing is left."""
    job = await cell.submit(("a.txt", "a"))
    upsert = cell.index.upsert

    async def full(points: object) -> None:
        raise StorageFull("Too little disk space is left for the vector index.")

    cell.index.upsert = full  # type: ignore[method-assign,assignment]
    with pytest.raises(StorageFull):
        await cell.pipeline.run(job.id, ACME.id)
    view = await cell.progress.get(cell.admin, job.id)
    assert view.waiting == Waiting(
        "storage-full",
        "Too little disk space is left for the vector index.",
        "Free some space; the job then goes on by itself.",
    )
    assert (view.failed, view.items[0].failure, view.items[0].detail) == (0, None, None)
    cell.index.upsert = upsert  # type: ignore[method-assign]
    await cell.pipeline.run(job.id, ACME.id)
    view = await cell.progress.get(cell.admin, job.id)
    assert (view.state, view.waiting, view.items[0].failure) == (JobState.DONE, None, None)


async def test_whoever_watches_a_job_is_shown_what_it_waits_for(cell: IngestCell) -> None:
    """While it waits, and that it goes on."""
    job = await cell.submit(("a.txt", "a"))
    cell.index.broken = True
    views = cell.progress.watch(cell.admin, job.id)
    assert (await anext(views)).waiting is None
    with pytest.raises(VectorIndexUnavailable):
        await cell.pipeline.run(job.id, ACME.id)
    waiting = (await anext(views)).waiting
    assert waiting is not None
    assert waiting.hint == "Check that it runs; the job then goes on by itself."
    cell.index.broken = False
    await cell.pipeline.run(job.id, ACME.id)
    *_, last = [view async for view in views]
    assert (last.state, last.waiting) == (JobState.DONE, None)
