"""Data keys, wrapped by tenant keys in the key store, wrapped by the root keys of their providers."""

from __future__ import annotations

import asyncio
import hmac
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID, uuid5

from domicile.adapters.keys.cache import KeyCache
from domicile.adapters.keys.tenant_keys import SECONDS_KEPT, TenantKeys
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.crypto.keys import KEY_BYTES, DataKey
from domicile.domain.errors import AlreadyExists, DecryptionFailed, DependencyError, KeyReplaced
from domicile.domain.values import Region
from domicile.ports.clock import Clock
from domicile.ports.key_store import KeyStore, WrappedDataKey
from domicile.ports.keys import KeyProvider, Secret

#: How many unwrapped data keys are kept (about 1 kB each, with what is derived from them), and how often one is used before it
#: is unwrapped again. For how long: as tenants' keys.
KEPT = 20_000
USES = 100_000
#: Seconds after which other processes have forgotten a key that was destroyed.
FOLLOW_SECONDS = 1.0
#: Times that wrapping is tried again because of a rotation at the same moment.
_TRIES = 3


class StoredKeyRing:
    """Implements the ``KeyRing`` port. ``keep_following`` has to run where other processes may destroy keys."""

    def __init__(
        self,
        *,
        store: KeyStore,
        providers: Mapping[str, KeyProvider],
        region: Region,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._region = region
        self._clock = clock
        self.tenant_keys = TenantKeys(store=store, providers=providers, region=region, clock=clock, monotonic=monotonic)
        self._cache: KeyCache[tuple[UUID, UUID]] = KeyCache(KEPT, SECONDS_KEPT, USES, monotonic)
        self._followed = 0

    async def create(self, tenant_id: UUID, key_ids: Sequence[UUID]) -> list[DataKey]:
        keys = [DataKey(key_id, os.urandom(KEY_BYTES)) for key_id in key_ids]
        if keys:
            await self._store_new(tenant_id, keys)
        for key in keys:
            self._cache.put((tenant_id, key.id), key)
        return keys

    async def open(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        return (await self.open_many(tenant_id, frozenset({key_id})))[key_id]

    async def open_many(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        opened = await self.open_existing(tenant_id, key_ids)
        if opened.keys() != key_ids:
            raise DecryptionFailed()
        return opened

    async def open_existing(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        cached = {key_id: self._cache.get((tenant_id, key_id)) for key_id in key_ids}
        opened = {key_id: key for key_id, key in cached.items() if key is not None}
        if missing := key_ids - opened.keys():
            opened |= await self._read(tenant_id, missing)
        return opened

    async def fingerprint(self, tenant_id: UUID, content: bytes) -> bytes:
        return hmac.digest(await self.digest_key(tenant_id), content, "sha256")

    async def digest_key(self, tenant_id: UUID) -> bytes:
        return bytes((await self.secret(tenant_id, Secret.FINGERPRINT)).secret)

    async def secret(self, tenant_id: UUID, purpose: Secret) -> DataKey:
        """Kept like a data key, so that it is wrapped anew with them and is gone with its tenant."""
        key_id = _secret_id(tenant_id, purpose)
        found = await self.open_existing(tenant_id, frozenset({key_id}))
        if not found:
            # From the tenant's key of that moment: before there was a key of its own, this is what fingerprints were made with.
            first = (await self.tenant_keys.latest(tenant_id)).derive(f"domicile/{purpose.value}/1".encode())
            with suppress(AlreadyExists):  # Another process was faster, with the same or another one; its counts.
                await self._store_new(tenant_id, [DataKey(key_id, first)])
            found = await self.open_many(tenant_id, frozenset({key_id}))
        return found[key_id]

    async def destroy(self, tenant_id: UUID, key_ids: Collection[UUID]) -> int:
        self._forget(tenant_id, key_ids)
        destroyed = await self._store.destroy(tenant_id, key_ids)
        self._forget(tenant_id, key_ids)  # What was read between the two.
        return destroyed

    async def made(self, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, datetime]:
        found = await self._store.data_keys(tenant_id, key_ids)
        return {key_id: each.created_at for key_id, each in found.items()}

    async def made_before(self, at: datetime, after: UUID, limit: int) -> Sequence[tuple[UUID, UUID]]:
        while page := await self._store.page(after, at, limit):
            lasting = {_secret_id(each.tenant_id, purpose) for each in page for purpose in Secret}
            if others := [(each.tenant_id, each.id) for each in page if each.id not in lasting]:
                return others
            after = page[-1].id
        return []

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        destroyed = await self._store.destroy_tenant(tenant_id)
        self._forget_tenant(tenant_id)
        return destroyed

    async def follow(self) -> None:
        """Forget what was destroyed anywhere since the last time, and what is too old to be kept."""
        self._cache.drop_old()
        self.tenant_keys.forget_old()
        while gone := await self._store.destroyed_after(self._followed):
            for each in gone:
                if each.key_id is None:
                    self._forget_tenant(each.tenant_id)
                else:
                    self._forget(each.tenant_id, [each.key_id])
                    self.tenant_keys.forget(each.tenant_id, each.key_id)
            self._followed = gone[-1].position

    async def keep_following(self) -> None:
        """Follow every second until cancelled. While the store is away nothing is destroyed either; ages still count."""
        while True:
            with suppress(DependencyError):
                await self.follow()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def close(self) -> None:
        """Drop every key."""
        self._cache.clear()
        self.tenant_keys.forget_all()

    async def _store_new(self, tenant_id: UUID, keys: Sequence[DataKey]) -> None:
        for attempt in range(_TRIES):
            wrapper = await self.tenant_keys.latest(tenant_id)
            now = self._clock.now()
            wrapped = [
                WrappedDataKey(key.id, tenant_id, wrapper.id, self._wrapped(wrapper, tenant_id, key), now) for key in keys
            ]
            try:
                await self._store.add_data_keys(wrapped)
            except KeyReplaced:
                if attempt == _TRIES - 1:
                    raise
            else:
                return

    async def _read(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        drops = self._cache.drops
        found = await self._store.data_keys(tenant_id, key_ids)
        wrappers = await self.tenant_keys.of(tenant_id, frozenset(each.wrapped_by for each in found.values()))
        opened = {}
        for key_id, stored in found.items():
            context = data_key_context(tenant_id, self._region, key_id)
            opened[key_id] = DataKey(key_id, unseal(wrappers[stored.wrapped_by], context, stored.wrapped))
            self._cache.put((tenant_id, key_id), opened[key_id], drops)
        return opened

    def _wrapped(self, wrapper: DataKey, tenant_id: UUID, key: DataKey) -> bytes:
        return seal(wrapper, data_key_context(tenant_id, self._region, key.id), key.secret)

    def _forget(self, tenant_id: UUID, key_ids: Collection[UUID]) -> None:
        self._cache.drop((tenant_id, key_id) for key_id in key_ids)

    def _forget_tenant(self, tenant_id: UUID) -> None:
        self._cache.drop_where(lambda name: name[0] == tenant_id)
        self.tenant_keys.forget_tenant(tenant_id)


def data_key_context(tenant_id: UUID, region: Region, key_id: UUID) -> EncryptionContext:
    """What a wrapped data key is about."""
    return EncryptionContext(tenant_id, region, key_id, "", Part.DATA_KEY)


def _secret_id(tenant_id: UUID, purpose: Secret) -> UUID:
    return uuid5(tenant_id, f"domicile/secret/{purpose.value}")
