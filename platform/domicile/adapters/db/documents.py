"""Documents with their current versions."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, delete, func, insert, select, union, update

from domicile.adapters.db.keys import doom
from domicile.adapters.db.marks import mark_columns, validity_of
from domicile.adapters.db.schema import document_groups, document_labels, document_subjects, documents, job_items
from domicile.adapters.db.scope_sql import condition
from domicile.adapters.db.transaction import Transaction
from domicile.domain.documents import Document, DocumentAttributes, DocumentVersion, ItemState
from domicile.domain.errors import NotFound
from domicile.domain.values import Classification, Region
from domicile.policy.scope import RetrievalScope, Scope

# Labels are short names, in which there is no comma.
_LABELS = (
    select(func.aggregate_strings(document_labels.c.label, ","))
    .where(document_labels.c.document_id == documents.c.id)
    .correlate(documents)
    .scalar_subquery()
    .label("labels")
)
# A document in as many groups comes in as many rows: one trip, and a document is usually in few.
_WITH_SETS = select(documents, document_groups.c.group_id, _LABELS).outerjoin(
    document_groups, document_groups.c.document_id == documents.c.id
)
_IN_TENANT = _WITH_SETS.where(documents.c.tenant_id == bindparam("tenant_id"))
_BY_ID = _IN_TENANT.where(documents.c.id == bindparam("id"))
# PostgreSQL holds the row until the transaction ends; SQLite, whose writer is alone, has no such clause and leaves it out.
_BY_ID_TO_CHANGE = _BY_ID.with_for_update(of=documents)
_MANY = _IN_TENANT.where(documents.c.id.in_(bindparam("ids", expanding=True)))
_BY_SOURCE = _IN_TENANT.where(
    documents.c.collection_id == bindparam("collection_id"), documents.c.source_digest == bindparam("source_digest")
)
_ADD = insert(documents)
_CHANGE = update(documents).where(documents.c.id == bindparam("document_id"))
_DELETE = delete(documents).where(documents.c.id == bindparam("document_id"))
_ADD_GROUP = insert(document_groups)
_DELETE_GROUPS = delete(document_groups).where(document_groups.c.document_id == bindparam("document_id"))
_ADD_LABEL = insert(document_labels)
_DELETE_LABELS = delete(document_labels).where(document_labels.c.document_id == bindparam("document_id"))
_LIVE_VERSIONS = union(
    select(documents.c.version_id),
    select(job_items.c.version_id).where(job_items.c.state == ItemState.PENDING.value),
)

_DELETE_SUBJECTS = delete(document_subjects).where(document_subjects.c.document_id == bindparam("document_id"))

_OF_VERSION = (documents.c.tenant_id == bindparam("in_tenant"), documents.c.version_id == bindparam("of"))
_SET_NEXT_KEY = (
    update(documents).where(*_OF_VERSION, documents.c.next_key_id.is_(None)).values(next_key_id=bindparam("next_key_id"))
)
_ADOPT_KEY = (
    update(documents)
    .where(*_OF_VERSION, documents.c.next_key_id == bindparam("key"))
    .values(data_key_id=documents.c.next_key_id, next_key_id=None, title_envelope=bindparam("title_envelope"))
)


class SqlDocuments:
    """Implements ``DocumentRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def get(self, tenant_id: UUID, document_id: UUID) -> Document:
        found = _documents(await self._transaction.all(_BY_ID, {"tenant_id": tenant_id, "id": document_id}))
        if not found:
            raise NotFound()
        return found[document_id]

    async def many(self, document_ids: Sequence[UUID], tenant_id: UUID) -> dict[UUID, Document]:
        return _documents(await self._transaction.all(_MANY, {"tenant_id": tenant_id, "ids": list(document_ids)}))

    async def ids(self, tenant_id: UUID, *, owner: UUID | None = None, after: UUID | None = None, limit: int) -> Sequence[UUID]:
        page = select(documents.c.id).where(documents.c.tenant_id == tenant_id).order_by(documents.c.id).limit(limit)
        if owner is not None:
            page = page.where(documents.c.owner_id == owner)
        if after is not None:
            page = page.where(documents.c.id > after)
        return [row.id for row in await self._transaction.all(page)]

    async def by_source(self, tenant_id: UUID, collection_id: UUID, source_digest: bytes) -> Document | None:
        source = {"tenant_id": tenant_id, "collection_id": collection_id, "source_digest": source_digest}
        found = _documents(await self._transaction.all(_BY_SOURCE, source))
        return next(iter(found.values()), None)

    async def list(
        self, scope: RetrievalScope, *, collection_id: UUID | None = None, after: UUID | None = None, limit: int = 50
    ) -> Sequence[Document]:
        page = select(documents.c.id).where(condition(scope.tree))
        if collection_id is not None:
            page = page.where(documents.c.collection_id == collection_id)
        if after is not None:
            page = page.where(documents.c.id > after)
        page = page.order_by(documents.c.id).limit(limit)
        on_page = _WITH_SETS.where(documents.c.id.in_(page.scalar_subquery())).order_by(documents.c.id)
        return builtins.list(_documents(await self._transaction.all(on_page)).values())

    async def count(self, scope: RetrievalScope, *, collection_id: UUID | None = None) -> int:
        row = await self._transaction.first(_counting(scope.tree, collection_id))
        return int(row[0]) if row else 0

    async def publish(self, document: Document) -> DocumentVersion | None:
        """Destroys the data key of the version that is replaced in the same transaction, so that a crash leaves none over.

        Publishing the current version again changes the attributes only. Raises ``AlreadyExists`` if another document of the
        collection has this source.
        """
        attributes = document.attributes
        which = {"tenant_id": attributes.tenant_id, "id": document.id}
        found = _documents(await self._transaction.all(_BY_ID_TO_CHANGE, which)).get(document.id)
        if found is None:
            await self._transaction.run(_ADD, {"id": document.id, "created_at": document.created_at, **_columns(document)})
        else:
            await self._transaction.run(_CHANGE.values(_columns(document)), {"document_id": document.id})
        if found is None or found.attributes.groups != attributes.groups:
            await self._set_groups(document.id, attributes.groups)
        if found is None or found.attributes.labels != attributes.labels:
            await self._set_labels(document.id, attributes.labels)
        if found is None or found.version.id == document.version.id:
            return None
        if found.version.data_key_id != document.version.data_key_id:
            await doom(self._transaction, attributes.tenant_id, found.version.key_ids)
        return found.version

    async def delete(self, tenant_id: UUID, document_id: UUID) -> Document:
        which = {"tenant_id": tenant_id, "id": document_id}
        removed = _documents(await self._transaction.all(_BY_ID_TO_CHANGE, which)).get(document_id)
        if removed is None:
            raise NotFound()
        await self._transaction.run(_DELETE_GROUPS, {"document_id": document_id})
        await self._transaction.run(_DELETE_LABELS, {"document_id": document_id})
        await self._transaction.run(_DELETE_SUBJECTS, {"document_id": document_id})
        await self._transaction.run(_DELETE, {"document_id": document_id})
        await doom(self._transaction, tenant_id, removed.version.key_ids)
        return removed

    async def set_next_key(self, tenant_id: UUID, version_id: UUID, key_id: UUID) -> bool:
        which = {"in_tenant": tenant_id, "of": version_id, "next_key_id": key_id}
        return bool(await self._transaction.run(_SET_NEXT_KEY, which))

    async def adopt_key(self, tenant_id: UUID, version_id: UUID, key_id: UUID, title_envelope: bytes) -> bool:
        which = {"in_tenant": tenant_id, "of": version_id, "key": key_id, "title_envelope": title_envelope}
        return bool(await self._transaction.run(_ADOPT_KEY, which))

    async def live_versions(self) -> frozenset[UUID]:
        return frozenset(row.version_id for row in await self._transaction.all(_LIVE_VERSIONS))

    async def _set_groups(self, document_id: UUID, group_ids: frozenset[UUID]) -> None:
        await self._transaction.run(_DELETE_GROUPS, {"document_id": document_id})
        if group_ids:
            rows = [{"document_id": document_id, "group_id": group_id} for group_id in sorted(group_ids)]
            await self._transaction.run(_ADD_GROUP, rows)

    async def _set_labels(self, document_id: UUID, labels: frozenset[str]) -> None:
        await self._transaction.run(_DELETE_LABELS, {"document_id": document_id})
        if labels:
            rows = [{"document_id": document_id, "label": label} for label in sorted(labels)]
            await self._transaction.run(_ADD_LABEL, rows)


