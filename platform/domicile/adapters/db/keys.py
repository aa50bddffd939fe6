"""Wrapped keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, insert, select

from domicile.adapters.db.schema import data_keys, tenant_keys
from domicile.adapters.db.transaction import Transaction
from domicile.ports.repositories import WrappedKey

_ADD_TENANT_KEY = insert(tenant_keys)
_TENANT_KEY = select(tenant_keys).where(tenant_keys.c.tenant_id == bindparam("tenant_id"))
_ADD_DATA_KEYS = insert(data_keys)
_DATA_KEYS = select(data_keys).where(
    data_keys.c.tenant_id == bindparam("tenant_id"), data_keys.c.id.in_(bindparam("ids", expanding=True))
)
_DELETE_DATA_KEY = delete(data_keys).where(data_keys.c.tenant_id == bindparam("tenant_id"), data_keys.c.id == bindparam("id"))


class SqlKeys:
    """Implements ``KeyRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def tenant_key(self, tenant_id: UUID) -> WrappedKey | None:
        row = await self._transaction.first(_TENANT_KEY, {"tenant_id": tenant_id})
        return None if row is None else _key(row)

    async def add_tenant_key(self, key: WrappedKey) -> None:
        await self._transaction.run(_ADD_TENANT_KEY, _columns(key))

    async def add_data_keys(self, keys: Sequence[WrappedKey]) -> None:
        if keys:
            await self._transaction.run(_ADD_DATA_KEYS, [_columns(key) for key in keys])

    async def data_keys(self, tenant_id: UUID, key_ids: Sequence[UUID]) -> dict[UUID, WrappedKey]:
        rows = await self._transaction.all(_DATA_KEYS, {"tenant_id": tenant_id, "ids": list(key_ids)})
        return {row.id: _key(row) for row in rows}

    async def delete_data_keys(self, tenant_id: UUID, key_ids: Sequence[UUID]) -> None:
        if key_ids:
            await self._transaction.run(_DELETE_DATA_KEY, [{"tenant_id": tenant_id, "id": key_id} for key_id in key_ids])


def _columns(key: WrappedKey) -> Mapping[str, Any]:
    return {"id": key.id, "tenant_id": key.tenant_id, "wrapped": key.wrapped, "created_at": key.created_at}


def _key(row: Row[Any]) -> WrappedKey:
    return WrappedKey(row.id, row.tenant_id, row.wrapped, row.created_at)
