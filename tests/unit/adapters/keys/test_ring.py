"""The key ring over the key store: how keys are wrapped, raced for, cached and forgotten."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.clock import FixedClock
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import HOME, MemoryKeyProvider

from domicile.adapters.keys import tenant_keys
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.crypto.envelope import key_id_of
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DatabaseUnavailable, DecryptionFailed, KeyProviderUnavailable, KeyReplaced
from domicile.domain.values import Region
from domicile.ports.key_store import WrappedDataKey, WrappedTenantKey
from domicile.ports.keys import ROOT_PROVIDER, Secret

ACME, RIVAL = UUID(int=1), UUID(int=2)
ONE, TWO = UUID(int=11), UUID(int=12)


class Bench:
    def __init__(self) -> None:
        self.store = MemoryKeyStore()
        self.provider = MemoryKeyProvider()
        self.clock = FixedClock()
        self.seconds = 0.0
        self.ring = self.another_process()

    def another_process(self, provider: MemoryKeyProvider | None = None, region: Region = HOME) -> StoredKeyRing:
        return StoredKeyRing(
            store=self.store,
            providers={ROOT_PROVIDER: provider or self.provider},
            region=region,
            clock=self.clock,
            monotonic=lambda: self.seconds,
        )

    async def make(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        (key,) = await self.ring.create(tenant_id, [key_id])
        return key


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_hierarchy_as_stored(bench: Bench) -> None:
    """The tenant has one key, its data keys name it as what wraps them, and no secret is stored in clear."""
    key = await bench.make(ACME, ONE)
    await bench.make(ACME, TWO)
    (stored,) = bench.store.tenant.values()
    assert {key_id_of(each.wrapped) for each in bench.store.data.values()} == {stored.id}
    assert {each.wrapped_by for each in bench.store.data.values()} == {stored.id}
    assert (stored.version, stored.provider) == (1, ROOT_PROVIDER)
    assert not any(key.secret in each.wrapped for each in (*bench.store.data.values(), stored))


async def test_many_first_documents_make_one_tenant_key(bench: Bench) -> None:
    """Twenty first uploads at once make one tenant key, and all of them can be opened."""
    made = await asyncio.gather(*(bench.make(ACME, UUID(int=n)) for n in range(100, 120)))
    assert len(bench.store.tenant) == 1
    fresh = bench.another_process()
    assert await fresh.open_many(ACME, frozenset(key.id for key in made)) == {key.id: key for key in made}


async def test_two_processes_race_for_the_tenant_key(bench: Bench) -> None:
    """The process that comes second uses the first one's key, so that each can open what the other made."""

    class Overtaken(MemoryKeyProvider):
        async def wrap(self, key: bytes, context: bytes) -> bytes:
            await bench.make(ACME, TWO)
            return await super().wrap(key, context)

    (key,) = await bench.another_process(Overtaken()).create(ACME, [ONE])
    assert len(bench.store.tenant) == 1
    assert await bench.ring.open(ACME, ONE) == key


async def test_a_wrapped_key_moved_to_another_row_is_useless(bench: Bench) -> None:
    """Someone who can write the store cannot give a tenant another's key, nor one key another's id or version."""
    await bench.make(ACME, ONE)
    await bench.make(RIVAL, TWO)
    store, moved = bench.store, UUID(int=13)
    stolen = store.data[ONE]
    store.data[TWO] = WrappedDataKey(TWO, RIVAL, store.data[TWO].wrapped_by, stolen.wrapped, bench.clock.now())
    store.data[moved] = replace(stolen, id=moved)
    for tenant_id, key_id in ((RIVAL, TWO), (ACME, moved)):
        with pytest.raises(DecryptionFailed):
            await bench.another_process().open(tenant_id, key_id)
    own, theirs = (next(each for each in store.tenant.values() if each.tenant_id == tenant) for tenant in (ACME, RIVAL))
    for swapped in (replace(theirs, wrapped=own.wrapped), replace(theirs, id=own.id, wrapped=own.wrapped)):
        store.tenant[theirs.id] = swapped
        store.data[TWO] = replace(store.data[TWO], wrapped_by=swapped.id)
        with pytest.raises(DecryptionFailed):
            await bench.another_process().open(RIVAL, TWO)
    store.tenant[own.id] = replace(own, version=2)
    with pytest.raises(DecryptionFailed):
        await bench.another_process().open(ACME, ONE)


async def test_another_root_key_or_region_opens_nothing(bench: Bench) -> None:
    """A copy of the store under another root key, or declared to be another region's, is unreadable."""
    await bench.make(ACME, ONE)
    for other in (
        bench.another_process(MemoryKeyProvider(secret=b"else" * 8)),
        bench.another_process(region=Region("us-va")),
    ):
        with pytest.raises(DecryptionFailed):
            await other.open(ACME, ONE)


async def test_a_provider_that_is_not_configured_any_more(bench: Bench) -> None:
    """Its tenants' keys cannot be had, and it is named."""
    await bench.make(ACME, ONE)
    (stored,) = bench.store.tenant.values()
    bench.store.tenant[stored.id] = replace(stored, provider="their-kms")
    with pytest.raises(KeyProviderUnavailable, match="their-kms"):
        await bench.another_process().open(ACME, ONE)


