"""Root keys and the key ring in memory. Real envelopes, so that what is sealed with them really is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from uuid import UUID

from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import key_id_of, seal, unwrap, wrap
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed, KeyProviderUnavailable
from domicile.domain.values import Region
from domicile.ports.keys import ROOT, Secret

HOME = Region("eu-de")


class MemoryKeyProvider:
    """Implements the ``KeyProvider`` port. Set ``broken`` to see what happens when it cannot be reached."""

    def __init__(self, region: Region = HOME, secret: bytes = b"root" * 8, name: str = ROOT) -> None:
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

    def __init__(self, region: Region = HOME) -> None:
        self.keys: dict[tuple[UUID, UUID], DataKey] = {}
        self.reads = 0
        self._region = region

    async def create(self, tenant_id: UUID, key_id: UUID) -> tuple[DataKey, bytes]:
        key = DataKey(key_id, hashlib.sha256(tenant_id.bytes + key_id.bytes).digest())
        self.keys[tenant_id, key_id] = key
        context = EncryptionContext(tenant_id, self._region, key_id, "", Part.DATA_KEY)
        return key, seal(DataKey(tenant_id, hashlib.sha256(tenant_id.bytes).digest()), context, key.secret)

    async def open(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        return (await self.open_many(tenant_id, frozenset({key_id})))[key_id]

    async def open_many(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        self.reads += 1
        if any((tenant_id, key_id) not in self.keys for key_id in key_ids):
            raise DecryptionFailed()
        return {key_id: self.keys[tenant_id, key_id] for key_id in key_ids}

    async def fingerprint(self, tenant_id: UUID, content: bytes) -> bytes:
        return hmac.digest(await self.digest_key(tenant_id), content, "sha256")

    async def digest_key(self, tenant_id: UUID) -> bytes:
        return hashlib.sha256(b"digest" + tenant_id.bytes).digest()

    async def secret(self, tenant_id: UUID, purpose: Secret) -> DataKey:
        return DataKey(tenant_id, hashlib.sha256(purpose.value.encode() + tenant_id.bytes).digest())

    def forget(self, tenant_id: UUID, key_ids: Iterable[UUID]) -> None:
        """Also what destroying the keys looks like from outside."""
        for key_id in key_ids:
            self.keys.pop((tenant_id, key_id), None)

    async def close(self) -> None: ...
