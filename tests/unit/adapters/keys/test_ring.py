"""The key ring over the database: how keys are wrapped, raced for, cached and forgotten."""

from __future__ import annotations

import asyncio
import hmac
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.clock import FixedClock
from tests.fakes.keys import MemoryKeyProvider

from domicile.adapters.keys import ring as module
from domicile.adapters.keys.ring import DatabaseKeyRing
from domicile.crypto.envelope import key_id_of
from domicile.domain.errors import DatabaseUnavailable, DecryptionFailed, KeyProviderUnavailable
from domicile.domain.values import Region
from domicile.ports.repositories import WrappedKey

ACME, RIVAL = UUID(int=1), UUID(int=2)
ONE, TWO = UUID(int=11), UUID(int=12)


class Bench:
    def __init__(self) -> None:
        self.database = MemoryAccounts()
        self.provider = MemoryKeyProvider()
        self.clock = FixedClock()
        self.seconds = 0.0
        self.ring = self.another_process()

    def another_process(self, provider: MemoryKeyProvider | None = None) -> DatabaseKeyRing:
        return DatabaseKeyRing(
            database=self.database,
            provider=provider or self.provider,
            clock=self.clock,
            monotonic=lambda: self.seconds,
        )

    async def make(self, tenant_id: UUID, key_id: UUID) -> Any:
        key, wrapped = await self.ring.create(tenant_id, key_id)
        self.database.rows.data_keys[key_id] = WrappedKey(key_id, tenant_id, wrapped, self.clock.now())
        return key


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_hierarchy_as_stored(bench: Bench) -> None:
    """The tenant has one key, its data keys name it as what wraps them, and no secret is stored in clear."""
    key = await bench.make(ACME, ONE)
    await bench.make(ACME, TWO)
    stored = bench.database.rows.tenant_keys[ACME]
    assert {key_id_of(each.wrapped) for each in bench.database.rows.data_keys.values()} == {stored.id}
    assert key.secret not in repr(bench.database.rows).encode()
    assert len(bench.database.rows.tenant_keys) == 1


async def test_many_first_documents_make_one_tenant_key(bench: Bench) -> None:
    """Twenty first uploads at once make one tenant key, and all of them can be opened."""
    made = await asyncio.gather(*(bench.make(ACME, UUID(int=n)) for n in range(100, 120)))
    assert len(bench.database.rows.tenant_keys) == 1
    fresh = bench.another_process()
    assert await fresh.open_many(ACME, frozenset(key.id for key in made)) == {key.id: key for key in made}


async def test_two_processes_race_for_the_tenant_key(bench: Bench) -> None:
    """The process that comes second uses the first one's key, so that each can open what the other made."""

    class Overtaken(MemoryKeyProvider):
        async def wrap(self, key: bytes, context: bytes) -> bytes:
            await bench.make(ACME, TWO)
            return await super().wrap(key, context)

    key, wrapped = await bench.another_process(Overtaken()).create(ACME, ONE)
    bench.database.rows.data_keys[ONE] = WrappedKey(ONE, ACME, wrapped, bench.clock.now())
    assert len(bench.database.rows.tenant_keys) == 1
    assert await bench.ring.open(ACME, ONE) == key


async def test_a_wrapped_key_moved_to_another_row_is_useless(bench: Bench) -> None:
    """Someone who can write the database cannot give a tenant another's key, nor one key another's id."""
    await bench.make(ACME, ONE)
    await bench.make(RIVAL, TWO)
    rows = bench.database.rows
    stolen = rows.data_keys[ONE].wrapped
    rows.data_keys[TWO] = WrappedKey(TWO, RIVAL, stolen, bench.clock.now())
    rows.data_keys[UUID(int=13)] = WrappedKey(UUID(int=13), ACME, stolen, bench.clock.now())
    for tenant_id, key_id in ((RIVAL, TWO), (ACME, UUID(int=13))):
        with pytest.raises(DecryptionFailed):
            await bench.another_process().open(tenant_id, key_id)
    rows.tenant_keys[RIVAL] = WrappedKey(rows.tenant_keys[ACME].id, RIVAL, rows.tenant_keys[ACME].wrapped, bench.clock.now())
    with pytest.raises(DecryptionFailed):
        await bench.another_process().open(RIVAL, ONE)


