"""Tenants' own policies, by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select

from domicile.adapters.db.schema import tenant_policies
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import AlreadyExists, NotFound, PolicyChanged
from domicile.domain.policies import PolicyVersion, WrittenPolicies

_COLUMNS = tenant_policies.c
_ADD = insert(tenant_policies)
#: Answered from the primary key alone, however long the texts are.
_LATEST = select(_COLUMNS.tenant_id, func.max(_COLUMNS.version).label("version")).group_by(_COLUMNS.tenant_id)
_LATEST_OF = select(func.max(_COLUMNS.version).label("version")).where(_COLUMNS.tenant_id == bindparam("tenant_id"))
_ONE = select(tenant_policies).where(_COLUMNS.tenant_id == bindparam("tenant_id"), _COLUMNS.version == bindparam("version"))
_HISTORY = (
    select(*(each for each in _COLUMNS if each.name != "text"))
    .where(_COLUMNS.tenant_id == bindparam("tenant_id"))
    .order_by(_COLUMNS.version.desc())
    .limit(bindparam("limit"))
)


class SqlTenantPolicies:
    """Implements ``TenantPolicyRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, written: WrittenPolicies) -> None:
        latest = await self._latest(written.tenant_id)
        if written.version != latest + 1:
            raise PolicyChanged(version=latest)
        values = {column.name: getattr(written, column.name) for column in _COLUMNS}
        try:
            await self._transaction.run(_ADD, values)
        except AlreadyExists:
            # Another writer's version became visible only after ours was looked for.
            raise PolicyChanged(version=written.version) from None

    async def latest(self) -> Mapping[UUID, int]:
        return {row.tenant_id: row.version for row in await self._transaction.all(_LATEST)}

    async def get(self, tenant_id: UUID, version: int | None = None) -> WrittenPolicies:
        wanted = await self._latest(tenant_id) if version is None else version
        row = await self._transaction.first(_ONE, {"tenant_id": tenant_id, "version": wanted})
        if row is None:
            raise NotFound()
        return WrittenPolicies(**_noted(row), text=row.text)

    async def history(self, tenant_id: UUID, limit: int) -> Sequence[PolicyVersion]:
        rows = await self._transaction.all(_HISTORY, {"tenant_id": tenant_id, "limit": limit})
        return [PolicyVersion(**_noted(row)) for row in rows]

    async def _latest(self, tenant_id: UUID) -> int:
        row = await self._transaction.first(_LATEST_OF, {"tenant_id": tenant_id})
        return (row.version or 0) if row is not None else 0


def _noted(row: Row[Any]) -> dict[str, Any]:
    return {each.name: getattr(row, each.name) for each in fields(PolicyVersion)}