async def test_opening_makes_no_key(bench: Bench) -> None:
    """Asking for a key that was never made, or was destroyed, fails and leaves the store as it was."""
    with pytest.raises(DecryptionFailed):
        await bench.ring.open(ACME, ONE)
    assert not bench.store.tenant


async def test_opened_keys_are_cached(bench: Bench) -> None:
    """Several keys cost one read of each table, and the next time none and no call of the provider."""
    for key_id in (ONE, TWO):
        await bench.make(ACME, key_id)
    fresh, before = bench.another_process(), bench.store.reads
    await fresh.open_many(ACME, frozenset({ONE, TWO}))
    assert bench.store.reads == before + 2
    unwrapped = bench.provider.unwrapped
    await fresh.open_many(ACME, frozenset({ONE, TWO}))
    await fresh.open(ACME, ONE)
    assert (bench.store.reads, bench.provider.unwrapped) == (before + 2, unwrapped)


async def test_reads_of_cached_keys_go_on_without_the_provider(bench: Bench) -> None:
    """Within their age; what is not cached, and every new tenant's key, fails and says what is down."""
    key = await bench.make(ACME, ONE)
    await bench.make(RIVAL, TWO)
    fresh = bench.another_process()
    await fresh.open(ACME, ONE)
    bench.provider.broken = True
    bench.seconds = tenant_keys.SECONDS_KEPT - 1
    assert await fresh.open(ACME, ONE) == key
    for failing in (fresh.open(RIVAL, TWO), fresh.create(UUID(int=3), [UUID(int=14)])):
        with pytest.raises(KeyProviderUnavailable):
            await failing
    bench.seconds = tenant_keys.SECONDS_KEPT
    with pytest.raises(KeyProviderUnavailable):
        await fresh.open(ACME, ONE)
    bench.provider.broken = False
    assert await fresh.open(ACME, ONE) == key


async def test_a_key_destroyed_elsewhere_is_forgotten_by_those_who_follow(bench: Bench) -> None:
    """A data key, a version of a tenant's key, or all of a tenant's; keys that nobody asks for leave when they are too old."""
    await bench.make(ACME, ONE)
    await bench.make(RIVAL, TWO)
    fresh = bench.another_process()
    for tenant_id, key_id in ((ACME, ONE), (RIVAL, TWO)):
        await fresh.open(tenant_id, key_id)
    await bench.ring.destroy(ACME, [ONE])
    await fresh.follow()
    with pytest.raises(DecryptionFailed):
        await fresh.open(ACME, ONE)
    await bench.ring.destroy_tenant(RIVAL)
    await fresh.follow()
    with pytest.raises(DecryptionFailed):
        await fresh.open(RIVAL, TWO)
    assert len(fresh.tenant_keys._cache) == 1
    bench.seconds = tenant_keys.SECONDS_KEPT
    await fresh.follow()
    assert len(fresh.tenant_keys._cache) == 0


async def test_following_waits_for_a_store_that_is_away(bench: Bench) -> None:
    """And goes on where it was."""
    await bench.make(ACME, ONE)
    fresh = bench.another_process()
    await fresh.open(ACME, ONE)
    await bench.ring.destroy(ACME, [ONE])
    bench.store.broken = True
    following = asyncio.create_task(fresh.keep_following())
    await asyncio.sleep(0)
    assert not following.done()
    following.cancel()
    bench.store.broken = False
    await fresh.follow()
    assert await fresh.open_existing(ACME, frozenset({ONE})) == {}


async def test_a_key_destroyed_elsewhere_ages_out(bench: Bench) -> None:
    """Without following, too, when its time in the cache is over, however often it is used."""
    await bench.make(ACME, ONE)
    await bench.ring.open(ACME, ONE)
    bench.store.data.clear()
    bench.seconds = tenant_keys.SECONDS_KEPT - 1
    await bench.ring.open(ACME, ONE)
    bench.seconds = tenant_keys.SECONDS_KEPT
    with pytest.raises(DecryptionFailed):
        await bench.ring.open(ACME, ONE)


async def test_a_key_destroyed_while_it_is_read_is_not_cached(bench: Bench) -> None:
    """A deletion that falls between reading the key and caching it wins."""
    await bench.make(ACME, ONE)
    fresh, read = bench.another_process(), bench.store.data_keys

    async def deleted_meanwhile(tenant_id: UUID, key_ids: Any) -> dict[UUID, WrappedDataKey]:
        found = await read(tenant_id, key_ids)
        bench.store.data_keys = read  # type: ignore[method-assign]
        await fresh.destroy(ACME, [ONE])
        return found

    bench.store.data_keys = deleted_meanwhile  # type: ignore[method-assign]
    await fresh.open(ACME, ONE)
    with pytest.raises(DecryptionFailed):
        await fresh.open(ACME, ONE)


