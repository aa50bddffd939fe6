"""The key store in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from domicile.domain.errors import AlreadyExists, DatabaseUnavailable, KeyReplaced, KeysInUse
from domicile.ports.key_store import DestroyedKey, WrappedDataKey, WrappedTenantKey, Wrapping


@dataclass
class MemoryKeyStore:
    """Implements ``KeyStore``. Set ``broken`` to see what happens when it is away; ``reads`` counts."""

    tenant: dict[UUID, WrappedTenantKey] = field(default_factory=dict)
    data: dict[UUID, WrappedDataKey] = field(default_factory=dict)
    gone: list[DestroyedKey] = field(default_factory=list)
    broken: bool = False
    reads: int = 0

    async def tenant_keys(self, tenant_id: UUID) -> Sequence[WrappedTenantKey]:
        self._read()
        own = [each for each in self.tenant.values() if each.tenant_id == tenant_id]
        return sorted(own, key=lambda each: each.version)

    async def add_tenant_key(self, key: WrappedTenantKey) -> None:
        if any(each.version == key.version for each in await self.tenant_keys(key.tenant_id)):
            raise AlreadyExists()
        self.tenant[key.id] = key

    async def replace_tenant_key(self, key: WrappedTenantKey) -> None:
        if key.id in self.tenant:
            self.tenant[key.id] = key

    async def drop_tenant_keys(self, tenant_id: UUID, before_version: int) -> int:
        older = [each.id for each in await self.tenant_keys(tenant_id) if each.version < before_version]
        if any(each.wrapped_by in older for each in self.data.values()):
            raise KeysInUse()
        for each in older:
            del self.tenant[each]
            self._note(tenant_id, each)
        return len(older)

    async def add_data_keys(self, keys: Sequence[WrappedDataKey]) -> None:
        if any(key.wrapped_by not in self.tenant for key in keys):
            raise KeyReplaced()
        if any(key.id in self.data for key in keys):
            raise AlreadyExists()
        self.data |= {key.id: key for key in keys}

    async def data_keys(self, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, WrappedDataKey]:
        self._read()
        return {each: self.data[each] for each in key_ids if each in self.data and self.data[each].tenant_id == tenant_id}

    async def outdated(self, tenant_id: UUID, after: UUID, limit: int) -> Sequence[Wrapping]:
        last = (await self.tenant_keys(tenant_id))[-1:]
        own = [each for each in self.data.values() if each.tenant_id == tenant_id and each.id > after]
        found = sorted((each for each in own if last and each.wrapped_by != last[0].id), key=lambda each: each.id)
        return [Wrapping(each.id, each.wrapped_by, each.wrapped) for each in found[:limit]]

    async def count(self, tenant_id: UUID, *, outdated: bool = False) -> int:
        if outdated:
            return len(await self.outdated(tenant_id, UUID(int=0), len(self.data)))
        return sum(each.tenant_id == tenant_id for each in self.data.values())

    async def rewrap(self, tenant_id: UUID, keys: Sequence[Wrapping]) -> None:
        if any(key.wrapped_by not in self.tenant for key in keys):
            raise KeyReplaced()
        for key in keys:
            if before := self.data.get(key.key_id):
                self.data[key.key_id] = replace(before, wrapped_by=key.wrapped_by, wrapped=key.wrapped)

    async def page(self, after: UUID, before: datetime, limit: int) -> Sequence[WrappedDataKey]:
        found = [each for each in self.data.values() if each.id > after and each.created_at < before]
        return sorted(found, key=lambda each: each.id)[:limit]

    async def destroy(self, tenant_id: UUID, key_ids: Collection[UUID]) -> int:
        there = await self.data_keys(tenant_id, key_ids)
        for each in there:
            del self.data[each]
            self._note(tenant_id, each)
        return len(there)

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        own = [each for each in self.data.values() if each.tenant_id == tenant_id]
        versions = await self.tenant_keys(tenant_id)
        for key in own:
            del self.data[key.id]
        for version in versions:
            del self.tenant[version.id]
        if own or versions:
            self._note(tenant_id, None)
        return len(own) + len(versions)

    async def destroyed_after(self, position: int, limit: int = 1_000) -> Sequence[DestroyedKey]:
        self._read()
        return [each for each in self.gone if each.position > position][:limit]

    async def ping(self) -> None:
        self._read()

    async def close(self) -> None: ...

    def _note(self, tenant_id: UUID, key_id: UUID | None) -> None:
        self.gone.append(DestroyedKey(len(self.gone) + 1, tenant_id, key_id))

    def _read(self) -> None:
        self.reads += 1
        if self.broken:
            raise DatabaseUnavailable()
