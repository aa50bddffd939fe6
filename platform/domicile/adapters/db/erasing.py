"""The rows that an erasure removes, and looking whether any is left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Table, and_, bindparam, delete, func, insert, null, or_, select, update

from domicile.adapters.db.schema import (
    api_keys,
    collections,
    conversation_documents,
    conversation_subjects,
    conversations,
    document_groups,
    document_labels,
    document_subjects,
    documents,
    doomed_keys,
    exchanges,
    followed_keys,
    idempotent_replies,
    job_items,
    jobs,
    memberships,
    metadata,
    principals,
    sessions,
)
from domicile.adapters.db.transaction import Transaction
from domicile.domain.documents import ItemState, JobState
from domicile.domain.erasures import ErasedObject, ObjectKind
from domicile.domain.errors import DocumentWithdrawn, NotFound
from domicile.domain.marks import NOBODY
from domicile.domain.values import Classification
from domicile.ports.lifecycle import RemovedItems

_KEYS = (documents.c.data_key_id, documents.c.next_key_id, conversations.c.data_key_id, principals.c.data_key_id)
#: What only grows, and what erasing itself needs: it holds ids, times and numbers.
STAYS = frozenset({"audit_entries", "transfers", "erasures", "erased_objects", "doomed_keys", "followed_keys"})

_OF_DOCUMENT = (
    select(job_items.c.id, job_items.c.version_id, job_items.c.data_key_id, jobs.c.state)
    .join(jobs, jobs.c.id == job_items.c.job_id)
    .where(job_items.c.tenant_id == bindparam("tenant_id"), job_items.c.document_id == bindparam("document_id"))
)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_DELETE_ITEMS = delete(job_items).where(job_items.c.id.in_(_IDS))
_QUOTING = (
    select(conversations.c.id)
    .join(conversation_documents)
    .where(conversations.c.tenant_id == bindparam("tenant_id"), conversation_documents.c.document_id.in_(_IDS))
)
_OF_ACCOUNT = select(conversations.c.id).where(
    conversations.c.tenant_id == bindparam("tenant_id"), conversations.c.principal_id == bindparam("principal_id")
)
_UNFINISHED = select(jobs.c.id).where(jobs.c.tenant_id == bindparam("tenant_id"), jobs.c.state != JobState.DONE.value).limit(1)
_SETTLED = {
    "state": ItemState.FAILED.value,
    "failure": DocumentWithdrawn.slug,
    "failure_detail": DocumentWithdrawn.title,
    "subjects": null(),
}
_FAIL_ALL = (
    update(job_items)
    .where(job_items.c.tenant_id == bindparam("of_tenant"), job_items.c.state == ItemState.PENDING.value)
    .values(_SETTLED)
)
_FAIL_UNDER = (
    update(job_items).where(job_items.c.data_key_id.in_(_IDS), job_items.c.state == ItemState.PENDING.value).values(_SETTLED)
)
_NAMED_BY = select(documents.c.tenant_id, documents.c.id).where(documents.c.data_key_id.in_(_IDS))
_ACCOUNTS_BY = select(principals.c.tenant_id, principals.c.id).where(principals.c.data_key_id.in_(_IDS))
_TALKS_BY = select(conversations.c.tenant_id, conversations.c.id).where(conversations.c.data_key_id.in_(_IDS))


class SqlErasing:
    """Implements ``ErasingRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def remove_items(self, tenant_id: UUID, document_id: UUID) -> RemovedItems:
        rows = await self._transaction.all(_OF_DOCUMENT, {"tenant_id": tenant_id, "document_id": document_id})
        over = [row.id for row in rows if row.state == JobState.DONE.value]
        if over:
            await self._transaction.run(_DELETE_ITEMS, {"ids": over})
        versions = (ErasedObject(ObjectKind.VERSION, row.version_id, document_id, (row.data_key_id,)) for row in rows)
        return RemovedItems(tuple(versions), len(over) < len(rows))

    async def conversations_of(
        self, tenant_id: UUID, document_ids: Collection[UUID], principal_id: UUID | None
    ) -> Sequence[UUID]:
        found: set[UUID] = set()
        if document_ids:
            rows = await self._transaction.all(_QUOTING, {"tenant_id": tenant_id, "ids": sorted(document_ids)})
            found.update(row.id for row in rows)
        if principal_id is not None:
            rows = await self._transaction.all(_OF_ACCOUNT, {"tenant_id": tenant_id, "principal_id": principal_id})
            found.update(row.id for row in rows)
        return sorted(found)

    async def remove_account(self, tenant_id: UUID, principal_id: UUID) -> ErasedObject:
        whose = and_(principals.c.id == principal_id, principals.c.tenant_id == tenant_id)
        row = await self._transaction.first(select(principals.c.data_key_id).where(whose).with_for_update())
        if row is None:
            raise NotFound()
        for table in (sessions, api_keys, memberships, idempotent_replies):
            await self._transaction.run(delete(table).where(table.c.principal_id == principal_id))
        for table in (documents, collections, job_items):
            await self._transaction.run(update(table).where(table.c.owner_id == principal_id).values(owner_id=NOBODY))
        nobody = {
            "login_digest": None,
            "profile_envelope": None,
            "data_key_id": None,
            "password_hash": None,
            "disabled": True,
            "clearance": int(Classification.PUBLIC),
        }
        await self._transaction.run(update(principals).where(whose).values(nobody))
        return ErasedObject(ObjectKind.ACCOUNT, principal_id, principal_id, _keys(row.data_key_id))

    async def close_tenant(self, tenant_id: UUID) -> None:
        theirs = select(principals.c.id).where(principals.c.tenant_id == tenant_id)
        await self._transaction.run(delete(sessions).where(sessions.c.principal_id.in_(theirs)))
        await self._transaction.run(delete(api_keys).where(api_keys.c.tenant_id == tenant_id))
        out = update(principals).where(principals.c.tenant_id == tenant_id)
        await self._transaction.run(out.values(password_hash=None, disabled=True))
        await self._transaction.run(_FAIL_ALL, {"of_tenant": tenant_id})

    async def has_unfinished_jobs(self, tenant_id: UUID) -> bool:
        return await self._transaction.first(_UNFINISHED, {"tenant_id": tenant_id}) is not None

    async def take(self, tenant_id: UUID, limit: int) -> Sequence[ErasedObject]:
        """Documents first, since items may name the same versions."""
        return (
            await self._take_documents(tenant_id, limit)
            or await self._take_items(tenant_id, limit)
            or await self._take_conversations(tenant_id, limit)
        )

    async def remove_tenant(self, tenant_id: UUID) -> int:
        removed = 0
        for table, theirs in reversed(_of_tenant(tenant_id)):
            removed += await self._transaction.run(delete(table).where(theirs))
        return removed

    async def sizes(self, tenant_id: UUID) -> tuple[int, int, int]:
        tables = (documents, conversations, principals)
        found = [await self._count(table, table.c.tenant_id == tenant_id) for table in tables]
        return found[0], found[1], found[2]

    async def rows_of_tenant(self, tenant_id: UUID) -> int:
        return sum([await self._count(table, theirs) for table, theirs in _of_tenant(tenant_id)])

    async def rows_naming(self, objects: Sequence[ErasedObject]) -> int:
        by_kind = {kind: sorted(each.id for each in objects if each.kind is kind) for kind in ObjectKind}
        versions, talks, accounts = (by_kind[kind] for kind in ObjectKind)
        gone = sorted({each.of for each in objects if each.kind is ObjectKind.VERSION})
        there = select(documents.c.id)
        keys = sorted({key for each in objects for key in each.keys})
        asked = [
            *((table, table.c.version_id.in_(versions)) for table in (documents, job_items)),
            *(
                (table, and_(table.c.document_id.in_(gone), table.c.document_id.not_in(there)))
                for table in (document_groups, document_labels, document_subjects)
            ),
            (conversations, conversations.c.id.in_(talks)),
            *(
                (table, table.c.conversation_id.in_(talks))
                for table in (exchanges, conversation_subjects, conversation_documents)
            ),
            *((table, table.c.principal_id.in_(accounts)) for table in (sessions, api_keys, memberships, idempotent_replies)),
            *((table, table.c.owner_id.in_(accounts)) for table in (documents, collections, job_items)),
            (principals, and_(principals.c.id.in_(accounts), _named_still())),
            *((column.table, column.in_(keys)) for column in _KEYS),
        ]
        return sum([await self._count(table, those) for table, those in asked])

    async def documents_under(self, key_ids: Collection[UUID]) -> Sequence[tuple[UUID, UUID]]:
        return [(row.tenant_id, row.id) for row in await self._transaction.all(_NAMED_BY, {"ids": sorted(key_ids)})]

    async def conversations_under(self, key_ids: Collection[UUID]) -> Sequence[tuple[UUID, UUID]]:
        return [(row.tenant_id, row.id) for row in await self._transaction.all(_TALKS_BY, {"ids": sorted(key_ids)})]

    async def accounts_under(self, key_ids: Collection[UUID]) -> Sequence[tuple[UUID, UUID]]:
        rows = await self._transaction.all(_ACCOUNTS_BY, {"ids": sorted(key_ids)})
        return [(row.tenant_id, row.id) for row in rows]

    async def fail_under(self, key_ids: Collection[UUID]) -> None:
        await self._transaction.run(_FAIL_UNDER, {"ids": sorted(key_ids)})

    async def on_order(self, tenant_id: UUID) -> Sequence[UUID]:
        ordered = select(doomed_keys.c.id).where(doomed_keys.c.tenant_id == tenant_id)
        return [row.id for row in await self._transaction.all(ordered)]

    async def settled(self, tenant_id: UUID) -> None:
        await self._transaction.run(delete(doomed_keys).where(doomed_keys.c.tenant_id == tenant_id))

    async def followed(self) -> int:
        row = await self._transaction.first(select(followed_keys.c.position))
        return int(row.position) if row else 0

    async def follow(self, position: int) -> None:
        await self._transaction.run(delete(followed_keys))
        await self._transaction.run(insert(followed_keys), {"id": 1, "position": position})

    async def _take_documents(self, tenant_id: UUID, limit: int) -> list[ErasedObject]:
        wanted = (documents.c.id, documents.c.version_id, documents.c.data_key_id, documents.c.next_key_id)
        page = select(*wanted).where(documents.c.tenant_id == tenant_id)
        rows = await self._transaction.all(page.limit(limit).with_for_update())
        ids = [row.id for row in rows]
        for table in (document_groups, document_labels, document_subjects):
            await self._transaction.run(delete(table).where(table.c.document_id.in_(ids)))
        await self._transaction.run(delete(documents).where(documents.c.id.in_(ids)))
        return [
            ErasedObject(ObjectKind.VERSION, row.version_id, row.id, _keys(row.data_key_id, row.next_key_id)) for row in rows
        ]

    async def _take_items(self, tenant_id: UUID, limit: int) -> list[ErasedObject]:
        wanted = (job_items.c.id, job_items.c.document_id, job_items.c.version_id, job_items.c.data_key_id)
        rows = await self._transaction.all(select(*wanted).where(job_items.c.tenant_id == tenant_id).limit(limit))
        await self._transaction.run(_DELETE_ITEMS, {"ids": [row.id for row in rows]})
        return [ErasedObject(ObjectKind.VERSION, row.version_id, row.document_id, (row.data_key_id,)) for row in rows]

    async def _take_conversations(self, tenant_id: UUID, limit: int) -> list[ErasedObject]:
        page = select(conversations.c.id, conversations.c.data_key_id).where(conversations.c.tenant_id == tenant_id)
        rows = await self._transaction.all(page.limit(limit).with_for_update())
        ids = [row.id for row in rows]
        for table in (exchanges, conversation_subjects, conversation_documents):
            await self._transaction.run(delete(table).where(table.c.conversation_id.in_(ids)))
        await self._transaction.run(delete(conversations).where(conversations.c.id.in_(ids)))
        return [ErasedObject(ObjectKind.CONVERSATION, row.id, row.id, (row.data_key_id,)) for row in rows]

    async def _count(self, table: Table, those: ColumnElement[bool]) -> int:
        row = await self._transaction.first(select(func.count()).select_from(table).where(those))
        return int(row[0]) if row else 0


def _keys(*key_ids: UUID | None) -> tuple[UUID, ...]:
    return tuple(each for each in key_ids if each is not None)


def _named_still() -> ColumnElement[bool]:
    """Whether an account has a name, or a password."""
    names = (principals.c.login_digest, principals.c.profile_envelope, principals.c.data_key_id, principals.c.password_hash)
    return or_(*(column.is_not(None) for column in names))


def _of_tenant(tenant_id: UUID) -> list[tuple[Table, ColumnElement[bool]]]:
    """Every table with what in it is the tenant's, those first that others refer to."""
    theirs: dict[str, ColumnElement[bool]] = {}
    found: list[tuple[Table, ColumnElement[bool]]] = []
    for table in metadata.sorted_tables:
        if table.name in STAYS:
            continue
        if table.name == "tenants":
            condition = table.c.id == tenant_id
        elif "tenant_id" in table.c:
            condition = table.c.tenant_id == tenant_id
        else:
            key = next(each for each in table.foreign_keys if each.column.table.name in theirs)
            parent = key.column.table
            condition = key.parent.in_(select(parent.c.id).where(theirs[parent.name]))
        theirs[table.name] = condition
        found.append((table, condition))
    return found
