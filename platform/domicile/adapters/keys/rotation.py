"""New versions of tenants' keys, and what they wrap, wrapped anew. Nothing that is encrypted is touched by that.

Keys are re-wrapped in batches, each a transaction of its own, while the cell goes on reading and writing: until it is its turn
a key is opened by the version that wraps it, and new ones are wrapped by the last version from the moment when there is one.
So this can be stopped anywhere, and goes on with whatever is still wrapped by another version.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from domicile.adapters.keys.ring import StoredKeyRing, data_key_context
from domicile.crypto.envelope import unwrap, wrap
from domicile.crypto.keys import DataKey
from domicile.domain.errors import CallerError
from domicile.domain.values import Region
from domicile.ports.key_store import KeyStore, WrappedTenantKey, Wrapping
from domicile.ports.keys import ROOT_PROVIDER, KeyInventory, Secret

#: Keys of one transaction: long enough to be fast, short enough that nobody waits to store a new key.
BATCH = 2_000
_SOME_ID = UUID(int=2**128 - 1)


class StoredKeyRotation:
    """Implements ``KeyRotation``."""

    def __init__(self, *, store: KeyStore, ring: StoredKeyRing, region: Region) -> None:
        self._store = store
        self._ring = ring
        self._region = region

    async def inventory(self, tenant_id: UUID) -> KeyInventory:
        versions = tuple(replace(each, wrapped=b"") for each in await self._store.tenant_keys(tenant_id))
        counts = [await self._store.count(tenant_id, outdated=outdated) for outdated in (False, True)]
        return KeyInventory(versions, *counts)

    async def begin(self, tenant_id: UUID, provider: str | None = None) -> WrappedTenantKey:
        # What is derived from a version for good has to be stored before there is another one.
        for purpose in (Secret.FINGERPRINT, Secret.INDEX):
            await self._ring.secret(tenant_id, purpose)
        latest = (await self._store.tenant_keys(tenant_id))[-1]
        return await self._ring.tenant_keys.add(tenant_id, latest.version + 1, provider or latest.provider)

    async def rewrap(self, tenant_id: UUID) -> AsyncIterator[int]:
        while await self._store.outdated(tenant_id, UUID(int=0), 1):  # Once more for those that were made in between.
            after = UUID(int=0)
            while keys := await self._store.outdated(tenant_id, after, BATCH):
                after = keys[-1].key_id
                latest = await self._ring.tenant_keys.latest(tenant_id)
                wrappers = await self._ring.tenant_keys.of(tenant_id, frozenset(key.wrapped_by for key in keys))
                rewrapped = await asyncio.to_thread(self._rewrapped, tenant_id, keys, wrappers, latest)
                await self._store.rewrap(tenant_id, rewrapped)
                yield len(rewrapped)

    async def renew(self, tenant_id: UUID) -> int:
        renewed = 0
        for stored in await self._store.tenant_keys(tenant_id):
            provider = self._ring.tenant_keys.provider(stored.provider)
            if await provider.is_current(stored.wrapped):
                continue
            context = self._ring.tenant_keys.context(tenant_id, stored.id, stored.version)
            wrapped = await provider.wrap(await self._ring.tenant_keys.unwrap(stored), context)
            await self._store.replace_tenant_key(replace(stored, wrapped=wrapped))
            renewed += 1
        return renewed

    async def rotate_root(self, provider: str = ROOT_PROVIDER) -> None:
        await self._ring.tenant_keys.provider(provider).rotate()

    async def drop_before(self, tenant_id: UUID, version: int) -> int:
        versions = [each.version for each in await self._store.tenant_keys(tenant_id)]
        if version not in versions:
            known = ", ".join(map(str, versions)) or "none"
            raise CallerError(f"There is no version {version} of this key.", hint=f"Name one of these: {known}.")
        dropped = await self._store.drop_tenant_keys(tenant_id, version)
        self._ring.tenant_keys.forget_tenant(tenant_id)
        return dropped

    def _rewrapped(
        self, tenant_id: UUID, keys: Sequence[Wrapping], wrappers: Mapping[UUID, DataKey], latest: DataKey
    ) -> list[Wrapping]:
        """Some thousand small operations, so it runs in a thread."""
        # All contexts are alike but for the key's id, whose text always has the same length.
        head, tail = data_key_context(tenant_id, self._region, _SOME_ID).encode().split(str(_SOME_ID).encode())
        rewrapped = []
        for key in keys:
            context = head + str(key.key_id).encode() + tail
            wrapped = wrap(latest, context, unwrap(wrappers[key.wrapped_by], context, key.wrapped))
            rewrapped.append(Wrapping(key.key_id, latest.id, wrapped))
        return rewrapped
