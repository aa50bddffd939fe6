"""The key store in a database of its own, SQLite or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, select, text, update

from domicile.adapters.db.columns import UtcDateTime
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_schema import KEY_REVISIONS, data_keys, destroyed_keys, tenant_keys
from domicile.adapters.db.revision import check_revision, current_revision
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import KeyReplaced, KeysInUse
from domicile.ports.key_store import DestroyedKey, WrappedDataKey, WrappedTenantKey, Wrapping

#: Ids in one statement at most; SQLite's own limit is 32,766.
_AT_ONCE = 5_000

_TENANT_KEYS = select(tenant_keys).where(tenant_keys.c.tenant_id == bindparam("tenant_id")).order_by(tenant_keys.c.version)
_ADD_TENANT_KEY = insert(tenant_keys)
_REPLACE_TENANT_KEY = (
    update(tenant_keys)
    .where(tenant_keys.c.id == bindparam("of"))
    .values(wrapped=bindparam("wrapped"), provider=bindparam("provider"))
)
#: Locked where the database can, so that no version goes while something is being wrapped by it.
_WRAPPERS = (
    select(tenant_keys.c.id)
    .where(tenant_keys.c.tenant_id == bindparam("tenant_id"), tenant_keys.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update(read=True)
)
_OLDER_TO_DROP = (
    select(tenant_keys.c.id)
    .where(tenant_keys.c.tenant_id == bindparam("tenant_id"), tenant_keys.c.version < bindparam("before"))
    .with_for_update()
)

_LAST = (
    select(tenant_keys.c.id)
    .where(tenant_keys.c.tenant_id == bindparam("tenant_id"))
    .order_by(tenant_keys.c.version.desc())
    .limit(1)
    .scalar_subquery()
)
_OF_TENANT = data_keys.c.tenant_id == bindparam("tenant_id")
_SOME = (_OF_TENANT, data_keys.c.id.in_(bindparam("ids", expanding=True)))
_ADD_DATA_KEYS = insert(data_keys)
_DATA_KEYS = select(data_keys).where(*_SOME)
_OUTDATED = (
    select(data_keys.c.id, data_keys.c.wrapped_by, data_keys.c.wrapped)
    .where(_OF_TENANT, data_keys.c.wrapped_by != _LAST, data_keys.c.id > bindparam("after"))
    .order_by(data_keys.c.id)
    .limit(bindparam("at_most"))
)
_COUNT = select(func.count()).select_from(data_keys).where(_OF_TENANT)
_COUNT_OUTDATED = _COUNT.where(data_keys.c.wrapped_by != _LAST)
_COUNT_WRAPPED = _COUNT.where(data_keys.c.wrapped_by.in_(bindparam("ids", expanding=True)))
_REWRAP = (
    update(data_keys)
    .where(data_keys.c.id == bindparam("of"))
    .values(wrapped=bindparam("wrapped"), wrapped_by=bindparam("wrapped_by"))
)
_PAGE = (
    select(data_keys)
    .where(data_keys.c.id > bindparam("after"), data_keys.c.created_at < bindparam("before", type_=UtcDateTime))
    .order_by(data_keys.c.id)
    .limit(bindparam("at_most"))
)
_PRESENT = select(data_keys.c.id).where(*_SOME)
_DESTROY = delete(data_keys).where(*_SOME)
#: What wraps goes first: who is storing a data key holds it locked until that key is there to be destroyed with the others.
_DESTROY_ALL = (
    delete(tenant_keys).where(tenant_keys.c.tenant_id == bindparam("tenant_id")),
    delete(data_keys).where(_OF_TENANT),
)
_COUNT_TENANT_KEYS = select(func.count()).select_from(tenant_keys).where(tenant_keys.c.tenant_id == bindparam("tenant_id"))
_NOTE = insert(destroyed_keys)
# On PostgreSQL one at a time, from taking a position until it is committed. Otherwise positions would become visible out of
# order, and who follows them would pass over a key that was destroyed. The number is only ours.
_WAIT_FOR_THE_ONE_BEFORE = text("SELECT pg_advisory_xact_lock(7305804403)")
_DESTROYED_AFTER = (
    select(destroyed_keys)
    .where(destroyed_keys.c.position > bindparam("position"))
    .order_by(destroyed_keys.c.position)
    .limit(bindparam("at_most"))
)


class SqlKeyStore:
    """Implements ``KeyStore``, in the given database, which is its own and closed with it."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def tenant_keys(self, tenant_id: UUID) -> Sequence[WrappedTenantKey]:
        async with self._database.reading_transaction() as open_:
            return [_tenant_key(row) for row in await open_.all(_TENANT_KEYS, {"tenant_id": tenant_id})]

    async def add_tenant_key(self, key: WrappedTenantKey) -> None:
        async with self._database.writing_transaction() as open_:
            await open_.run(_ADD_TENANT_KEY, _tenant_columns(key))
            await open_.commit()

    async def replace_tenant_key(self, key: WrappedTenantKey) -> None:
        async with self._database.writing_transaction() as open_:
            await open_.run(_REPLACE_TENANT_KEY, {"of": key.id, "wrapped": key.wrapped, "provider": key.provider})
            await open_.commit()

    async def drop_tenant_keys(self, tenant_id: UUID, before_version: int) -> int:
        async with self._database.writing_transaction() as open_:
            rows = await open_.all(_OLDER_TO_DROP, {"tenant_id": tenant_id, "before": before_version})
            older = [row.id for row in rows]
            if not older:
                return 0
            wrapped = await open_.first(_COUNT_WRAPPED, {"tenant_id": tenant_id, "ids": older})
            if wrapped is not None and wrapped[0]:
                raise KeysInUse(f"{wrapped[0]} keys are still wrapped by a version before {before_version}.")
            await open_.run(delete(tenant_keys).where(tenant_keys.c.id.in_(older)))
            await _note(open_, tenant_id, older)
            await open_.commit()
            return len(older)

    async def add_data_keys(self, keys: Sequence[WrappedDataKey]) -> None:
        if not keys:
            return
        wrappers: dict[UUID, set[UUID]] = {}
        for key in keys:
            wrappers.setdefault(key.tenant_id, set()).add(key.wrapped_by)
        async with self._database.writing_transaction() as open_:
            for tenant_id, ids in wrappers.items():
                found = await open_.all(_WRAPPERS, {"tenant_id": tenant_id, "ids": sorted(ids)})
                if len(found) != len(ids):
                    raise KeyReplaced()
            await open_.run(_ADD_DATA_KEYS, [_columns(key) for key in keys])
            await open_.commit()

    async def data_keys(self, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, WrappedDataKey]:
        async with self._database.reading_transaction() as open_:
            found: dict[UUID, WrappedDataKey] = {}
            for ids in _batches(key_ids):
                rows = await open_.all(_DATA_KEYS, {"tenant_id": tenant_id, "ids": ids})
                found |= {row.id: _data_key(row) for row in rows}
            return found

    async def outdated(self, tenant_id: UUID, after: UUID, limit: int) -> Sequence[Wrapping]:
        which = {"tenant_id": tenant_id, "after": after, "at_most": limit}
        async with self._database.reading_transaction() as open_:
            return [Wrapping(row.id, row.wrapped_by, row.wrapped) for row in await open_.all(_OUTDATED, which)]

    async def count(self, tenant_id: UUID, *, outdated: bool = False) -> int:
        async with self._database.reading_transaction() as open_:
            row = await open_.first(_COUNT_OUTDATED if outdated else _COUNT, {"tenant_id": tenant_id})
            return int(row[0]) if row else 0

    async def rewrap(self, tenant_id: UUID, keys: Sequence[Wrapping]) -> None:
        async with self._database.writing_transaction() as open_:
            wrappers = sorted({key.wrapped_by for key in keys})
            if len(await open_.all(_WRAPPERS, {"tenant_id": tenant_id, "ids": wrappers})) != len(wrappers):
                raise KeyReplaced()
            rows = [{"of": key.key_id, "wrapped": key.wrapped, "wrapped_by": key.wrapped_by} for key in keys]
            await open_.run_and_commit(_REWRAP, rows)

    async def page(self, after: UUID, before: datetime, limit: int) -> Sequence[WrappedDataKey]:
        async with self._database.reading_transaction() as open_:
            return [_data_key(row) for row in await open_.all(_PAGE, {"after": after, "before": before, "at_most": limit})]

    async def destroy(self, tenant_id: UUID, key_ids: Collection[UUID]) -> int:
        if not key_ids:
            return 0
        async with self._database.writing_transaction() as open_:
            destroyed: list[UUID] = []
            for ids in _batches(key_ids):
                present = [row.id for row in await open_.all(_PRESENT, {"tenant_id": tenant_id, "ids": ids})]
                if present:
                    await open_.run(_DESTROY, {"tenant_id": tenant_id, "ids": present})
                    destroyed += present
            if destroyed:
                await _note(open_, tenant_id, destroyed)
                await open_.commit()
            return len(destroyed)

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        async with self._database.writing_transaction() as open_:
            counted = [await open_.first(each, {"tenant_id": tenant_id}) for each in (_COUNT, _COUNT_TENANT_KEYS)]
            destroyed = sum(int(row[0]) for row in counted if row)
            if destroyed:
                for statement in _DESTROY_ALL:
                    await open_.run(statement, {"tenant_id": tenant_id})
                await _note(open_, tenant_id, [None])
                await open_.commit()
            return destroyed

    async def destroyed_after(self, position: int, limit: int = 1_000) -> Sequence[DestroyedKey]:
        async with self._database.reading_transaction() as open_:
            rows = await open_.all(_DESTROYED_AFTER, {"position": position, "at_most": limit})
            return [DestroyedKey(row.position, row.tenant_id, row.key_id) for row in rows]

    async def ping(self) -> None:
        """Also raises ``SchemaNewer``, for a store that a later version has upgraded."""
        async with self._database.reading_transaction() as open_:
            check_revision(await current_revision(open_), KEY_REVISIONS)

    async def close(self) -> None:
        await self._database.close()