async def test_another_root_key_or_region_opens_nothing(bench: Bench) -> None:
    """A copy of the database under another root key, or declared to be another region's, is unreadable."""
    await bench.make(ACME, ONE)
    for provider in (MemoryKeyProvider(secret=b"else" * 8), MemoryKeyProvider(Region("us-va"))):
        with pytest.raises(DecryptionFailed):
            await bench.another_process(provider).open(ACME, ONE)


async def test_opening_makes_no_key(bench: Bench) -> None:
    """Asking for a tenant's key that was never made, or was destroyed, fails and leaves the database as it was."""
    with pytest.raises(DecryptionFailed):
        await bench.ring.open(ACME, ONE)
    assert not bench.database.rows.tenant_keys


async def test_opened_keys_are_cached(bench: Bench) -> None:
    """Several keys cost one read of the database, and the next time none and no call of the provider."""
    for key_id in (ONE, TWO):
        await bench.make(ACME, key_id)
    fresh = bench.another_process()
    await fresh.digest_key(ACME)
    before = bench.database.reads
    await fresh.open_many(ACME, frozenset({ONE, TWO}))
    assert bench.database.reads == before + 1
    unwrapped = bench.provider.unwrapped
    await fresh.open_many(ACME, frozenset({ONE, TWO}))
    await fresh.open(ACME, ONE)
    assert (bench.database.reads, bench.provider.unwrapped) == (before + 1, unwrapped)


async def test_a_key_destroyed_elsewhere_ages_out(bench: Bench) -> None:
    """What another process destroyed stops opening here when its time in the cache is over, however often it is used."""
    await bench.make(ACME, ONE)
    await bench.ring.open(ACME, ONE)
    bench.database.rows.data_keys.clear()
    bench.seconds = module.SECONDS_KEPT - 1
    await bench.ring.open(ACME, ONE)
    bench.seconds = module.SECONDS_KEPT
    with pytest.raises(DecryptionFailed):
        await bench.ring.open(ACME, ONE)


async def test_a_key_destroyed_while_it_is_read_is_not_cached(bench: Bench) -> None:
    """A deletion that falls between reading the key and caching it wins."""
    await bench.make(ACME, ONE)
    fresh = bench.another_process()
    await fresh.digest_key(ACME)
    unit_type = type(bench.database.reading())
    leave = unit_type.__aexit__

    async def deleted_meanwhile(unit: Any, *error: object) -> None:
        await leave(unit, *error)
        bench.database.rows.data_keys.clear()
        fresh.forget(ACME, [ONE])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unit_type, "__aexit__", deleted_meanwhile)
        await fresh.open(ACME, ONE)
    with pytest.raises(DecryptionFailed):
        await fresh.open(ACME, ONE)


async def test_creating_again_under_one_id_makes_another_key(bench: Bench) -> None:
    """A key whose transaction failed leaves nothing behind: the next one is new, and it is what opens."""
    first, _ = await bench.ring.create(ACME, ONE)
    second = await bench.make(ACME, ONE)
    assert first.secret != second.secret
    assert await bench.ring.open(ACME, ONE) == second


async def test_closing_forgets_every_key(bench: Bench) -> None:
    """After closing, opening needs the provider again."""
    await bench.make(ACME, ONE)
    await bench.ring.open(ACME, ONE)
    await bench.ring.close()
    bench.provider.broken = True
    with pytest.raises(KeyProviderUnavailable):
        await bench.ring.open(ACME, ONE)


async def test_what_is_down_is_named(bench: Bench) -> None:
    """A provider or database that is down is that error, not a failed decryption, and is tried again afterwards."""
    key = await bench.make(ACME, ONE)
    fresh = bench.another_process()
    bench.provider.broken = True
    with pytest.raises(KeyProviderUnavailable):
        await fresh.open(ACME, ONE)
    bench.provider.broken, bench.database.broken = False, True
    with pytest.raises(DatabaseUnavailable):
        await fresh.open(ACME, ONE)
    bench.database.broken = False
    assert await fresh.open(ACME, ONE) == key


async def test_the_fingerprint_is_a_plain_hmac_under_the_digest_key(bench: Bench) -> None:
    """Large content can be hashed in a thread with the digest key, which is not the tenant's key itself."""
    key = await bench.ring.digest_key(ACME)
    assert await bench.ring.fingerprint(ACME, b"content") == hmac.digest(key, b"content", "sha256")
    assert key == await bench.another_process().digest_key(ACME)
