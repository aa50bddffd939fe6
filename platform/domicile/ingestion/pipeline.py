"""A document's way: parse, chunk, embed, encrypt, index, publish. Every step may be repeated, and a job resumed at any of them.

Three stages run beside one another, one window of chunks apart: while the model embeds a window, the next one is read and the
last one is encrypted, indexed and published.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domicile.access.gate import Gate
from domicile.domain.documents import ItemState, Job, JobItem, JobState, Stage
from domicile.domain.errors import DependencyError, DomicileError
from domicile.ingestion.authority import decisions
from domicile.ingestion.chunking import Chunker
from domicile.ingestion.drafts import is_published
from domicile.ingestion.flow import ahead, in_order
from domicile.ingestion.publishing import Publisher
from domicile.ingestion.reading import ReadDocument, Reader, Unreadable
from domicile.ingestion.stores import Stores
from domicile.ingestion.sweeping import Swept, sweep
from domicile.ingestion.windows import Window, windows
from domicile.ports.clock import Clock
from domicile.ports.embedder import Embedder, SparseEncoder, TokenCounter
from domicile.ports.parser import Parser
from domicile.ports.vector_index import Vector

#: Chunks of a window: enough that the model's length-sorted batches are full, few enough to hold three windows in memory.
WINDOW_CHUNKS = 768
#: Documents that are read at the same time or wait to be embedded.
READ_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Models:
    """``tokens`` is the embedder's own tokeniser."""

    embedder: Embedder
    sparse: SparseEncoder
    tokens: TokenCounter


