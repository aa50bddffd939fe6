"""Legal holds, and what they keep."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, and_, bindparam, insert, or_, select, text, update

from domicile.adapters.db.schema import (
    conversation_subjects,
    conversations,
    document_subjects,
    documents,
    legal_holds,
)
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import NotFound
from domicile.domain.holds import Hold, HoldKind

# Whoever ends content shares this lock, and whoever places a hold waits for all of them: on PostgreSQL a unit would not see
# a hold that is committed between its question and its commit. SQLite has one writer. The number is "HOLD" in ASCII.
_SPACE = 0x484F4C44
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:space, hashtext(:tenant))")
_ALONE = text("SELECT pg_advisory_xact_lock(:space, hashtext(:tenant))")

_ADD = insert(legal_holds)
_IN_FORCE = legal_holds.c.released_at.is_(None)
_OF_TENANT = select(legal_holds).where(legal_holds.c.tenant_id == bindparam("tenant_id"))
_BY_ID = _OF_TENANT.where(legal_holds.c.id == bindparam("id"), _IN_FORCE).with_for_update()
_RELEASE = (
    update(legal_holds)
    .where(legal_holds.c.id == bindparam("of"))
    .values(released_by=bindparam("released_by"), released_at=bindparam("released_at"))
)


def keeps_document() -> ColumnElement[bool]:
    """Whether a row of ``legal_holds`` keeps a row of ``documents``."""
    about = select(document_subjects.c.subject).where(document_subjects.c.document_id == documents.c.id).correlate(documents)
    return and_(
        _keeps(documents.c.tenant_id),
        or_(
            legal_holds.c.kind == HoldKind.TENANT.value,
            and_(legal_holds.c.kind == HoldKind.DOCUMENT.value, legal_holds.c.target_id == documents.c.id),
            and_(legal_holds.c.kind == HoldKind.COLLECTION.value, legal_holds.c.target_id == documents.c.collection_id),
            and_(legal_holds.c.kind == HoldKind.SUBJECT.value, legal_holds.c.subject.in_(about)),
        ),
    )


def keeps_conversation() -> ColumnElement[bool]:
    """Whether a row of ``legal_holds`` keeps a row of ``conversations``."""
    about = (
        select(conversation_subjects.c.subject)
        .where(conversation_subjects.c.conversation_id == conversations.c.id)
        .correlate(conversations)
    )
    return and_(
        _keeps(conversations.c.tenant_id),
        or_(
            legal_holds.c.kind == HoldKind.TENANT.value,
            and_(legal_holds.c.kind == HoldKind.SUBJECT.value, legal_holds.c.subject.in_(about)),
        ),
    )


def _keeps(tenant_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    return and_(legal_holds.c.tenant_id == tenant_id, _IN_FORCE)


def _held(kept: FromClause, keeps: ColumnElement[bool]) -> Any:
    return (
        select(kept.c.id.label("held_id"), legal_holds)
        .select_from(kept.join(legal_holds, keeps))
        .where(kept.c.tenant_id == bindparam("tenant_id"), kept.c.id.in_(bindparam("ids", expanding=True)))
        .order_by(legal_holds.c.id)
    )


_HELD_DOCUMENTS = _held(documents, keeps_document())
_HELD_CONVERSATIONS = _held(conversations, keeps_conversation())


class SqlHolds:
    """Implements ``HoldRepository``."""

    def __init__(self, transaction: Transaction, *, writes: bool) -> None:
        self._transaction = transaction
        self._locks = writes and transaction.on_postgres

    async def place(self, hold: Hold) -> None:
        await self._take(_ALONE, hold.tenant_id)
        await self._transaction.run(_ADD, _columns(hold))

    async def release(self, tenant_id: UUID, hold_id: UUID, by: UUID, at: datetime) -> Hold:
        row = await self._transaction.first(_BY_ID, {"tenant_id": tenant_id, "id": hold_id})
        if row is None:
            raise NotFound()
        await self._transaction.run(_RELEASE, {"of": hold_id, "released_by": by, "released_at": at})
        return _hold(row)

    async def list(
        self, tenant_id: UUID, *, released: bool = False, after: UUID | None = None, limit: int = 100
    ) -> Sequence[Hold]:
        page = _OF_TENANT.order_by(legal_holds.c.id.desc()).limit(limit)
        if not released:
            page = page.where(_IN_FORCE)
        if after is not None:
            page = page.where(legal_holds.c.id < after)
        return [_hold(row) for row in await self._transaction.all(page, {"tenant_id": tenant_id})]

    async def on_documents(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> dict[UUID, Hold]:
        return await self._on(_HELD_DOCUMENTS, tenant_id, document_ids)

    async def on_conversations(self, tenant_id: UUID, conversation_ids: Sequence[UUID]) -> dict[UUID, Hold]:
        return await self._on(_HELD_CONVERSATIONS, tenant_id, conversation_ids)

    async def _on(self, statement: Any, tenant_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Hold]:
        await self._take(_SHARED, tenant_id)
        found: dict[UUID, Hold] = {}
        for row in await self._transaction.all(statement, {"tenant_id": tenant_id, "ids": builtins.list(ids)}):
            found.setdefault(row.held_id, _hold(row))
        return found

    async def _take(self, lock: Any, tenant_id: UUID) -> None:
        if self._locks:
            await self._transaction.first(lock, {"space": _SPACE, "tenant": str(tenant_id)})


def _columns(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "tenant_id": hold.tenant_id,
        "kind": hold.kind.value,
        "target_id": hold.target,
        "subject": hold.subject,
        "reference": hold.reference,
        "placed_by": hold.placed_by,
        "placed_at": hold.placed_at,
        "released_by": hold.released_by,
        "released_at": hold.released_at,
    }


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=HoldKind(row.kind),
        target=row.target_id,
        subject=row.subject,
        reference=row.reference,
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        released_by=row.released_by,
        released_at=row.released_at,
    )
