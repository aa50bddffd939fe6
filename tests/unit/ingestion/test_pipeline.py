"""From an accepted job to published documents, and what happens when something on the way does not work."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from tests.unit.ingestion.cell import ACME, ADMIN, FOREIGN, HANDBOOK, IngestCell

from domicile.audit.events import Outcome
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import unseal
from domicile.crypto.parts import blob_key
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState, JobState
from domicile.domain.errors import (
    BlobStoreUnavailable,
    DependencyError,
    DocumentCorrupt,
    EmbedderUnavailable,
    StorageFull,
    VectorIndexUnavailable,
)
from domicile.ingestion import sweeping
from domicile.ingestion.intake import Upload
from domicile.ingestion.sealing import unseal_part, unseal_title
from domicile.ports.repositories import REPLY_LIFETIME, IdempotentReply

LONG = "# Long\n\n" + "\n\n".join(f"Paragraph {number} says {'something ' * 60}." for number in range(40))


async def test_a_document_is_published_whole(cell: IngestCell) -> None:
    """Points, text and title are there under the version's key, the event is recorded, and the job is done."""
    text = "# Leave\n\nThirty days a year.\n"
    job = await cell.ingest(("policies/leave.md", text))
    (item,) = job.items
    assert (job.state, item.state) == (JobState.DONE, ItemState.ADDED)
    document = await cell.document(item)
    key = await cell.keys.open(ACME.id, item.data_key_id)
    title = unseal_title(key, item.attributes, item.version_id, document.version.title_envelope)
    assert (title.title, title.source, title.media_type) == ("Leave", "policies/leave.md", "text/markdown")
    sealed = cell.blobs.blobs[blob_key(item.attributes, item.version_id, Part.TEXT)]
    assert unseal_part(key, item.attributes, item.version_id, Part.TEXT, sealed).decode() == text
    assert document.version.chunk_count == len(cell.index.points) == 1
    created = [event for event in await cell.events() if event.resource == f"document:{item.document_id}"]
    assert [(event.action, event.outcome, event.policies) for event in created] == [
        (Action.DOCUMENT_CREATE, Outcome.PERMITTED, ("administrator-ingest",))
    ]
    assert (created[0].bundle_digest, created[0].method) == (cell.gate.bundle_digest(created[0].tenant_id), "job")
    assert created[0].principal_id == ADMIN.id


async def test_a_chunk_opens_with_the_agreed_context(cell: IngestCell) -> None:
    """Retrieval decrypts what ingestion sealed: JSON of text, offsets, headings and page, under version and ordinal."""
    (item,) = (await cell.ingest(("a.md", "# Top\n\n## Part\n\nBody."))).items
    (point,) = cell.index.points.values()
    context = EncryptionContext(ACME.id, HANDBOOK.region, item.document_id, f"{item.version_id}/{point.ordinal}", Part.CHUNK)
    body = msgspec.json.decode(unseal(await cell.keys.open(ACME.id, item.data_key_id), context, point.envelope))
    assert body == {"text": "# Top\n\n## Part\n\nBody.", "start": 0, "end": 21, "headings": ["Top", "Part"], "page": None}


async def test_chunks_of_many_documents_share_windows(cell: IngestCell) -> None:
    """Small documents are embedded together, and a long one in several windows, each text once and in order."""
    batches: list[list[str]] = []
    embed = cell.embedder.embed_passages

    async def recorded(texts: list[str]) -> object:
        batches.append(list(texts))
        return await embed(texts)

    cell.embedder.embed_passages = recorded  # type: ignore[method-assign,assignment]
    files = [(f"{number}.txt", f"Document {number}.") for number in range(5)]
    job = await cell.ingest(*files, ("long.md", LONG))
    assert all(item.state is ItemState.ADDED for item in job.items)
    assert [len(batch) for batch in batches[:-1]] == [cell.window_chunks] * (len(batches) - 1)
    assert len(batches) >= 3
    assert sum(map(len, batches)) == len(cell.index.points)
    assert sum(document.version.chunk_count for document in await cell.documents()) == len(cell.index.points)


async def test_a_new_version_replaces_the_old_one_everywhere(cell: IngestCell) -> None:
    """Points, blobs and data key of the old version are gone; the document keeps its id."""
    (old,) = (await cell.ingest(("a.txt", "old"))).items
    (new,) = (await cell.ingest(("a.txt", "new"))).items
    assert old.document_id == new.document_id
    (document,) = await cell.documents()
    assert document.version.id == new.version_id
    assert await cell.index.version_ids() == {new.version_id}
    assert all(str(new.version_id) in key for key in cell.blobs.blobs)
    assert await cell.keys_left(old.data_key_id, new.data_key_id) == {new.data_key_id}
    assert (ACME.id, old.data_key_id) not in cell.keys.keys


