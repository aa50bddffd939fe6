"""Erasures and what they have removed the rows of."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, select, update

from domicile.adapters.db.columns import UtcDateTime
from domicile.adapters.db.schema import documents, erased_objects, erasures
from domicile.adapters.db.transaction import Transaction
from domicile.domain.erasures import ErasedObject, Erasure, ErasureKind, ErasureState, ObjectKind, Stage
from domicile.domain.errors import NotFound

_ADD = insert(erasures)
_BY_ID = select(erasures).where(erasures.c.id == bindparam("id"))
_OF_TENANT = select(erasures).where(erasures.c.tenant_id == bindparam("tenant_id"))
_DUE = (
    select(erasures)
    .where(erasures.c.state.in_([ErasureState.APPROVED.value, ErasureState.RUNNING.value]))
    .order_by(erasures.c.id)
)
_APPROVE = (
    update(erasures)
    .where(erasures.c.id == bindparam("of"), erasures.c.state == ErasureState.REQUESTED.value)
    .values(state=ErasureState.APPROVED.value, approved_by=bindparam("by"), approved_at=bindparam("at", type_=UtcDateTime))
)
_NOTE = insert(erased_objects)
_NOTED = select(erased_objects).where(erased_objects.c.erasure_id == bindparam("erasure_id"))
_NOTED_IDS = select(erased_objects.c.id).where(
    erased_objects.c.erasure_id == bindparam("erasure_id"), erased_objects.c.id.in_(bindparam("ids", expanding=True))
)
_PAGE = _NOTED.where(erased_objects.c.id > bindparam("after")).order_by(erased_objects.c.id).limit(bindparam("at_most"))
_DOCUMENTS = (
    select(erased_objects.c.of_id)
    .where(erased_objects.c.erasure_id == bindparam("erasure_id"), erased_objects.c.kind == ObjectKind.VERSION.value)
    .distinct()
)
_COUNTED = (
    select(erased_objects.c.kind, func.count().label("count_of"))
    .where(erased_objects.c.erasure_id == bindparam("erasure_id"))
    .group_by(erased_objects.c.kind)
)
# PostgreSQL waits here for an erasure that is removing one of them; SQLite's writer is alone.
_HOLD_ON = (
    select(documents.c.id)
    .where(documents.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(documents.c.id)
    .with_for_update(read=True, key_share=True)
)
_ERASED_SINCE = (
    select(func.count())
    .select_from(erased_objects)
    .where(
        erased_objects.c.kind == ObjectKind.VERSION.value,
        erased_objects.c.of_id.in_(bindparam("ids", expanding=True)),
        erased_objects.c.noted_at >= bindparam("since", type_=UtcDateTime),
    )
)
_FORGET = delete(erased_objects).where(
    erased_objects.c.noted_at < bindparam("before", type_=UtcDateTime),
    erased_objects.c.erasure_id.in_(select(erasures.c.id).where(erasures.c.state == ErasureState.DONE.value)),
)


class SqlErasures:
    """Implements ``ErasureRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, erasure: Erasure) -> None:
        fixed = ("id", "tenant_id", "subject", "reason", "requested_by", "requested_at", "approved_by", "approved_at")
        named = {name: getattr(erasure, name) for name in fixed}
        places = {"kind": erasure.kind.value, "target_id": erasure.target, "account_id": erasure.account}
        await self._transaction.run(_ADD, {**named, **places, **_progress(erasure)})

    async def get(self, erasure_id: UUID, tenant_id: UUID | None = None) -> Erasure:
        row = await self._transaction.first(_BY_ID, {"id": erasure_id})
        if row is None or tenant_id not in (None, row.tenant_id):
            raise NotFound()
        return _erasure(row)

    async def list(self, tenant_id: UUID, *, after: UUID | None = None, limit: int = 100) -> Sequence[Erasure]:
        page = _OF_TENANT.order_by(erasures.c.id.desc()).limit(limit)
        if after is not None:
            page = page.where(erasures.c.id < after)
        return [_erasure(row) for row in await self._transaction.all(page, {"tenant_id": tenant_id})]

    async def due(self) -> Sequence[Erasure]:
        return [_erasure(row) for row in await self._transaction.all(_DUE)]

    async def approve(self, erasure_id: UUID, by: UUID, at: datetime) -> bool:
        return await self._transaction.run(_APPROVE, {"of": erasure_id, "by": by, "at": at}) > 0

    async def save(self, erasure: Erasure) -> None:
        await self._transaction.run(update(erasures).where(erasures.c.id == erasure.id).values(_progress(erasure)))

    async def note(self, erasure_id: UUID, objects: Sequence[ErasedObject], at: datetime) -> int:
        ids = {"erasure_id": erasure_id, "ids": sorted(each.id for each in objects)}
        known = {row.id for row in await self._transaction.all(_NOTED_IDS, ids)} if objects else set()
        new = [each for each in objects if each.id not in known]
        if new:
            await self._transaction.run(_NOTE, [_columns(erasure_id, each, at) for each in new])
        return len(new)

    async def noted(self, erasure_id: UUID, *, after: UUID, limit: int) -> Sequence[ErasedObject]:
        which = {"erasure_id": erasure_id, "after": after, "at_most": limit}
        rows = await self._transaction.all(_PAGE, which)
        return [ErasedObject(ObjectKind(row.kind), row.id, row.of_id, tuple(map(UUID, row.keys))) for row in rows]

    async def documents(self, erasure_id: UUID) -> Sequence[UUID]:
        return sorted(row.of_id for row in await self._transaction.all(_DOCUMENTS, {"erasure_id": erasure_id}))

    async def counted(self, erasure_id: UUID) -> Mapping[ObjectKind, int]:
        rows = await self._transaction.all(_COUNTED, {"erasure_id": erasure_id})
        return {ObjectKind(row.kind): row.count_of for row in rows}

    async def erased_since(self, document_ids: Collection[UUID], since: datetime) -> bool:
        if not document_ids:
            return False
        ids = sorted(document_ids)
        await self._transaction.all(_HOLD_ON, {"ids": ids})
        row = await self._transaction.first(_ERASED_SINCE, {"ids": ids, "since": since})
        return bool(row and row[0])

    async def forget(self, noted_before: datetime) -> int:
        return await self._transaction.run(_FORGET, {"before": noted_before})


def _progress(erasure: Erasure) -> Mapping[str, Any]:
    """What changes while it runs."""
    return {
        "state": erasure.state.value,
        "stage": erasure.stage.value,
        "finished_at": erasure.finished_at,
        "waiting": erasure.waiting,
        "counts": dict(erasure.counts),
        "held": builtins.list(erasure.held),
        "receipts": erasure.receipts,
    }


def _columns(erasure_id: UUID, each: ErasedObject, at: datetime) -> Mapping[str, Any]:
    return {
        "erasure_id": erasure_id,
        "id": each.id,
        "kind": each.kind.value,
        "of_id": each.of,
        "keys": [str(key) for key in each.keys],
        "noted_at": at,
    }


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=ErasureKind(row.kind),
        target=row.target_id,
        subject=row.subject,
        account=row.account_id,
        reason=row.reason,
        state=ErasureState(row.state),
        stage=Stage(row.stage),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        finished_at=row.finished_at,
        waiting=row.waiting,
        counts=row.counts,
        held=tuple(row.held),
        receipts=row.receipts,
    )
