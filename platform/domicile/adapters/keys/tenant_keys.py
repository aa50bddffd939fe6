"""Tenants' keys, unwrapped by the providers that hold the root keys above them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID
from weakref import WeakValueDictionary

from domicile.adapters.keys.cache import KeyCache
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.keys import KEY_BYTES, DataKey
from domicile.domain.errors import AlreadyExists, DecryptionFailed, KeyProviderUnavailable
from domicile.domain.values import Region
from domicile.ports.clock import Clock
from domicile.ports.key_store import KeyStore, WrappedTenantKey
from domicile.ports.keys import ROOT_PROVIDER, KeyProvider

#: How many tenants' keys are kept unwrapped, for how many seconds, and how often one is used before it is unwrapped again.
KEPT = 1_000
SECONDS_KEPT = 300.0
USES = 1_000_000


class TenantKeys:
    """Gives tenants' keys and makes the first one. Every version keeps opening what it wrapped until it is dropped."""

    def __init__(
        self,
        *,
        store: KeyStore,
        providers: Mapping[str, KeyProvider],
        region: Region,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._providers = providers
        self._region = region
        self._clock = clock
        self._cache: KeyCache[tuple[UUID, UUID]] = KeyCache(KEPT, SECONDS_KEPT, USES, monotonic)
        self._fetching: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def latest(self, tenant_id: UUID) -> DataKey:
        """What new data keys are wrapped by, made if the tenant has none yet.

        Asks the store each time, so that after a rotation in another process nothing more is wrapped by the old one.
        """
        drops = self._cache.drops
        stored = await self._store.tenant_keys(tenant_id)
        return await self._unwrapped(stored[-1], drops) if stored else await self._first(tenant_id)

    async def of(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        """Those versions; raises ``DecryptionFailed`` if one is not there (any more)."""
        cached = {key_id: self._cache.get((tenant_id, key_id)) for key_id in key_ids}
        found = {key_id: key for key_id, key in cached.items() if key is not None}
        if missing := key_ids - found.keys():
            async with self._fetching.setdefault(tenant_id, asyncio.Lock()):
                # Whoever waited here finds what the one before it fetched.
                drops = self._cache.drops
                stored = {each.id: each for each in await self._store.tenant_keys(tenant_id)}
                for key_id in missing:
                    if key_id not in stored:
                        raise DecryptionFailed()
                    found[key_id] = await self._unwrapped(stored[key_id], drops)
        return found

    async def add(self, tenant_id: UUID, version: int, provider: str) -> WrappedTenantKey:
        """A new version, which counts from the moment when it is stored. Raises ``AlreadyExists`` if somebody was faster."""
        key = DataKey(self._clock.new_id(), os.urandom(KEY_BYTES))
        context = self.context(tenant_id, key.id, version)
        wrapped = await self.provider(provider).wrap(bytes(key.secret), context)
        stored = WrappedTenantKey(key.id, tenant_id, version, provider, wrapped, self._clock.now())
        await self._store.add_tenant_key(stored)
        self._cache.put((tenant_id, key.id), key)
        return stored

    async def unwrap(self, stored: WrappedTenantKey) -> bytes:
        """The key's bytes, past the cache; raises as the provider does."""
        context = self.context(stored.tenant_id, stored.id, stored.version)
        secret = await self.provider(stored.provider).unwrap(stored.wrapped, context)
        if len(secret) != KEY_BYTES:
            raise DecryptionFailed()
        return secret

    def provider(self, name: str) -> KeyProvider:
        """Raises ``KeyProviderUnavailable`` for one that is not configured."""
        if name not in self._providers:
            raise KeyProviderUnavailable(
                f"The key provider '{name}' is not configured.", hint="List it in DOMICILE_KEY_PROVIDERS_FILE, as it was."
            )
        return self._providers[name]

    def context(self, tenant_id: UUID, key_id: UUID, version: int) -> bytes:
        """What a wrapped tenant key is about. The first version has none in it, as from before there were versions."""
        number = "" if version == 1 else str(version)
        return EncryptionContext(tenant_id, self._region, key_id, number, Part.TENANT_KEY).encode()

    def forget(self, tenant_id: UUID, key_id: UUID) -> None:
        """Drop that version from memory."""
        self._cache.drop([(tenant_id, key_id)])

    def forget_tenant(self, tenant_id: UUID) -> None:
        """Drop all of its versions."""
        self._cache.drop_where(lambda name: name[0] == tenant_id)

    def forget_old(self) -> None:
        self._cache.drop_old()

    def forget_all(self) -> None:
        self._cache.clear()

    async def _first(self, tenant_id: UUID) -> DataKey:
        async with self._fetching.setdefault(tenant_id, asyncio.Lock()):
            drops = self._cache.drops
            stored: Sequence[WrappedTenantKey] = await self._store.tenant_keys(tenant_id)
            if not stored:
                try:
                    stored = [await self.add(tenant_id, 1, ROOT_PROVIDER)]
                except AlreadyExists:
                    # Another process was faster. Its key is the tenant's; this one has wrapped nothing and is dropped.
                    stored = await self._store.tenant_keys(tenant_id)
        return await self._unwrapped(stored[-1], drops)

    async def _unwrapped(self, stored: WrappedTenantKey, drops: int) -> DataKey:
        name = (stored.tenant_id, stored.id)
        key = self._cache.get(name)
        if key is None:
            key = DataKey(stored.id, await self.unwrap(stored))
            self._cache.put(name, key, drops)
        return key