@lru_cache(maxsize=1024)
def _counting(tree: Scope, collection_id: UUID | None) -> Select[Any]:
    """Kept, because putting the statement together takes longer than executing it, and every search counts."""
    counted = select(func.count()).select_from(documents).where(condition(tree))
    return counted if collection_id is None else counted.where(documents.c.collection_id == collection_id)


def _columns(document: Document) -> Mapping[str, Any]:
    """What a new version may change; a document keeps its id and the time it was first published."""
    attributes, version = document.attributes, document.version
    return {
        "tenant_id": attributes.tenant_id,
        "collection_id": attributes.collection_id,
        "region": attributes.region.name,
        **mark_columns(attributes.marks),
        "source_digest": document.source_digest,
        "version_id": version.id,
        "data_key_id": version.data_key_id,
        "next_key_id": version.next_key_id,
        "content_digest": version.content_digest,
        "title_envelope": version.title_envelope,
        "size_bytes": version.size_bytes,
        "chunk_count": version.chunk_count,
        "version_created_at": version.created_at,
    }


def _documents(rows: Sequence[Row[Any]]) -> dict[UUID, Document]:
    first: dict[UUID, Row[Any]] = {}
    groups_of: dict[UUID, set[UUID]] = {}
    for row in rows:
        first.setdefault(row.id, row)
        groups_of.setdefault(row.id, set()).update([row.group_id] if row.group_id else [])
    return {document_id: _document(row, frozenset(groups_of[document_id])) for document_id, row in first.items()}


def _document(row: Row[Any], group_ids: frozenset[UUID]) -> Document:
    return Document(
        attributes=DocumentAttributes(
            tenant_id=row.tenant_id,
            document_id=row.id,
            collection_id=row.collection_id,
            region=Region(row.region),
            classification=Classification(row.classification),
            groups=group_ids,
            owner=row.owner_id,
            labels=frozenset(row.labels.split(",")) if row.labels else frozenset(),
            personal_data=row.personal_data,
            validity=validity_of(row),
        ),
        source_digest=row.source_digest,
        version=DocumentVersion(
            id=row.version_id,
            document_id=row.id,
            data_key_id=row.data_key_id,
            content_digest=row.content_digest,
            title_envelope=row.title_envelope,
            size_bytes=row.size_bytes,
            chunk_count=row.chunk_count,
            created_at=row.version_created_at,
            next_key_id=row.next_key_id,
        ),
        created_at=row.created_at,
    )
