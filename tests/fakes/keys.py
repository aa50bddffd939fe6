"""Root keys and the key ring in memory. Real envelopes, so that what is sealed with them really is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from domicile.crypto.envelope import key_id_of, unwrap, wrap
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed, KeyProviderUnavailable
from domicile.domain.values import Region
from domicile.ports.keys import ROOT_PROVIDER, Secret

HOME = Region("eu-de")


class MemoryKeyProvider:
    """Implements the ``KeyProvider`` port. Set ``broken`` to see what happens when it cannot be reached."""

    def __init__(self, region: Region = HOME, secret: bytes = b"root" * 8, name: str = ROOT_PROVIDER) -> None:
        self.region = region
        self.name = name
        self.broken = False
        self.unwrapped = 0
        self._versions = [DataKey(UUID(int=1), secret)]

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        self._check()
        if not context:
            raise ValueError("a wrapped key needs a context")
        return wrap(self._versions[-1], context, key)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        self._check()
        self.unwrapped += 1
        version = key_id_of(wrapped)
        for each in self._versions:
            if each.id == version:
                return unwrap(each, context, wrapped)
        raise DecryptionFailed()

    async def is_current(self, wrapped: bytes) -> bool:
        self._check()
        return key_id_of(wrapped) == self._versions[-1].id

    async def rotate(self) -> None:
        self._check()
        before = self._versions[-1]
        self._versions.append(DataKey(UUID(int=before.id.int + 1), before.derive(b"next")))

    async def ping(self) -> None:
        self._check()

    async def close(self) -> None: ...

    def _check(self) -> None:
        if self.broken:
            raise KeyProviderUnavailable()


class MemoryKeyRing:
    """Implements the ``KeyRing`` port. Keys are derived from their ids, so that every run of a test has the same ones."""

    def __init__(self) -> None:
        self.keys: dict[tuple[UUID, UUID], DataKey] = {}
        self.reads = 0

    async def create(self, tenant_id: UUID, key_ids: Sequence[UUID]) -> list[DataKey]:
        made = [DataKey(key_id, hashlib.sha256(tenant_id.bytes + key_id.bytes).digest()) for key_id in key_ids]
        self.keys |= {(tenant_id, key.id): key for key in made}
        return made

    async def open(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        return (await self.open_many(tenant_id, frozenset({key_id})))[key_id]

    async def open_many(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        opened = await self.open_existing(tenant_id, key_ids)
        if opened.keys() != key_ids:
            raise DecryptionFailed()
        return opened

    async def open_existing(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        self.reads += 1
        return {key_id: key for key_id in key_ids if (key := self.keys.get((tenant_id, key_id)))}

    async def fingerprint(self, tenant_id: UUID, content: bytes) -> bytes:
        return hmac.digest(await self.digest_key(tenant_id), content, "sha256")

    async def digest_key(self, tenant_id: UUID) -> bytes:
        return hashlib.sha256(b"digest" + tenant_id.bytes).digest()

    async def secret(self, tenant_id: UUID, purpose: Secret) -> DataKey:
        return DataKey(tenant_id, hashlib.sha256(purpose.value.encode() + tenant_id.bytes).digest())

    async def destroy(self, tenant_id: UUID, key_ids: Collection[UUID]) -> int:
        return sum(self.keys.pop((tenant_id, key_id), None) is not None for key_id in key_ids)

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        return await self.destroy(tenant_id, [key_id for of, key_id in self.keys if of == tenant_id])

    async def made(self, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, datetime]:
        return {key_id: datetime(2026, 1, 1, tzinfo=UTC) for key_id in key_ids if (tenant_id, key_id) in self.keys}

    async def made_before(self, at: datetime, after: UUID, limit: int) -> Sequence[tuple[UUID, UUID]]:
        return sorted((name for name in self.keys if name[1] > after), key=lambda name: name[1])[:limit]
