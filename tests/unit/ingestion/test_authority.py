"""A job does what its submitter may still do, and nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from tests.unit.ingestion.cell import ACME, ADMIN, IngestCell

from domicile.adapters.db.schema import principals
from domicile.audit.events import Outcome
from domicile.domain.documents import ItemState, Job, JobState
from domicile.domain.values import Role


async def change_account(cell: IngestCell, **values: object) -> None:
    """As an administrator would, while the job waits or runs."""
    async with cell.database.writing_transaction() as open_:
        await open_.run(update(principals).where(principals.c.id == ADMIN.id).values(**values))
        await open_.commit()


async def assert_nothing_came_of(cell: IngestCell, job: Job) -> None:
    settled = await cell.job(job.id)
    assert settled.state is JobState.DONE
    assert [(item.state, item.failure) for item in settled.items] == [(ItemState.FAILED, "forbidden")] * len(job.items)
    assert await cell.documents() == []
    assert cell.index.points == {}
    assert cell.blobs.blobs == {}
    refusals = [event for event in await cell.events() if event.outcome is Outcome.DENIED]
    assert [(event.reason, event.principal_id) for event in refusals] == [("forbidden", ADMIN.id)] * len(job.items)


@pytest.mark.parametrize(("change", "policy"), [({"disabled": True}, "guard-disabled"), ({"role": Role.MEMBER.value}, "")])
async def test_what_was_submitted_by_an_account_that_lost_its_right_is_not_ingested(
    cell: IngestCell, change: dict[str, object], policy: str
) -> None:
    """A disabled account, or one whose role was taken away, publishes nothing, however long ago it submitted it."""
    job = await cell.submit(("a.md", "One."), ("b.md", "Two."))
    await change_account(cell, **change)
    embedded = cell.embedder.embed_passages
    cell.embedder.embed_passages = None  # type: ignore[assignment, method-assign]  # nothing may be computed for it
    await cell.pipeline.run(job.id, job.tenant_id)
    cell.embedder.embed_passages = embedded  # type: ignore[method-assign]
    await assert_nothing_came_of(cell, job)
    (first, _) = [event for event in await cell.events() if event.outcome is Outcome.DENIED]
    assert (policy in first.policies) or not policy


async def test_an_account_that_loses_its_right_while_the_job_runs_publishes_nothing(cell: IngestCell) -> None:
    """The decision at the start of a run is not the last one: what is published is decided in the same transaction."""
    job = await cell.submit(("a.md", "One."))
    embed = cell.embedder.embed_passages

    async def and_disable(texts: list[str]) -> object:
        vectors = await embed(texts)
        await change_account(cell, disabled=True)
        return vectors

    cell.embedder.embed_passages = and_disable  # type: ignore[method-assign,assignment]
    await cell.pipeline.run(job.id, job.tenant_id)
    await assert_nothing_came_of(cell, job)
    assert ACME.id == job.tenant_id