async def test_one_bad_document_does_not_stop_the_others(cell: IngestCell) -> None:
    """It fails with its reason, an event says so, and nothing of it stays in the stores."""
    cell.parser.failures["bad.txt"] = DocumentCorrupt()
    job = await cell.ingest(("good.txt", "good"), ("bad.txt", "bad"), ("fine.txt", "fine"))
    assert [item.state for item in job.items] == [ItemState.ADDED, ItemState.FAILED, ItemState.ADDED]
    bad = job.items[1]
    assert (bad.failure, bad.failure_detail) == ("document-corrupt", DocumentCorrupt.title)
    assert not any(str(bad.version_id) in key for key in cell.blobs.blobs)
    assert bad.version_id not in await cell.index.version_ids()
    (event,) = [event for event in await cell.events() if event.outcome is Outcome.FAILED]
    assert (event.documents, event.reason) == ((bad.document_id,), "document-corrupt")


async def test_a_lost_original_fails_its_own_item_only(cell: IngestCell) -> None:
    """An altered blob does the same."""
    job = await cell.submit(("a.txt", "a"), ("b.txt", "b"), ("c.txt", "c"))
    first, second = (blob_key(item.attributes, item.version_id, Part.ORIGINAL) for item in job.items[:2])
    del cell.blobs.blobs[first]
    cell.blobs.blobs[second] = cell.blobs.blobs[second][:-1] + bytes([cell.blobs.blobs[second][-1] ^ 1])
    await cell.pipeline.run(job.id, ACME.id)
    done = await cell.job(job.id)
    assert [item.failure for item in done.items] == ["not-found", "decryption-failed", None]


@pytest.mark.parametrize(
    ("broken", "error"),
    [("embedder", EmbedderUnavailable), ("index", VectorIndexUnavailable), ("blobs", BlobStoreUnavailable)],
)
async def test_a_failing_component_leaves_the_job_to_be_run_again(
    cell: IngestCell, broken: str, error: type[DependencyError]
) -> None:
    """It raises, nothing becomes visible, nothing is marked as failed, and the next run finishes."""
    job = await cell.submit(("a.txt", "a"), ("long.md", LONG))
    getattr(cell, broken).broken = True
    with pytest.raises(error):
        await cell.pipeline.run(job.id, ACME.id)
    assert await cell.documents() == []
    assert all(item.state is ItemState.PENDING for item in (await cell.job(job.id)).items)
    getattr(cell, broken).broken = False
    await cell.pipeline.run(job.id, ACME.id)
    assert (await cell.job(job.id)).state is JobState.DONE
    assert len(await cell.documents()) == 2


async def test_a_full_disk_while_text_is_stored_publishes_nothing(cell: IngestCell) -> None:
    """Until there is room again."""
    job = await cell.submit(("a.txt", "a"))
    cell.blobs.full = True
    with pytest.raises(StorageFull):
        await cell.pipeline.run(job.id, ACME.id)
    assert await cell.documents() == []
    cell.blobs.full = False
    await cell.pipeline.run(job.id, ACME.id)
    assert len(await cell.documents()) == 1


async def test_what_a_job_waits_for_is_noted_until_there_is_progress(cell: IngestCell) -> None:
    """Also at the jobs of its tenant behind it, which wait for the same, and at nobody else's."""
    jobs = [await cell.submit((name, name)) for name in ("a.txt", "b.txt")]
    foreign = await cell.intake.submit(cell.rival, FOREIGN.id, [Upload("a.txt", b"a")])
    cell.index.broken = True
    for _ in range(2):
        with pytest.raises(VectorIndexUnavailable):
            await cell.pipeline.run(jobs[0].id, ACME.id)
        views = [await cell.progress.get(cell.admin, job.id) for job in jobs]
        assert [view.waiting and view.waiting.reason for view in views] == ["vector-index-unavailable"] * 2
    assert (await cell.progress.get(cell.rival, foreign.id)).waiting is None
    cell.index.broken = False
    await cell.pipeline.run(jobs[0].id, ACME.id)
    assert [(await cell.progress.get(cell.admin, job.id)).waiting for job in jobs] == [None, None]
    assert (await cell.job(jobs[0].id)).items[0].failure is None