async def _note(transaction: Transaction, tenant_id: UUID, key_ids: Iterable[UUID | None]) -> None:
    """The last thing before the commit, for which all others who destroy keys wait."""
    if transaction.on_postgres:
        await transaction.run(_WAIT_FOR_THE_ONE_BEFORE)
    at = int(time.time())
    await transaction.run(_NOTE, [{"tenant_id": tenant_id, "key_id": each, "destroyed_at": at} for each in key_ids])


def _batches(ids: Iterable[UUID]) -> Iterable[list[UUID]]:
    ordered = sorted(ids)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


def _columns(key: WrappedDataKey) -> Mapping[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "wrapped_by": key.wrapped_by,
        "wrapped": key.wrapped,
        "created_at": key.created_at,
    }


def _tenant_columns(key: WrappedTenantKey) -> Mapping[str, Any]:
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "version": key.version,
        "provider": key.provider,
        "wrapped": key.wrapped,
        "created_at": key.created_at,
    }


def _data_key(row: Row[Any]) -> WrappedDataKey:
    return WrappedDataKey(row.id, row.tenant_id, row.wrapped_by, row.wrapped, row.created_at)


def _tenant_key(row: Row[Any]) -> WrappedTenantKey:
    return WrappedTenantKey(row.id, row.tenant_id, row.version, row.provider, row.wrapped, row.created_at)
