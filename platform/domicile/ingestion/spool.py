"""The encrypted spool: originals go to the blob store under their own data keys before any row names them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from domicile.crypto.context import Part
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import blob_key
from domicile.domain.documents import DocumentAttributes, DocumentTitle, ItemState, JobItem
from domicile.domain.errors import DomicileError
from domicile.ingestion.drafts import Draft
from domicile.ingestion.flow import all_of
from domicile.ingestion.sealing import seal_part, seal_title
from domicile.ports.blobs import BlobStore
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing

#: Originals that are sealed and written at the same time.
_AT_ONCE = 4


class Spool:
    """One request's."""

    def __init__(self, *, blobs: BlobStore, keys: KeyRing, clock: Clock, tenant_id: UUID) -> None:
        self._blobs = blobs
        self._ring = keys
        self._clock = clock
        self._tenant_id = tenant_id
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._written: list[str] = []

    async def take(
        self, job_id: UUID, drafts: Sequence[tuple[Draft, DocumentAttributes]], subjects: frozenset[bytes] | None = None
    ) -> tuple[JobItem, ...]:
        """The job's items, once all their originals are stored; those that are new are about these ``subjects``."""
        keys = await self._keys_for([draft for draft, _ in drafts])
        items = tuple(
            self._item(job_id, number, *each, key) for number, (each, key) in enumerate(zip(drafts, keys, strict=True))
        )
        pending = [each for each in zip(items, drafts, keys, strict=True) if _is_new(each[1][0])]
        await all_of(self._write(item, draft, key) for item, (draft, _), key in pending)
        return tuple(replace(item, subjects=subjects if item.state is ItemState.PENDING else None) for item in items)

    async def discard(self) -> None:
        """Remove what was written. What cannot be removed now belongs to no version, so the next sweep finds it."""
        with contextlib.suppress(DomicileError):
            await self._blobs.delete(self._written)

    async def _keys_for(self, drafts: Sequence[Draft]) -> list[DataKey]:
        """A key for each; those that store nothing share one, which keeps their sources legible to who asks for the job."""
        new = sum(_is_new(draft) for draft in drafts)
        shared = 1 if new < len(drafts) else 0
        made = await self._ring.create(self._tenant_id, [self._clock.new_id() for _ in range(new + shared)])
        own = iter(made[:new])
        return [next(own) if _is_new(draft) else made[-1] for draft in drafts]

    def _item(self, job_id: UUID, number: int, draft: Draft, attributes: DocumentAttributes, key: DataKey) -> JobItem:
        version_id = self._clock.new_id()
        title = DocumentTitle(draft.upload.source, draft.upload.source, "")
        return JobItem(
            id=self._clock.new_id(),
            job_id=job_id,
            ordinal=number,
            document_id=draft.document_id,
            version_id=version_id,
            data_key_id=key.id,
            attributes=attributes,
            source_digest=draft.source_digest,
            content_digest=draft.content_digest,
            title_envelope=seal_title(key, attributes, version_id, title),
            size_bytes=len(draft.upload.content),
            state=draft.state,
            failure=draft.error.slug if draft.error else None,
            failure_detail=str(draft.error) if draft.error else None,
        )

    async def _write(self, item: JobItem, draft: Draft, key: DataKey) -> None:
        name = blob_key(item.attributes, item.version_id, Part.ORIGINAL)
        async with self._places:
            content = draft.upload.content
            sealed = await asyncio.to_thread(seal_part, key, item.attributes, item.version_id, Part.ORIGINAL, content)
            self._written.append(name)
            await self._blobs.put(name, sealed)


def _is_new(draft: Draft) -> bool:
    return draft.state is ItemState.PENDING
