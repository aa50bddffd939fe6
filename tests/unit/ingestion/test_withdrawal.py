"""Taking a document away."""

from __future__ import annotations

import pytest
from tests.unit.ingestion.cell import ACME, IngestCell

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState, Job, JobState
from domicile.domain.errors import Forbidden, NotFound, VectorIndexUnavailable

LONG = "\n\n".join(f"# Part {number}\n\nIt says {'something ' * 60}." for number in range(40))


async def test_a_withdrawn_document_is_gone_from_every_store(cell: IngestCell) -> None:
    """With its data key, and the event says who did it."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    await cell.withdrawal.delete(cell.admin, item.document_id)
    assert await cell.documents() == []
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})
    assert await cell.keys_left(item.data_key_id) == set()
    assert (ACME.id, item.data_key_id) not in cell.keys.keys
    event = (await cell.events())[-1]
    assert (event.action, event.outcome) == (Action.DOCUMENT_DELETE, Outcome.PERMITTED)
    assert event.documents == (item.document_id,)


async def test_another_tenants_document_is_not_there(cell: IngestCell) -> None:
    """Nothing changes, and the attempt is recorded in the tenant that made it."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    before = await cell.contents()
    with pytest.raises(NotFound):
        await cell.withdrawal.delete(cell.rival, item.document_id)
    assert await cell.contents() == before
    event = (await cell.events())[-1]
    assert (event.outcome, event.tenant_id) == (Outcome.DENIED, cell.rival.tenant.id)


async def test_a_caller_without_the_right_is_refused(cell: IngestCell) -> None:
    """A member may not withdraw, and nothing changes."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    before = await cell.contents()
    with pytest.raises(Forbidden):
        await cell.withdrawal.delete(cell.member, item.document_id)
    assert await cell.contents() == before


async def test_a_store_that_fails_does_not_bring_the_document_back(cell: IngestCell) -> None:
    """It is out of sight and unreadable; the sweep removes the rest."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    cell.index.broken = True
    with pytest.raises(VectorIndexUnavailable):
        await cell.withdrawal.delete(cell.admin, item.document_id)
    cell.index.broken = False
    assert await cell.documents() == []
    await cell.sweep_everything()
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})


async def test_a_withdrawn_document_can_be_ingested_again(cell: IngestCell) -> None:
    """It is new then, not unchanged."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    await cell.withdrawal.delete(cell.admin, item.document_id)
    (again,) = (await cell.ingest(("a.txt", "a"))).items
    assert again.state is ItemState.ADDED


async def assert_gone(cell: IngestCell, job: Job) -> None:
    """The job of one file has ended, saying why, and neither a document nor bytes nor keys of it are anywhere."""
    done = await cell.job(job.id)
    (item,) = done.items
    assert (done.state, item.state, item.failure) == (JobState.DONE, ItemState.FAILED, "document-withdrawn")
    assert await cell.documents() == []
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})
    assert await cell.keys_left(item.data_key_id) == set()
    assert (ACME.id, item.data_key_id) not in cell.keys.keys


async def test_a_version_that_waits_is_withdrawn_with_its_document(cell: IngestCell) -> None:
    """It does not bring the document back: its item says why, and the event which version it was."""
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    job = await cell.submit(("a.txt", "two"))
    await cell.withdrawal.delete(cell.admin, old.document_id)
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})
    assert (await cell.events())[-1].detail[0] == ("abandoned-version", str(job.items[0].version_id))
    await cell.pipeline.run(job.id, ACME.id)
    await assert_gone(cell, job)


@pytest.mark.parametrize(
    ("store", "method"),
    [("blobs", "get"), ("parser", "parse"), ("embedder", "embed_passages"), ("index", "upsert"), ("blobs", "put")],
)
async def test_a_version_is_withdrawn_wherever_its_run_is(cell: IngestCell, store: str, method: str) -> None:
    """Between any two steps, also when the run stores more of it after the withdrawal has removed what there was."""
    (old,) = (await cell.ingest(("a.md", "one"))).items
    job = await cell.submit(("a.md", LONG))
    await cell.withdraw_during(getattr(cell, store), method, old)
    await cell.pipeline.run(job.id, ACME.id)
    await assert_gone(cell, job)


async def test_a_run_that_breaks_after_the_withdrawal_still_cleans_up(cell: IngestCell) -> None:
    """Whatever it had stored of the version by then goes when the job is run again, before the job is done."""
    (old,) = (await cell.ingest(("a.md", "one"))).items
    job = await cell.submit(("a.md", LONG))
    await cell.withdraw_during(cell.embedder, "embed_passages", old)
    upsert, calls = cell.index.upsert, 0

    async def break_the_second_time(points: list[object]) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise VectorIndexUnavailable
        await upsert(points)  # type: ignore[arg-type]

    cell.index.upsert = break_the_second_time  # type: ignore[method-assign,assignment]
    with pytest.raises(VectorIndexUnavailable):
        await cell.pipeline.run(job.id, ACME.id)
    assert cell.index.points
    await cell.pipeline.run(job.id, ACME.id)
    await assert_gone(cell, job)


async def test_a_withdrawal_that_breaks_half_way_is_finished_by_the_job(cell: IngestCell) -> None:
    """What was decided holds; only removing the bytes was left over. The sweep takes those of the published version."""
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    job = await cell.submit(("a.txt", "two"))
    cell.index.broken = True
    with pytest.raises(VectorIndexUnavailable):
        await cell.withdrawal.delete(cell.admin, old.document_id)
    cell.index.broken = False
    await cell.pipeline.run(job.id, ACME.id)
    await cell.sweep_everything()
    await assert_gone(cell, job)


async def test_only_the_withdrawn_document_of_a_job_is_left_out(cell: IngestCell) -> None:
    """The others of the same request are published."""
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    job = await cell.submit(("a.txt", "two"), ("b.txt", "two"))
    await cell.withdrawal.delete(cell.admin, old.document_id)
    await cell.pipeline.run(job.id, ACME.id)
    assert [item.state for item in (await cell.job(job.id)).items] == [ItemState.FAILED, ItemState.ADDED]
    (document,) = await cell.documents()
    assert document.id == job.items[1].document_id


async def test_what_is_submitted_after_the_withdrawal_is_published(cell: IngestCell) -> None:
    """Even while the abandoned version's job has not run yet."""
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    abandoned = await cell.submit(("a.txt", "two"))
    await cell.withdrawal.delete(cell.admin, old.document_id)
    anew = await cell.submit(("a.txt", "two"))
    for job in (abandoned, anew):
        await cell.pipeline.run(job.id, ACME.id)
    assert [item.state for item in (await cell.job(anew.id)).items] == [ItemState.ADDED]
    (document,) = await cell.documents()
    assert document.version.id == anew.items[0].version_id
    assert await cell.index.version_ids() == {document.version.id}
    assert len(cell.blobs.blobs) == 2


async def test_a_refused_withdrawal_abandons_nothing(cell: IngestCell) -> None:
    """Neither the document nor what waits."""
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    job = await cell.submit(("a.txt", "two"))
    for caller, refusal in ((cell.member, Forbidden), (cell.rival, NotFound)):
        with pytest.raises(refusal):
            await cell.withdrawal.delete(caller, old.document_id)
    await cell.pipeline.run(job.id, ACME.id)
    assert [item.state for item in (await cell.job(job.id)).items] == [ItemState.ADDED]