async def test_an_interrupted_run_is_resumed_without_leftovers(cell: IngestCell) -> None:
    """Cancelled between two windows: the finished documents stay, the rest comes with the next run, each exactly once."""
    job = await cell.submit(*[(f"{number}.txt", f"Document {number}.") for number in range(12)], ("long.md", LONG))
    upsert, calls = cell.index.upsert, 0

    async def interrupted(points: list[object]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise asyncio.CancelledError
        await upsert(points)  # type: ignore[arg-type]

    cell.index.upsert = interrupted  # type: ignore[method-assign,assignment]
    with pytest.raises(asyncio.CancelledError):
        await cell.pipeline.run(job.id, ACME.id)
    assert 0 < len(await cell.documents()) < 13
    await cell.pipeline.run(job.id, ACME.id)
    documents = await cell.documents()
    assert len(documents) == 13
    assert await cell.index.version_ids() == {document.version.id for document in documents}
    assert len(cell.index.points) == sum(document.version.chunk_count for document in documents)


async def test_running_a_finished_job_again_changes_nothing(cell: IngestCell) -> None:
    """The queue may run a job twice."""
    job = await cell.ingest(("a.txt", "a"))
    before = await cell.contents()
    await cell.pipeline.run(job.id, ACME.id)
    assert await cell.contents() == before


async def test_two_runs_of_one_job_at_once_lose_nothing(cell: IngestCell) -> None:
    """As when a worker is taken for dead too early: whoever comes second finds the work done and removes none of it."""
    files = [(f"{number}.txt", f"Document {number}.") for number in range(10)]
    job = await cell.submit(*files)
    await asyncio.gather(*(cell.pipeline.run(job.id, ACME.id) for _ in range(2)))
    documents = await cell.documents()
    assert len(documents) == 10
    assert await cell.index.version_ids() == {document.version.id for document in documents}
    assert len(cell.blobs.blobs) == 20
    assert all(item.state is ItemState.ADDED for item in (await cell.job(job.id)).items)


async def test_failing_an_item_that_another_run_has_published_changes_nothing(cell: IngestCell) -> None:
    """The slower run may have met a limit that the quicker one did not."""
    job = await cell.submit(("a.txt", "a"))
    read = cell.parser.parse

    async def overtaken(content: bytes, filename: str) -> object:
        cell.parser.parse = read  # type: ignore[method-assign]
        await cell.pipeline.run(job.id, ACME.id)
        raise DocumentCorrupt

    cell.parser.parse = overtaken  # type: ignore[method-assign,assignment]
    await cell.pipeline.run(job.id, ACME.id)
    assert [item.state for item in (await cell.job(job.id)).items] == [ItemState.ADDED]
    assert len(cell.index.points) == 1
    assert len(cell.blobs.blobs) == 2


async def test_the_second_of_two_equal_uploads_is_unchanged(cell: IngestCell) -> None:
    """Both were accepted before either was published; only one is stored."""
    first, second = await cell.submit(("a.txt", "same")), await cell.submit(("a.txt", "same"))
    await cell.pipeline.run(first.id, ACME.id)
    await cell.pipeline.run(second.id, ACME.id)
    assert [item.state for item in (await cell.job(second.id)).items] == [ItemState.UNCHANGED]
    (document,) = await cell.documents()
    assert document.version.id == first.items[0].version_id
    assert not any(str(second.items[0].version_id) in key for key in cell.blobs.blobs)


async def test_abandoning_a_job_settles_what_is_left(cell: IngestCell) -> None:
    """A job that nobody can finish ends, with its items failed."""
    job = await cell.submit(("a.txt", "a"))
    await cell.pipeline.abandon(job.id, ACME.id)
    done = await cell.job(job.id)
    assert (done.state, done.items[0].state, done.items[0].failure) == (JobState.DONE, ItemState.FAILED, "internal")
    assert cell.blobs.blobs == {}


async def test_the_sweep_removes_only_what_nothing_names(cell: IngestCell) -> None:
    """Published and pending versions stay; the leftovers of a crash go, unless they may still be on their way."""
    await cell.ingest(("published.txt", "p"))
    await cell.submit(("pending.txt", "q"))
    kept = await cell.contents()
    orphan = cell.clock.new_id()
    name = f"{ACME.id}/{orphan}/{orphan}/original"
    await cell.blobs.put(name, b"envelope")
    assert (await cell.pipeline.sweep()).blobs == 0
    assert name in cell.blobs.blobs
    cell.clock.advance(timedelta(hours=2))
    assert (await cell.pipeline.sweep()).blobs == 1
    assert await cell.contents() == kept


async def test_the_sweep_removes_points_of_an_unpublished_version(cell: IngestCell) -> None:
    """Here of one whose job has since been given up."""
    await cell.ingest(("a.txt", "a"))
    (point,) = cell.index.points.values()
    orphan = cell.clock.new_id()
    await cell.index.upsert([replace(point, chunk_id=orphan, version_id=orphan)])
    swept = await cell.pipeline.sweep(timedelta(0))
    assert swept.versions == 1
    assert list(cell.index.points.values()) == [point]


async def test_the_sweep_forgets_replies_that_are_too_old(cell: IngestCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many transactions as it takes; whoever sends a write again within the lifetime still gets its answer."""
    monkeypatch.setattr(sweeping, "_BATCH", 2)
    reply, now = IdempotentReply(b"digest", 202, b"id"), cell.clock.now()
    added = {f"old-{number}": now - REPLY_LIFETIME - timedelta(seconds=1) for number in range(5)}
    async with cell.database.writing() as unit:
        for key, at in {**added, "young": now - REPLY_LIFETIME}.items():
            await unit.idempotency.add(ADMIN.id, key, reply, at)
        await unit.commit()
    assert (await cell.pipeline.sweep(timedelta(0))).replies == 5
    async with cell.database.reading() as unit:
        assert [await unit.idempotency.get(ADMIN.id, key) for key in added] == [None] * 5
        assert await unit.idempotency.get(ADMIN.id, "young") == reply