class Pipeline:
    """Runs ingest jobs."""

    def __init__(
        self,
        *,
        stores: Stores,
        models: Models,
        parser: Parser,
        clock: Clock,
        gate: Gate,
        window_chunks: int = WINDOW_CHUNKS,
    ) -> None:
        self._stores = stores
        self._embedder = models.embedder
        self._clock = clock
        self._window_chunks = window_chunks
        self._reader = Reader(keys=stores.keys, blobs=stores.blobs, parser=parser, chunker=Chunker(models.tokens))
        self._gate = gate
        self._publisher = Publisher(stores=stores, sparse=models.sparse, clock=clock, gate=gate)

    async def run(self, job_id: UUID, tenant_id: UUID) -> None:
        """Bring every pending item of the job to its end.

        Raises ``DependencyError`` when something that the cell depends on fails: what is not finished stays pending, for the
        queue to run the job again.
        """
        job = await self._begin(job_id, tenant_id)
        try:
            await self._bring_to_an_end(job)
        except DependencyError as error:
            await self._note_wait(job, error)
            raise

    async def abandon(self, job_id: UUID, tenant_id: UUID) -> None:
        """Fail what is still pending of a job that keeps breaking for a reason nobody foresaw, so that it ends."""
        job = await self._begin(job_id, tenant_id)
        for item in _pending(job):
            await self._publisher.fail(job, item, DomicileError("Ingesting this document failed for an unknown reason."))
        await self._end(job)

    async def sweep(self, grace: timedelta = timedelta(hours=1)) -> Swept:
        """Remove index points and blobs that belong to no current version and no pending item: leftovers of a crash.

        Replies that are too old to be asked for again go as well. Versions younger than ``grace`` are left alone, since a
        request under way elsewhere may be about to name them; pass zero where no other process uses the stores.
        """
        return await sweep(self._stores, self._clock.now(), grace)

    async def _begin(self, job_id: UUID, tenant_id: UUID) -> Job:
        async with self._stores.database.writing() as unit:
            job = await unit.jobs.get(tenant_id, job_id)
            if job.state is JobState.QUEUED:
                await unit.jobs.set_state(job.id, JobState.RUNNING)
                await unit.commit()
        return job

    async def _bring_to_an_end(self, job: Job) -> None:
        waited = any(item.failure for item in _pending(job))
        pending = await self._unsettled(job)
        async with aclosing(ahead(self._embedded(ahead(self._windows(job, pending))))) as ready:
            async for window, vectors in ready:
                await self._publisher.store(job, window, vectors)
                if waited:  # Not before: what is stored shows that it is over.
                    await self._set_waiting(job, None)
                    waited = False
        await self._end(job)

    async def _note_wait(self, job: Job, error: DependencyError) -> None:
        """Have everybody who follows a job of this tenant see what it waits for: they run one after another."""
        with contextlib.suppress(DependencyError):  # It may be the database itself; then nobody can look either.
            await self._set_waiting(job, error)

    async def _set_waiting(self, job: Job, error: DependencyError | None) -> None:
        reason, sentence = (error.slug, str(error)) if error else (None, None)
        async with self._stores.database.writing() as unit:
            await unit.jobs.set_waiting(job.tenant_id, reason, sentence)
            await unit.commit()

    async def _end(self, job: Job) -> None:
        async with self._stores.database.reading() as unit:
            settled = await unit.jobs.get(job.tenant_id, job.id)
        await self._publisher.clear(settled)
        async with self._stores.database.writing() as unit:
            if not await unit.jobs.pending(job.id, 1):
                await unit.jobs.set_state(job.id, JobState.DONE)
                await unit.commit()

    async def _unsettled(self, job: Job) -> Sequence[JobItem]:
        """The pending items that are still news."""
        pending = _pending(job)
        async with self._stores.database.reading() as unit:
            ids = [item.document_id for item in pending]
            published = await unit.documents.many(ids, job.tenant_id)
            about = await unit.subjects.of_documents(job.tenant_id, ids)
        known = [
            item
            for item in pending
            if (current := published.get(item.document_id))
            and is_published(current, item.attributes, item.content_digest)
            and item.subjects in (None, about[item.document_id])
        ]
        for item in known:
            await self._publisher.leave(item)
        news = await self._permitted(job, [item for item in pending if item not in known])
        # With one read of the store; whose key is gone is found out item by item.
        await self._stores.keys.open_existing(job.tenant_id, frozenset(item.data_key_id for item in news))
        return news

    async def _permitted(self, job: Job, items: Sequence[JobItem]) -> Sequence[JobItem]:
        """Those that the job may still ingest; the others fail before anything is computed for them."""
        async with self._stores.database.reading() as unit:
            decided = list(zip(items, await decisions(self._gate, unit, job, items), strict=True))
        for item, decision in decided:
            if not decision.allowed:
                await self._publisher.refuse(job, item, decision)
        return [item for item, decision in decided if decision.allowed]

    async def _windows(self, job: Job, items: Sequence[JobItem]) -> AsyncGenerator[Window, None]:
        async with aclosing(windows(self._documents(job, items), self._window_chunks)) as source:
            async for window in source:
                await self._set_stage(window, Stage.PARSED)
                yield window

    async def _documents(self, job: Job, items: Sequence[JobItem]) -> AsyncGenerator[ReadDocument, None]:
        async with aclosing(in_order(items, self._reader.read, READ_AHEAD)) as results:
            async for result in results:
                if isinstance(result, Unreadable):
                    await self._publisher.fail(job, result.item, result.error)
                else:
                    yield result

    async def _embedded(self, source: AsyncGenerator[Window, None]) -> AsyncGenerator[tuple[Window, Vector], None]:
        async with aclosing(source):
            async for window in source:
                vectors = await self._embedder.embed_passages([text for segment in window for text in segment.texts])
                await self._set_stage(window, Stage.EMBEDDED)
                yield window, vectors

    async def _set_stage(self, window: Window, stage: Stage) -> None:
        items = {segment.source.item.id for segment in window if segment.last or stage is Stage.PARSED}
        async with self._stores.database.writing() as unit:
            await unit.jobs.set_stage(sorted(items), stage)
            await unit.commit()


def _pending(job: Job) -> list[JobItem]:
    return [item for item in job.items if item.state is ItemState.PENDING]
