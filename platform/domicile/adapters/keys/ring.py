"""Data keys, wrapped by tenant keys in the database, wrapped by the region's root key in its provider."""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import Callable, Iterable
from uuid import UUID
from weakref import WeakValueDictionary

from domicile.adapters.keys.cache import KeyCache
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.crypto.keys import KEY_BYTES, DataKey
from domicile.domain.errors import AlreadyExists, DecryptionFailed
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyProvider, Secret
from domicile.ports.repositories import Database, WrappedKey

#: How many unwrapped keys are kept (about 1 kB each, with what is derived from them), and for how many seconds. The age is
#: how long a key that another process destroyed can still open something here.
TENANT_KEYS_KEPT = 1_000
DATA_KEYS_KEPT = 20_000
SECONDS_KEPT = 300.0


class DatabaseKeyRing:
    """Implements the ``KeyRing`` port.

    ``create`` may have to write a tenant's first key in a transaction of its own: call it before, not inside, a unit of
    work that writes, since an embedded database has one writer at a time.
    """

    def __init__(
        self, *, database: Database, provider: KeyProvider, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._provider = provider
        self._clock = clock
        self._tenant_keys: KeyCache[UUID] = KeyCache(TENANT_KEYS_KEPT, SECONDS_KEPT, monotonic)
        self._data_keys: KeyCache[tuple[UUID, UUID]] = KeyCache(DATA_KEYS_KEPT, SECONDS_KEPT, monotonic)
        self._making: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._forgotten = 0

    async def create(self, tenant_id: UUID, key_id: UUID) -> tuple[DataKey, bytes]:
        """The new key is not cached: the caller's transaction may fail, and the next try makes another under the same id."""
        tenant_key = await self._tenant_key(tenant_id, make=True)
        key = DataKey(key_id, os.urandom(KEY_BYTES))
        return key, seal(tenant_key, self._context(tenant_id, key_id, Part.DATA_KEY), key.secret)

    async def open(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        return (await self.open_many(tenant_id, frozenset({key_id})))[key_id]

    async def open_many(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        cached = {key_id: self._data_keys.get((tenant_id, key_id)) for key_id in key_ids}
        opened = {key_id: key for key_id, key in cached.items() if key is not None}
        if missing := key_ids - opened.keys():
            opened |= await self._read(tenant_id, missing)
        return opened

    async def fingerprint(self, tenant_id: UUID, content: bytes) -> bytes:
        return hmac.digest(await self.digest_key(tenant_id), content, "sha256")

    async def digest_key(self, tenant_id: UUID) -> bytes:
        """Makes the tenant's key if there is none yet: the first document is fingerprinted before it is encrypted."""
        return (await self._tenant_key(tenant_id, make=True)).derive(b"domicile/fingerprint/1")

    async def secret(self, tenant_id: UUID, purpose: Secret) -> DataKey:
        tenant_key = await self._tenant_key(tenant_id, make=True)
        return DataKey(tenant_key.id, tenant_key.derive(b"domicile/secret/1/" + purpose.value.encode()))

    def forget(self, tenant_id: UUID, key_ids: Iterable[UUID]) -> None:
        """Drop data keys that were just deleted from the database, so that nothing here opens what they sealed."""
        self._forgotten += 1
        self._data_keys.drop((tenant_id, key_id) for key_id in key_ids)

    async def close(self) -> None:
        """Drop every key."""
        self._forgotten += 1
        self._data_keys.clear()
        self._tenant_keys.clear()

    async def _read(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        forgotten = self._forgotten
        tenant_key = await self._tenant_key(tenant_id, make=False)
        async with self._database.reading() as unit:
            found = await unit.keys.data_keys(tenant_id, sorted(key_ids))
        if found.keys() != key_ids:
            raise DecryptionFailed()
        opened = {}
        for key_id, stored in found.items():
            secret = unseal(tenant_key, self._context(tenant_id, key_id, Part.DATA_KEY), stored.wrapped)
            opened[key_id] = DataKey(key_id, secret)
        if forgotten == self._forgotten:
            # Otherwise one of these may have been destroyed between the read and now, and caching it would bring it back.
            for key_id, key in opened.items():
                self._data_keys.put((tenant_id, key_id), key)
        return opened

    async def _tenant_key(self, tenant_id: UUID, *, make: bool) -> DataKey:
        if cached := self._tenant_keys.get(tenant_id):
            return cached
        async with self._making.setdefault(tenant_id, asyncio.Lock()):
            # Whoever waited here finds what the one before it fetched.
            key = self._tenant_keys.get(tenant_id) or await self._fetch_tenant_key(tenant_id, make=make)
            self._tenant_keys.put(tenant_id, key)
            return key

    async def _fetch_tenant_key(self, tenant_id: UUID, *, make: bool) -> DataKey:
        async with self._database.reading() as unit:
            stored = await unit.keys.tenant_key(tenant_id)
        if stored is None and make:
            return await self._make_tenant_key(tenant_id)
        return await self._unwrap_tenant_key(tenant_id, stored)

    async def _make_tenant_key(self, tenant_id: UUID) -> DataKey:
        key = DataKey(self._clock.new_id(), os.urandom(KEY_BYTES))
        context = self._context(tenant_id, key.id, Part.TENANT_KEY).encode()
        wrapped = await self._provider.wrap(key.secret, context)
        try:
            async with self._database.writing() as unit:
                await unit.keys.add_tenant_key(WrappedKey(key.id, tenant_id, wrapped, self._clock.now()))
                await unit.commit()
        except AlreadyExists:
            # Another process was faster. Its key is the tenant's; this one has sealed nothing and is dropped.
            async with self._database.reading() as unit:
                return await self._unwrap_tenant_key(tenant_id, await unit.keys.tenant_key(tenant_id))
        return key

    async def _unwrap_tenant_key(self, tenant_id: UUID, stored: WrappedKey | None) -> DataKey:
        if stored is None:
            raise DecryptionFailed()
        context = self._context(tenant_id, stored.id, Part.TENANT_KEY).encode()
        secret = await self._provider.unwrap(stored.wrapped, context)
        if len(secret) != KEY_BYTES:
            raise DecryptionFailed()
        return DataKey(stored.id, secret)

    def _context(self, tenant_id: UUID, key_id: UUID, part: Part) -> EncryptionContext:
        return EncryptionContext(tenant_id, self._provider.region, key_id, "", part)