async def test_a_version_dropped_while_it_is_unwrapped_is_not_cached(bench: Bench) -> None:
    """A row that it wrapped, put back afterwards, opens nothing, in no process."""
    await bench.make(ACME, ONE)
    stale = bench.store.data[ONE]

    class Slow(MemoryKeyProvider):
        async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
            found = await super().unwrap(wrapped, context)
            bench.store.data.clear()
            await bench.ring.tenant_keys.add(ACME, 2, ROOT_PROVIDER)
            await bench.store.drop_tenant_keys(ACME, 2)
            await fresh.follow()
            return found

    fresh = bench.another_process(Slow())
    await fresh.open(ACME, ONE)
    bench.store.data[ONE] = stale
    with pytest.raises(DecryptionFailed):
        await fresh.open(ACME, ONE)


async def test_a_rotation_at_the_same_moment(bench: Bench) -> None:
    """A key that was wrapped by a version which is gone when it is stored is wrapped again, by the one that is there."""
    await bench.make(ACME, ONE)
    add = bench.store.add_data_keys

    async def rotated_meanwhile(keys: Sequence[WrappedDataKey]) -> None:
        bench.store.add_data_keys = add  # type: ignore[method-assign]
        await bench.ring.tenant_keys.add(ACME, 2, ROOT_PROVIDER)
        older = next(each for each in bench.store.tenant.values() if each.version == 1)
        del bench.store.tenant[older.id]
        await add(keys)

    bench.store.add_data_keys = rotated_meanwhile  # type: ignore[method-assign]
    key = await bench.make(ACME, TWO)
    assert await bench.another_process().open(ACME, TWO) == key

    async def always(keys: Sequence[WrappedDataKey]) -> None:
        raise KeyReplaced()

    bench.store.add_data_keys = always  # type: ignore[method-assign]
    with pytest.raises(KeyReplaced):
        await bench.make(ACME, UUID(int=15))


async def test_every_version_opens_what_it_wrapped(bench: Bench) -> None:
    """After a rotation in another process, new keys are wrapped by the new version at once, and old ones still open."""
    old = await bench.make(ACME, ONE)
    await bench.another_process().tenant_keys.add(ACME, 2, ROOT_PROVIDER)
    new = await bench.make(ACME, TWO)
    latest: WrappedTenantKey = (await bench.store.tenant_keys(ACME))[-1]
    assert bench.store.data[TWO].wrapped_by == latest.id != bench.store.data[ONE].wrapped_by
    assert await bench.another_process().open_many(ACME, frozenset({ONE, TWO})) == {ONE: old, TWO: new}


async def test_a_key_under_a_dropped_version_opens_nothing(bench: Bench) -> None:
    """An old row that somebody puts back is of no use below the minimum version."""
    await bench.make(ACME, ONE)
    stale = bench.store.data[ONE]
    version = await bench.ring.tenant_keys.add(ACME, 2, ROOT_PROVIDER)
    bench.store.data[ONE] = replace(stale, wrapped_by=version.id)
    await bench.store.drop_tenant_keys(ACME, 2)
    for row in (bench.store.data[ONE], stale):
        bench.store.data[ONE] = row
        with pytest.raises(DecryptionFailed):
            await bench.another_process().open(ACME, ONE)


async def test_closing_forgets_every_key(bench: Bench) -> None:
    """After closing, opening needs the provider again."""
    await bench.make(ACME, ONE)
    await bench.ring.open(ACME, ONE)
    await bench.ring.close()
    bench.provider.broken = True
    with pytest.raises(KeyProviderUnavailable):
        await bench.ring.open(ACME, ONE)


async def test_what_is_down_is_named(bench: Bench) -> None:
    """A store that is down is that error, not a failed decryption, and is tried again afterwards."""
    key = await bench.make(ACME, ONE)
    fresh = bench.another_process()
    bench.store.broken = True
    with pytest.raises(DatabaseUnavailable):
        await fresh.open(ACME, ONE)
    bench.store.broken = False
    assert await fresh.open(ACME, ONE) == key


async def test_lasting_keys_survive_a_rotation(bench: Bench) -> None:
    """What fingerprints and the index are made with stays, in every process, whatever the tenant's key is."""
    before = await bench.ring.digest_key(ACME)
    first = next(iter(bench.store.tenant.values()))
    assert before == (await bench.ring.tenant_keys.of(ACME, frozenset({first.id})))[first.id].derive(b"domicile/fingerprint/1")
    await bench.ring.tenant_keys.add(ACME, 2, ROOT_PROVIDER)
    fresh = bench.another_process()
    assert await fresh.digest_key(ACME) == before
    assert await fresh.fingerprint(ACME, b"content") == hmac.digest(before, b"content", "sha256")
    assert (await fresh.secret(ACME, Secret.INDEX)).secret != before


async def test_two_processes_make_one_lasting_key(bench: Bench) -> None:
    """Whoever is slower takes what the faster one stored."""
    rings = [bench.ring, bench.another_process()]
    one, other = await asyncio.gather(*(ring.secret(ACME, Secret.INDEX) for ring in rings))
    assert one == other
