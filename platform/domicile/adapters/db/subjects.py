"""Whom documents and conversations are about."""

from __future__ import annotations

from collections.abc import Sequence, Set
from uuid import UUID

from sqlalchemy import String, bindparam, cast, delete, insert, select, union

from domicile.adapters.db.schema import conversation_subjects, conversations, document_subjects, documents, job_items
from domicile.adapters.db.transaction import Transaction
from domicile.domain.documents import ItemState

_OF_DOCUMENTS = (
    select(document_subjects)
    .join(documents, documents.c.id == document_subjects.c.document_id)
    .where(
        documents.c.tenant_id == bindparam("tenant_id"),
        document_subjects.c.document_id.in_(bindparam("ids", expanding=True)),
    )
)
# Pending items keep theirs as hexadecimal in JSON, where 64 digits occur nowhere else.
_DOCUMENTS_OF = union(
    select(document_subjects.c.document_id)
    .join(documents, documents.c.id == document_subjects.c.document_id)
    .where(documents.c.tenant_id == bindparam("tenant_id"), document_subjects.c.subject == bindparam("subject")),
    select(job_items.c.document_id).where(
        job_items.c.tenant_id == bindparam("tenant_id"),
        job_items.c.state == ItemState.PENDING.value,
        cast(job_items.c.subjects, String).contains(bindparam("hexadecimal", type_=String)),
    ),
)
_CONVERSATIONS_OF = (
    select(conversation_subjects.c.conversation_id)
    .join(conversations, conversations.c.id == conversation_subjects.c.conversation_id)
    .where(conversations.c.tenant_id == bindparam("tenant_id"), conversation_subjects.c.subject == bindparam("subject"))
)
_OF_CONVERSATION = select(conversation_subjects.c.subject).where(
    conversation_subjects.c.conversation_id == bindparam("conversation_id")
)
_DELETE_OF_DOCUMENT = delete(document_subjects).where(document_subjects.c.document_id == bindparam("of"))
_ADD_TO_DOCUMENT = insert(document_subjects)
_ADD_TO_CONVERSATION = insert(conversation_subjects)


class SqlSubjects:
    """Implements ``SubjectRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def of_documents(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> dict[UUID, frozenset[bytes]]:
        rows = await self._transaction.all(_OF_DOCUMENTS, {"tenant_id": tenant_id, "ids": list(document_ids)})
        found: dict[UUID, set[bytes]] = {document_id: set() for document_id in document_ids}
        for row in rows:
            found[row.document_id].add(row.subject)
        return {document_id: frozenset(subjects) for document_id, subjects in found.items()}

    async def documents_of(self, tenant_id: UUID, subject: bytes) -> Sequence[UUID]:
        which = {"tenant_id": tenant_id, "subject": subject, "hexadecimal": subject.hex()}
        return sorted(row.document_id for row in await self._transaction.all(_DOCUMENTS_OF, which))

    async def conversations_of(self, tenant_id: UUID, subject: bytes) -> Sequence[UUID]:
        rows = await self._transaction.all(_CONVERSATIONS_OF, {"tenant_id": tenant_id, "subject": subject})
        return sorted(row.conversation_id for row in rows)

    async def set_of_document(self, document_id: UUID, subjects: Set[bytes]) -> None:
        await self._transaction.run(_DELETE_OF_DOCUMENT, {"of": document_id})
        if subjects:
            rows = [{"document_id": document_id, "subject": each} for each in sorted(subjects)]
            await self._transaction.run(_ADD_TO_DOCUMENT, rows)

    async def add_to_conversation(self, conversation_id: UUID, subjects: Set[bytes]) -> None:
        if not subjects:
            return
        known = await self._transaction.all(_OF_CONVERSATION, {"conversation_id": conversation_id})
        rows = [
            {"conversation_id": conversation_id, "subject": each} for each in sorted(subjects - {row.subject for row in known})
        ]
        if rows:
            await self._transaction.run(_ADD_TO_CONVERSATION, rows)
