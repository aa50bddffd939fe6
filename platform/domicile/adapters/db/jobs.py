"""Ingest jobs and their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, null, select, update

from domicile.adapters.db.marks import mark_columns, validity_of
from domicile.adapters.db.schema import collections, job_items, jobs
from domicile.adapters.db.transaction import Transaction
from domicile.domain.documents import DocumentAttributes, ItemState, Job, JobItem, JobState, Stage
from domicile.domain.errors import NotFound
from domicile.domain.values import Classification, Region

# Only PostgreSQL takes the lock, a weak one that keeps no reference to the collection waiting; SQLite's writer is alone.
_TURN = select(collections.c.id).where(collections.c.id == bindparam("id")).with_for_update(key_share=True)
_ADD_JOB = insert(jobs)
_ADD_ITEM = insert(job_items)
_JOB = select(jobs).where(jobs.c.tenant_id == bindparam("tenant_id"), jobs.c.id == bindparam("id"))
_ITEMS = select(job_items).where(job_items.c.job_id == bindparam("job_id")).order_by(job_items.c.ordinal)
_PENDING = _ITEMS.where(job_items.c.state == ItemState.PENDING.value).limit(bindparam("at_most"))
_PENDING_OF = select(job_items).where(
    job_items.c.state == ItemState.PENDING.value,
    job_items.c.tenant_id == bindparam("tenant_id"),
    job_items.c.document_id.in_(bindparam("document_ids", expanding=True)),
)
_SET_STAGE = update(job_items).where(job_items.c.id == bindparam("item_id")).values(stage=bindparam("stage"))
_FINISH = (
    update(job_items)
    .where(job_items.c.id == bindparam("item_id"), job_items.c.state == ItemState.PENDING.value)
    .values(state=bindparam("state"), failure=bindparam("failure"), failure_detail=bindparam("failure_detail"), subjects=null())
)
_FAIL_PENDING = (
    update(job_items)
    .where(
        job_items.c.state == ItemState.PENDING.value,
        job_items.c.tenant_id == bindparam("of_tenant"),
        job_items.c.document_id == bindparam("of_document"),
    )
    .values(
        state=ItemState.FAILED.value,
        failure=bindparam("failure"),
        failure_detail=bindparam("failure_detail"),
        subjects=null(),
    )
    .returning(job_items)
)
_SET_WAITING = (
    update(job_items)
    .where(job_items.c.state == ItemState.PENDING.value, job_items.c.tenant_id == bindparam("of_tenant"))
    .values(failure=bindparam("failure"), failure_detail=bindparam("failure_detail"))
)
_SET_STATE = update(jobs).where(jobs.c.id == bindparam("job_id")).values(state=bindparam("state"))
_UNFINISHED = (
    select(jobs.c.id, jobs.c.tenant_id).where(jobs.c.state != JobState.DONE.value).order_by(jobs.c.created_at, jobs.c.id)
)


class SqlJobs:
    """Implements ``JobRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def turn_to_add(self, collection_id: UUID) -> None:
        await self._transaction.first(_TURN, {"id": collection_id})

    async def add(self, job: Job) -> None:
        await self._transaction.run(
            _ADD_JOB,
            {
                "id": job.id,
                "tenant_id": job.tenant_id,
                "collection_id": job.collection_id,
                "principal_id": job.principal_id,
                "state": job.state.value,
                "created_at": job.created_at,
            },
        )
        if job.items:
            await self._transaction.run(_ADD_ITEM, [_columns(item) for item in job.items])

    async def get(self, tenant_id: UUID, job_id: UUID) -> Job:
        row = await self._transaction.first(_JOB, {"tenant_id": tenant_id, "id": job_id})
        if row is None:
            raise NotFound()
        items = await self._transaction.all(_ITEMS, {"job_id": job_id})
        return Job(
            id=row.id,
            tenant_id=row.tenant_id,
            collection_id=row.collection_id,
            principal_id=row.principal_id,
            state=JobState(row.state),
            created_at=row.created_at,
            items=tuple(_item(item) for item in items),
        )

    async def pending(self, job_id: UUID, limit: int) -> Sequence[JobItem]:
        rows = await self._transaction.all(_PENDING, {"job_id": job_id, "at_most": limit})
        return [_item(row) for row in rows]

    async def pending_of(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> Sequence[JobItem]:
        which = {"tenant_id": tenant_id, "document_ids": list(document_ids)}
        return [_item(row) for row in await self._transaction.all(_PENDING_OF, which)]

    async def set_stage(self, item_ids: Sequence[UUID], stage: Stage) -> None:
        if item_ids:
            rows = [{"item_id": item_id, "stage": stage.value} for item_id in item_ids]
            await self._transaction.run(_SET_STAGE, rows)

    async def finish(
        self, item_id: UUID, state: ItemState, *, failure: str | None = None, failure_detail: str | None = None
    ) -> bool:
        values = {"item_id": item_id, "state": state.value, "failure": failure, "failure_detail": failure_detail}
        return await self._transaction.run(_FINISH, values) > 0

    async def fail_pending(self, tenant_id: UUID, document_id: UUID, failure: str, failure_detail: str) -> Sequence[JobItem]:
        which = {"of_tenant": tenant_id, "of_document": document_id}
        rows = await self._transaction.all(_FAIL_PENDING, {**which, "failure": failure, "failure_detail": failure_detail})
        return [_item(row) for row in rows]

    async def set_waiting(self, tenant_id: UUID, failure: str | None, failure_detail: str | None) -> None:
        values = {"of_tenant": tenant_id, "failure": failure, "failure_detail": failure_detail}
        await self._transaction.run(_SET_WAITING, values)

    async def set_state(self, job_id: UUID, state: JobState) -> None:
        await self._transaction.run(_SET_STATE, {"job_id": job_id, "state": state.value})

    async def unfinished(self) -> Sequence[tuple[UUID, UUID]]:
        return [(row.id, row.tenant_id) for row in await self._transaction.all(_UNFINISHED)]


def _columns(item: JobItem) -> Mapping[str, Any]:
    attributes = item.attributes
    return {
        "id": item.id,
        "job_id": item.job_id,
        "ordinal": item.ordinal,
        "document_id": item.document_id,
        "version_id": item.version_id,
        "data_key_id": item.data_key_id,
        "tenant_id": attributes.tenant_id,
        "collection_id": attributes.collection_id,
        "region": attributes.region.name,
        **mark_columns(attributes.marks),
        "groups": sorted(map(str, attributes.groups)),
        "labels": sorted(attributes.labels),
        "source_digest": item.source_digest,
        "content_digest": item.content_digest,
        "title_envelope": item.title_envelope,
        "size_bytes": item.size_bytes,
        "state": item.state.value,
        "stage": item.stage.value,
        "failure": item.failure,
        "failure_detail": item.failure_detail,
        "subjects": None if item.subjects is None else sorted(each.hex() for each in item.subjects),
    }


def _item(row: Row[Any]) -> JobItem:
    return JobItem(
        id=row.id,
        job_id=row.job_id,
        ordinal=row.ordinal,
        document_id=row.document_id,
        version_id=row.version_id,
        data_key_id=row.data_key_id,
        attributes=DocumentAttributes(
            tenant_id=row.tenant_id,
            document_id=row.document_id,
            collection_id=row.collection_id,
            region=Region(row.region),
            classification=Classification(row.classification),
            groups=frozenset(map(UUID, row.groups)),
            owner=row.owner_id,
            labels=frozenset(row.labels),
            personal_data=row.personal_data,
            validity=validity_of(row),
        ),
        source_digest=row.source_digest,
        content_digest=row.content_digest,
        title_envelope=row.title_envelope,
        size_bytes=row.size_bytes,
        state=ItemState(row.state),
        stage=Stage(row.stage),
        failure=row.failure,
        failure_detail=row.failure_detail,
        subjects=None if row.subjects is None else frozenset(map(bytes.fromhex, row.subjects)),
    )
