"""From embedded chunks to a published document: encrypt, index, publish, remove what was replaced.

Obligations, labelled where they are met:

1. Every point and the text are stored, encrypted, before the version becomes visible.
2. One transaction makes the versions visible, finishes their items and records the events.
3. What a version replaced is removed after that, never before. If it does not come to that, the sweep does it.
4. What is published is decided once more, in the same transaction.
5. A document that a legal hold keeps gets no new version, which would end the content of the one before.
6. Only what is pending is settled or published: an item may have been settled by a withdrawal, or by another run of the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.crypto.context import Part
from domicile.crypto.parts import blob_key, blob_keys, chunk_id
from domicile.domain.actions import Action
from domicile.domain.documents import Document, DocumentVersion, ItemState, Job, JobItem
from domicile.domain.errors import DocumentWithdrawn, DomicileError, Forbidden, LegalHold
from domicile.domain.holds import Hold
from domicile.domain.principals import AuthenticationMethod
from domicile.ingestion.authority import decisions
from domicile.ingestion.flow import all_of
from domicile.ingestion.reading import ReadDocument
from domicile.ingestion.sealing import seal_chunk, seal_part, seal_title
from domicile.ingestion.stores import Stores
from domicile.ingestion.windows import Window, completed
from domicile.policy.request import Decision
from domicile.ports.clock import Clock
from domicile.ports.embedder import SparseEncoder
from domicile.ports.repositories import UnitOfWork
from domicile.ports.vector_index import IndexPoint, Vector


class Publisher:
    """Stores windows and settles items."""

    def __init__(
        self,
        *,
        stores: Stores,
        sparse: SparseEncoder,
        clock: Clock,
        gate: Gate,
    ) -> None:
        self._database = stores.database
        self._keys = stores.keys
        self._blobs = stores.blobs
        self._index = stores.index
        self._sparse = sparse
        self._clock = clock
        self._gate = gate

    async def store(self, job: Job, window: Window, vectors: Vector) -> None:
        """Index the window's chunks and publish the documents that are complete with it."""
        await self._index.upsert(await asyncio.to_thread(self._points, window, vectors))  # (1)
        done = completed(window)
        await all_of(self._store_text(document) for document in done)  # (1)
        if done:
            await self._publish(job, done)

    async def leave(self, item: JobItem) -> None:
        """Settle an item whose document turned out to be published just like this already."""
        async with self._database.writing() as unit:
            if await _is_current(unit, item):
                return
            await unit.jobs.finish(item.id, ItemState.UNCHANGED)  # (6)
            await unit.commit()
        await self._remove([item])

    async def clear(self, job: Job) -> None:
        """Remove what a run may have stored of versions whose document was withdrawn meanwhile."""
        withdrawn = [item for item in job.items if item.failure == DocumentWithdrawn.slug]
        if withdrawn:
            await self._keys.destroy(job.tenant_id, [item.data_key_id for item in withdrawn])
            await self._remove(withdrawn)

    async def refuse(self, job: Job, item: JobItem, decision: Decision) -> None:
        """Settle an item that policy no longer permits, for whoever submitted it."""
        async with self._database.writing() as unit:
            if await _is_current(unit, item):
                return
            await self._refuse(unit, job, item, decision)
            await unit.commit()
        await self._remove([item])

    async def fail(self, job: Job, item: JobItem, error: DomicileError) -> None:
        """Settle an item that cannot be ingested. Its data key stays: the job's reader is told which file it was."""
        async with self._database.writing() as unit:
            if await _is_current(unit, item):
                return
            if await unit.jobs.finish(item.id, ItemState.FAILED, failure=error.slug, failure_detail=str(error)):  # (6)
                await unit.audit.append(self._event(job, item, Outcome.FAILED, reason=error.slug))
                await unit.commit()
        await self._remove([item])

    def _points(self, window: Window, vectors: Vector) -> list[IndexPoint]:
        """Sealed and sparsely encoded; a few thousand small operations, so it runs in a thread."""
        points: list[IndexPoint] = []
        for segment in window:
            item, key = segment.source.item, segment.source.key
            sparse = self._sparse.encode_passages(segment.texts, segment.source.document.language)
            for chunk, weights in zip(segment.chunks, sparse, strict=True):
                envelope = seal_chunk(key, item.attributes, item.version_id, chunk)
                identity = chunk_id(item.version_id, chunk.ordinal)
                dense = vectors[len(points)]
                points.append(IndexPoint(identity, item.version_id, chunk.ordinal, item.attributes, dense, weights, envelope))
        return points

    async def _store_text(self, document: ReadDocument) -> None:
        item, text = document.item, document.document.text
        place = (item.attributes, item.version_id, Part.TEXT)
        sealed = await asyncio.to_thread(lambda: seal_part(document.key, *place, text.encode()))
        await self._blobs.put(blob_key(*place), sealed)

    async def _publish(self, job: Job, done: Sequence[ReadDocument]) -> None:
        replaced: list[tuple[JobItem, DocumentVersion]] = []
        refused: list[JobItem] = []
        async with self._database.writing() as unit:  # (2)
            held = await unit.holds.on_documents(job.tenant_id, [document.item.document_id for document in done])
            for document, decision in zip(done, await self._decisions(unit, job, done), strict=True):
                if not decision.allowed:  # (4)
                    await self._refuse(unit, job, document.item, decision)
                    refused.append(document.item)
                elif document.item.document_id in held and not await _is_current(unit, document.item):  # (5)
                    await self._keep(unit, job, document.item, decision, held[document.item.document_id])
                    refused.append(document.item)
                elif await unit.jobs.finish(document.item.id, ItemState.ADDED):  # (6)
                    version = await unit.documents.publish(self._document(document))
                    if document.item.subjects is not None:
                        await unit.subjects.set_of_document(document.item.document_id, document.item.subjects)
                    if version is not None:
                        replaced.append((document.item, version))
                    await unit.audit.append(self._event(job, document.item, Outcome.PERMITTED, decision))
            await unit.commit()
        if refused:
            await self._remove(refused)
        await self._keys.destroy(job.tenant_id, [key_id for _, version in replaced for key_id in version.key_ids])
        await self._index.delete_versions([version.id for _, version in replaced])  # (3)
        await self._blobs.delete([key for item, version in replaced for key in blob_keys(item.attributes, version.id)])

    async def _decisions(self, unit: UnitOfWork, job: Job, done: Sequence[ReadDocument]) -> Sequence[Decision]:
        return await decisions(self._gate, unit, job, [document.item for document in done])

    async def _refuse(self, unit: UnitOfWork, job: Job, item: JobItem, decision: Decision) -> None:
        if await unit.jobs.finish(item.id, ItemState.FAILED, failure=Forbidden.slug, failure_detail=Forbidden.title):  # (6)
            await unit.audit.append(self._event(job, item, Outcome.DENIED, decision, Forbidden.slug))

    async def _keep(self, unit: UnitOfWork, job: Job, item: JobItem, decision: Decision, hold: Hold) -> None:
        if await unit.jobs.finish(item.id, ItemState.FAILED, failure=LegalHold.slug, failure_detail=LegalHold.title):  # (6)
            event = self._event(job, item, Outcome.FAILED, decision, LegalHold.slug)
            await unit.audit.append(replace(event, detail=(*event.detail, ("hold", str(hold.id)))))

    async def _remove(self, items: Sequence[JobItem]) -> None:
        await self._index.delete_versions([item.version_id for item in items])
        await self._blobs.delete([key for item in items for key in blob_keys(item.attributes, item.version_id)])

    def _document(self, document: ReadDocument) -> Document:
        item, now = document.item, self._clock.now()
        version = DocumentVersion(
            id=item.version_id,
            document_id=item.document_id,
            data_key_id=item.data_key_id,
            content_digest=item.content_digest,
            title_envelope=seal_title(document.key, item.attributes, item.version_id, document.title),
            size_bytes=item.size_bytes,
            chunk_count=len(document.chunks),
            created_at=now,
        )
        return Document(item.attributes, item.source_digest, version, now)

    def _event(
        self, job: Job, item: JobItem, outcome: Outcome, decision: Decision | None = None, reason: str = ""
    ) -> AuditEvent:
        """The job acts for whoever submitted it. A failure is no decision, and names the policies in force only."""
        return AuditEvent(
            id=self._clock.new_id(),
            time=self._clock.now(),
            tenant_id=job.tenant_id,
            principal_id=job.principal_id,
            credential_id=None,
            method=AuthenticationMethod.JOB.value,
            access_region=item.attributes.region.name,
            action=Action.DOCUMENT_CREATE,
            resource=f"document:{item.document_id}",
            documents=(item.document_id,),
            outcome=outcome,
            policies=decision.policies if decision else (),
            bundle_digest=decision.bundle_digest if decision else self._gate.bundle_digest(job.tenant_id),
            reason=reason,
            detail=(("job", str(job.id)), ("version", str(item.version_id))),
        )


async def _is_current(unit: UnitOfWork, item: JobItem) -> bool:
    """Whether the item's version is published: another run of the same job, taken for dead too early, may have been quicker."""
    found = (await unit.documents.many([item.document_id], item.attributes.tenant_id)).get(item.document_id)
    return found is not None and found.version.id == item.version_id
