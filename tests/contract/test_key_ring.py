"""What every key ring does: the one over the database, and the fake."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.clock import FixedClock
from tests.fakes.keys import MemoryKeyProvider, MemoryKeyRing

from domicile.adapters.keys.ring import DatabaseKeyRing
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region
from domicile.ports.keys import Secret
from domicile.ports.repositories import WrappedKey

ACME, RIVAL = UUID(int=1), UUID(int=2)
ONE, TWO, THREE = UUID(int=11), UUID(int=12), UUID(int=13)


class Bench:
    """A key ring, and the way its caller stores what it makes."""

    def __init__(self, kind: str) -> None:
        self.database = MemoryAccounts()
        self.clock = FixedClock()
        self.ring: Any = (
            MemoryKeyRing()
            if kind == "fake"
            else DatabaseKeyRing(database=self.database, provider=MemoryKeyProvider(), clock=self.clock)
        )

    async def make(self, tenant_id: UUID, *key_ids: UUID) -> Any:
        made = []
        for key_id in key_ids:
            key, wrapped = await self.ring.create(tenant_id, key_id)
            async with self.database.writing() as unit:
                await unit.keys.add_data_keys([WrappedKey(key_id, tenant_id, wrapped, self.clock.now())])
                await unit.commit()
            made.append((key, wrapped))
        return made

    async def destroy(self, tenant_id: UUID, *key_ids: UUID) -> None:
        async with self.database.writing() as unit:
            await unit.keys.delete_data_keys(tenant_id, key_ids)
            await unit.commit()
        self.ring.forget(tenant_id, key_ids)


@pytest.fixture(params=["database", "fake"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


async def test_a_created_key_opens(bench: Bench) -> None:
    """The key that was created is the key that is opened, and its wrapped form does not hold it."""
    [(key, wrapped)] = await bench.make(ACME, ONE)
    assert await bench.ring.open(ACME, ONE) == key
    assert key.id == ONE
    assert key.secret not in wrapped


async def test_several_open_at_once(bench: Bench) -> None:
    """Each id gets its own key; none at all is none at all."""
    made = [key for key, _ in await bench.make(ACME, ONE, TWO)]
    assert await bench.ring.open_many(ACME, frozenset({ONE, TWO})) == {key.id: key for key in made}
    assert made[0].secret != made[1].secret
    assert await bench.ring.open_many(ACME, frozenset()) == {}


async def test_a_key_opens_for_its_own_tenant_only(bench: Bench) -> None:
    """Another tenant cannot open the key, also after it was opened and cached for its owner."""
    await bench.make(ACME, ONE)
    await bench.make(RIVAL, TWO)
    await bench.ring.open(ACME, ONE)
    with pytest.raises(DecryptionFailed):
        await bench.ring.open(RIVAL, ONE)
    with pytest.raises(DecryptionFailed):
        await bench.ring.open_many(RIVAL, frozenset({ONE, TWO}))


async def test_one_that_is_missing_fails_all(bench: Bench) -> None:
    """Opening several fails as a whole if one was destroyed, so that nobody gets half an answer."""
    await bench.make(ACME, ONE, TWO)
    with pytest.raises(DecryptionFailed):
        await bench.ring.open_many(ACME, frozenset({ONE, THREE}))


async def test_a_destroyed_key_is_gone_at_once(bench: Bench) -> None:
    """After deletion and ``forget`` nothing that the key sealed can be read any more; other keys stay."""
    [(key, _), (other, _)] = await bench.make(ACME, ONE, TWO)
    context = EncryptionContext(ACME, Region("eu-de"), UUID(int=99), "v", Part.TEXT)
    assert unseal(await bench.ring.open(ACME, ONE), context, seal(key, context, b"x")) == b"x"
    await bench.ring.open(ACME, TWO)
    await bench.destroy(ACME, ONE)
    with pytest.raises(DecryptionFailed):
        await bench.ring.open(ACME, ONE)
    assert await bench.ring.open(ACME, TWO) == other


async def test_fingerprints(bench: Bench) -> None:
    """Equal content has equal fingerprints within a tenant, different ones elsewhere, and the digest key is behind them."""
    one = await bench.ring.fingerprint(ACME, b"content")
    assert one == await bench.ring.fingerprint(ACME, b"content")
    assert len(one) == len(await bench.ring.digest_key(ACME)) == 32
    assert len({one, await bench.ring.fingerprint(ACME, b"other"), await bench.ring.fingerprint(RIVAL, b"content")}) == 3


async def test_a_tenants_lasting_key(bench: Bench) -> None:
    """The same each time, another one for another tenant."""
    one = await bench.ring.secret(ACME, Secret.INDEX)
    assert one == await bench.ring.secret(ACME, Secret.INDEX)
    assert one.derive(b"x") != (await bench.ring.secret(RIVAL, Secret.INDEX)).derive(b"x")
