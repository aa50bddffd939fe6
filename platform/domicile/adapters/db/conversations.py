"""Chat history, as envelopes, and the replies that make writes repeatable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, select, tuple_, update

from domicile.adapters.db.columns import UtcDateTime
from domicile.adapters.db.keys import doom
from domicile.adapters.db.schema import (
    conversation_documents,
    conversation_subjects,
    conversations,
    exchanges,
    idempotent_replies,
)
from domicile.adapters.db.transaction import Transaction
from domicile.domain.conversations import Conversation, Exchange
from domicile.domain.errors import NotFound
from domicile.ports.repositories import IdempotentReply

_ADD = insert(conversations)
_IN_TENANT = select(conversations).where(conversations.c.tenant_id == bindparam("tenant_id"))
_BY_ID = _IN_TENANT.where(conversations.c.id == bindparam("id"))
# PostgreSQL waits here for an exchange that is being added; SQLite, whose writer is alone, has no such clause.
_BY_ID_TO_DELETE = _BY_ID.with_for_update()
_OF_PRINCIPAL = (
    _IN_TENANT.where(conversations.c.principal_id == bindparam("principal_id"))
    .order_by(conversations.c.updated_at.desc(), conversations.c.id.desc())
    .limit(bindparam("at_most"))
)
_MOVE = update(conversations).where(conversations.c.id == bindparam("of")).values(updated_at=bindparam("updated_at"))
_DELETE = delete(conversations).where(conversations.c.id == bindparam("of"))
_ADD_EXCHANGE = insert(exchanges)
_EXCHANGES = select(exchanges).where(exchanges.c.conversation_id == bindparam("conversation_id")).order_by(exchanges.c.ordinal)
_DELETE_SUBJECTS = delete(conversation_subjects).where(conversation_subjects.c.conversation_id == bindparam("of"))
_DELETE_DOCUMENTS = delete(conversation_documents).where(conversation_documents.c.conversation_id == bindparam("of"))
_ADD_DOCUMENT = insert(conversation_documents)
_DOCUMENTS = select(conversation_documents.c.document_id).where(
    conversation_documents.c.conversation_id == bindparam("conversation_id")
)
_DELETE_EXCHANGES = delete(exchanges).where(exchanges.c.conversation_id == bindparam("of"))

_ADD_REPLY = insert(idempotent_replies)
_REPLY = select(idempotent_replies).where(
    idempotent_replies.c.principal_id == bindparam("principal_id"), idempotent_replies.c.key == bindparam("key")
)
_REPLY_ID = (idempotent_replies.c.principal_id, idempotent_replies.c.key)
_OLD_REPLIES = (
    select(*_REPLY_ID)
    .where(idempotent_replies.c.created_at < bindparam("before", type_=UtcDateTime))
    .limit(bindparam("at_most"))
)
_DELETE_REPLIES = delete(idempotent_replies).where(tuple_(*_REPLY_ID).in_(_OLD_REPLIES))


class SqlConversations:
    """Implements ``ConversationRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, conversation: Conversation) -> None:
        await self._transaction.run(
            _ADD,
            {
                "id": conversation.id,
                "tenant_id": conversation.tenant_id,
                "principal_id": conversation.principal_id,
                "data_key_id": conversation.data_key_id,
                "title_envelope": conversation.title_envelope,
                "created_at": conversation.created_at,
                "updated_at": conversation.updated_at,
            },
        )

    async def get(self, tenant_id: UUID, conversation_id: UUID) -> Conversation:
        row = await self._transaction.first(_BY_ID, {"tenant_id": tenant_id, "id": conversation_id})
        if row is None:
            raise NotFound()
        return _conversation(row)

    async def of_principal(self, tenant_id: UUID, principal_id: UUID, limit: int = 50) -> Sequence[Conversation]:
        which = {"tenant_id": tenant_id, "principal_id": principal_id, "at_most": limit}
        return [_conversation(row) for row in await self._transaction.all(_OF_PRINCIPAL, which)]

    async def add_exchange(self, exchange: Exchange) -> None:
        await self._transaction.run(
            _ADD_EXCHANGE,
            {
                "id": exchange.id,
                "conversation_id": exchange.conversation_id,
                "ordinal": exchange.ordinal,
                "body_envelope": exchange.body_envelope,
                "created_at": exchange.created_at,
            },
        )
        await self._transaction.run(_MOVE, {"of": exchange.conversation_id, "updated_at": exchange.created_at})

    async def exchanges(self, conversation_id: UUID) -> Sequence[Exchange]:
        rows = await self._transaction.all(_EXCHANGES, {"conversation_id": conversation_id})
        return [Exchange(row.id, row.conversation_id, row.ordinal, row.body_envelope, row.created_at) for row in rows]

    async def add_documents(self, conversation_id: UUID, document_ids: Collection[UUID]) -> None:
        if not document_ids:
            return
        known = {row[0] for row in await self._transaction.all(_DOCUMENTS, {"conversation_id": conversation_id})}
        if new := sorted(set(document_ids) - known):
            await self._transaction.run(
                _ADD_DOCUMENT, [{"conversation_id": conversation_id, "document_id": each} for each in new]
            )

    async def delete(self, tenant_id: UUID, conversation_id: UUID) -> Conversation:
        row = await self._transaction.first(_BY_ID_TO_DELETE, {"tenant_id": tenant_id, "id": conversation_id})
        if row is None:
            raise NotFound()
        conversation = _conversation(row)
        await self._transaction.run(_DELETE_EXCHANGES, {"of": conversation_id})
        await self._transaction.run(_DELETE_SUBJECTS, {"of": conversation_id})
        await self._transaction.run(_DELETE_DOCUMENTS, {"of": conversation_id})
        await self._transaction.run(_DELETE, {"of": conversation_id})
        await doom(self._transaction, tenant_id, [conversation.data_key_id])
        return conversation


class SqlIdempotency:
    """Implements ``IdempotencyRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def get(self, principal_id: UUID, key: str) -> IdempotentReply | None:
        row = await self._transaction.first(_REPLY, {"principal_id": principal_id, "key": key})
        return None if row is None else IdempotentReply(row.request_digest, row.status, row.body)

    async def add(self, principal_id: UUID, key: str, reply: IdempotentReply, at: datetime) -> None:
        """Raises ``AlreadyExists`` if the key was used in the meantime."""
        await self._transaction.run(
            _ADD_REPLY,
            {
                "principal_id": principal_id,
                "key": key,
                "request_digest": reply.request_digest,
                "status": reply.status,
                "body": reply.body,
                "created_at": at,
            },
        )

    async def delete_before(self, at: datetime, limit: int) -> int:
        return await self._transaction.run(_DELETE_REPLIES, {"before": at, "at_most": limit})


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        tenant_id=row.tenant_id,
        principal_id=row.principal_id,
        data_key_id=row.data_key_id,
        title_envelope=row.title_envelope,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
