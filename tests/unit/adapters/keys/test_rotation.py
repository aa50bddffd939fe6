"""New versions of tenants' keys, and what they wrap, wrapped anew."""

from __future__ import annotations

from uuid import UUID

import pytest
from tests.fakes.clock import FixedClock
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import HOME, MemoryKeyProvider

from domicile.adapters.keys import rotation as module
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.keys.rotation import StoredKeyRotation
from domicile.domain.errors import CallerError, DecryptionFailed, KeyProviderUnavailable, KeysInUse
from domicile.ports.key_store import CELL
from domicile.ports.keys import ROOT_PROVIDER

ACME, RIVAL = UUID(int=1), UUID(int=2)
#: Keys that every tenant has besides those of its objects.
LASTING = 2


class Bench:
    def __init__(self) -> None:
        self.store = MemoryKeyStore()
        self.root, self.own = MemoryKeyProvider(), MemoryKeyProvider(secret=b"kms!" * 8, name="acme-kms")
        self.ring = self.another_process()
        self.rotation = StoredKeyRotation(store=self.store, ring=self.ring, region=HOME)

    def another_process(self) -> StoredKeyRing:
        providers = {ROOT_PROVIDER: self.root, "acme-kms": self.own}
        return StoredKeyRing(store=self.store, providers=providers, region=HOME, clock=FixedClock())

    async def finish(self, tenant_id: UUID = ACME) -> int:
        return sum([each async for each in self.rotation.rewrap(tenant_id)])


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_every_key_opens_before_during_and_after(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every process, those made meanwhile included; in the end the last version wraps all of them."""
    monkeypatch.setattr(module, "BATCH", 2)
    made = {key.id: key for key in await bench.ring.create(ACME, [UUID(int=number) for number in range(10, 15)])}
    other = bench.another_process()
    begun = await bench.rotation.begin(ACME)
    assert begun.version == 2
    async for _ in bench.rotation.rewrap(ACME):
        [new] = await other.create(ACME, [UUID(int=100 + len(made))])
        made[new.id] = new
        for ring in (bench.ring, other, bench.another_process()):
            assert await ring.open_many(ACME, frozenset(made)) == made
    inventory = await bench.rotation.inventory(ACME)
    assert (inventory.outdated, inventory.data_keys) == (0, len(made) + LASTING)
    assert {each.wrapped_by for each in bench.store.data.values()} == {begun.id}
    assert [each.wrapped for each in inventory.versions] == [b"", b""]


async def test_an_interrupted_rotation_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is still wrapped by another version; what is done is not done again."""
    monkeypatch.setattr(module, "BATCH", 3)
    await bench.ring.create(ACME, [UUID(int=number) for number in range(10, 18)])
    await bench.rotation.begin(ACME)
    running = bench.rotation.rewrap(ACME)
    assert await anext(running) == 3
    await running.aclose()  # type: ignore[attr-defined]
    left = (await bench.rotation.inventory(ACME)).outdated
    bench.rotation = StoredKeyRotation(store=bench.store, ring=bench.another_process(), region=HOME)
    assert 0 < left < 8 + LASTING
    assert await bench.finish() == left
    assert await bench.finish() == 0


async def test_lasting_keys_and_fingerprints_stay(bench: Bench) -> None:
    """Also of a tenant whose lasting keys had never been asked for before the rotation."""
    await bench.ring.create(ACME, [UUID(int=10)])
    first = (await bench.ring.tenant_keys.latest(ACME)).derive(b"domicile/fingerprint/1")
    await bench.rotation.begin(ACME)
    await bench.finish()
    assert await bench.another_process().digest_key(ACME) == first


async def test_another_tenants_keys_are_not_touched(bench: Bench) -> None:
    """Nor the other way round."""
    await bench.ring.create(ACME, [UUID(int=10)])
    await bench.ring.create(RIVAL, [UUID(int=20)])
    before = dict(bench.store.data)
    await bench.rotation.begin(ACME)
    await bench.finish()
    assert await bench.finish(RIVAL) == 0
    assert bench.store.data[UUID(int=20)] == before[UUID(int=20)]


async def test_a_tenants_own_provider(bench: Bench) -> None:
    """Its key is wrapped there from then on, and stays there; without that provider nothing of the tenant opens."""
    [key] = await bench.ring.create(ACME, [UUID(int=10)])
    assert (await bench.rotation.begin(ACME, "acme-kms")).provider == "acme-kms"
    await bench.finish()
    assert (await bench.rotation.begin(ACME)).provider == "acme-kms"
    await bench.finish()
    bench.root.broken = True
    assert await bench.another_process().open(ACME, key.id) == key
    bench.own.broken = True
    with pytest.raises(KeyProviderUnavailable):
        await bench.another_process().open(ACME, key.id)
    with pytest.raises(KeyProviderUnavailable, match="nobodys"):
        await bench.rotation.begin(ACME, "nobodys")


async def test_the_minimum_version(bench: Bench) -> None:
    """Older versions go for good, in every process, once nothing is wrapped by them, and not before."""
    [key] = await bench.ring.create(ACME, [UUID(int=10)])
    stale = bench.store.data[key.id]
    await bench.rotation.begin(ACME)
    with pytest.raises(KeysInUse):
        await bench.rotation.drop_before(ACME, 2)
    await bench.finish()
    other = bench.another_process()
    await other.open(ACME, key.id)
    assert await bench.rotation.drop_before(ACME, 2) == 1
    with pytest.raises(CallerError, match="no version 1"):
        await bench.rotation.drop_before(ACME, 1)
    assert await bench.another_process().open(ACME, key.id) == key
    bench.store.data[key.id] = stale
    await other.destroy(ACME, [])
    with pytest.raises(DecryptionFailed):
        await bench.another_process().open(ACME, key.id)


async def test_a_new_root_key(bench: Bench) -> None:
    """Tenants' keys are wrapped by it one by one, the cell's too, and all that is done is seen to be done."""
    [key] = await bench.ring.create(ACME, [UUID(int=10)])
    await bench.ring.create(CELL, [UUID(int=30)])
    assert await bench.rotation.renew(ACME) == 0
    await bench.rotation.rotate_root()
    assert [await bench.rotation.renew(each) for each in (ACME, CELL, ACME)] == [1, 1, 0]
    assert all([await bench.root.is_current(each.wrapped) for each in bench.store.tenant.values()])
    assert await bench.another_process().open(ACME, key.id) == key
