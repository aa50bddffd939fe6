"""Which keys the data names, and which are to be destroyed because it does not any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, union

from domicile.adapters.db.schema import conversations, documents, doomed_keys, job_items, principals
from domicile.adapters.db.transaction import Transaction

_DOOM = insert(doomed_keys)
_DOOMED = select(doomed_keys).limit(bindparam("at_most"))
_DONE = delete(doomed_keys).where(doomed_keys.c.id.in_(bindparam("ids", expanding=True)))
_NAMED = union(
    *(
        select(column).where(column.in_(bindparam("ids", expanding=True)))
        for column in (
            documents.c.next_key_id,
            *(each.c.data_key_id for each in (documents, job_items, conversations, principals)),
        )
    )
)


class SqlDoomedKeys:
    """Implements ``DoomedKeyRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, tenant_id: UUID, key_ids: Collection[UUID]) -> None:
        await doom(self._transaction, tenant_id, key_ids)

    async def all(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        return [(row.tenant_id, row.id) for row in await self._transaction.all(_DOOMED, {"at_most": limit})]

    async def remove(self, key_ids: Collection[UUID]) -> None:
        if key_ids:
            await self._transaction.run(_DONE, {"ids": sorted(key_ids)})

    async def named(self, key_ids: Collection[UUID]) -> frozenset[UUID]:
        if not key_ids:
            return frozenset()
        return frozenset(row[0] for row in await self._transaction.all(_NAMED, {"ids": sorted(key_ids)}))


async def doom(transaction: Transaction, tenant_id: UUID, key_ids: Collection[UUID]) -> None:
    """Order the destruction of those keys, with the rest of the transaction."""
    if key_ids:
        await transaction.run(_DOOM, [{"id": key_id, "tenant_id": tenant_id} for key_id in sorted(key_ids)])
