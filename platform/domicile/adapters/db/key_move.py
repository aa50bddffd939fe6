"""Wrapped keys out of a database from before there was a key store, where they lay beside what they open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, LargeBinary, MetaData, Row, Table, bindparam, inspect, select

from domicile.adapters.db.columns import Id, UtcDateTime
from domicile.adapters.db.database import SqlDatabase
from domicile.crypto.envelope import key_id_of
from domicile.ports.key_store import KeyStore, WrappedDataKey, WrappedTenantKey
from domicile.ports.keys import ROOT_PROVIDER

_BATCH = 2_000
_FORMER = MetaData()
_TENANT_KEYS, _DATA_KEYS = (
    Table(
        name,
        _FORMER,
        Column("id", Id, primary_key=True),
        Column("tenant_id", Id),
        Column("wrapped", LargeBinary),
        Column("created_at", UtcDateTime),
    )
    for name in ("tenant_keys", "data_keys")
)
_PAGE = select(_DATA_KEYS).where(_DATA_KEYS.c.id > bindparam("after")).order_by(_DATA_KEYS.c.id).limit(_BATCH)


async def copy_keys(database: SqlDatabase, store: KeyStore) -> int:
    """Copy what keys the database has to the store, which may have some of them already; gives how many it copied.

    What was destroyed in the store stays so: then the database is a restored backup, and must not bring back what was erased.
    The database stays as it is: its migration drops the tables, once everything in them is durable in the store.
    """
    async with database.reading_transaction() as open_:
        if not await open_.run_sync(lambda connection: inspect(connection).has_table("data_keys")):
            return 0
        destroyed = await _destroyed(store)
        for row in await open_.all(select(_TENANT_KEYS)):
            if row.tenant_id not in destroyed and not await store.tenant_keys(row.tenant_id):
                key = WrappedTenantKey(row.id, row.tenant_id, 1, ROOT_PROVIDER, row.wrapped, row.created_at)
                await store.add_tenant_key(key)
        copied, after = 0, UUID(int=0)
        while page := await open_.all(_PAGE, {"after": after}):
            after = page[-1].id
            copied += await _copy([row for row in page if destroyed.isdisjoint((row.id, row.tenant_id))], store)
        return copied


async def _destroyed(store: KeyStore) -> set[UUID]:
    """Keys, and tenants of whom everything was."""
    found: set[UUID] = set()
    position = 0
    while gone := await store.destroyed_after(position):
        position = gone[-1].position
        found |= {each.key_id or each.tenant_id for each in gone}
    return found


async def _copy(rows: Sequence[Row[Any]], store: KeyStore) -> int:
    keys = [WrappedDataKey(row.id, row.tenant_id, key_id_of(row.wrapped), row.wrapped, row.created_at) for row in rows]
    there: set[UUID] = set()
    for tenant_id in {key.tenant_id for key in keys}:
        there |= (await store.data_keys(tenant_id, [key.id for key in keys])).keys()
    missing = [key for key in keys if key.id not in there]
    await store.add_data_keys(missing)
    return len(missing)
