"""What every key ring does: the one over the key store, and the fake."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.clock import FixedClock
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import MemoryKeyProvider, MemoryKeyRing

from domicile.adapters.keys.ring import StoredKeyRing
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal, unseal
from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region
from domicile.ports.keys import ROOT_PROVIDER, Secret

ACME, RIVAL = UUID(int=1), UUID(int=2)
ONE, TWO, THREE = UUID(int=11), UUID(int=12), UUID(int=13)


def stored_ring() -> StoredKeyRing:
    provider = MemoryKeyProvider()
    return StoredKeyRing(
        store=MemoryKeyStore(), providers={ROOT_PROVIDER: provider}, region=provider.region, clock=FixedClock()
    )


@pytest.fixture(params=[stored_ring, MemoryKeyRing])
def ring(request: pytest.FixtureRequest) -> Any:
    return request.param()


async def test_a_created_key_opens(ring: Any) -> None:
    """The key that was created is the key that is opened, under the id that was asked for."""
    [key] = await ring.create(ACME, [ONE])
    assert await ring.open(ACME, ONE) == key
    assert key.id == ONE
    assert await ring.create(ACME, []) == []


async def test_several_open_at_once(ring: Any) -> None:
    """Each id gets its own key; none at all is none at all."""
    made = await ring.create(ACME, [ONE, TWO])
    assert await ring.open_many(ACME, frozenset({ONE, TWO})) == {key.id: key for key in made}
    assert made[0].secret != made[1].secret
    assert await ring.open_many(ACME, frozenset()) == {}


async def test_a_key_opens_for_its_own_tenant_only(ring: Any) -> None:
    """Another tenant cannot open the key, also after it was opened and cached for its owner."""
    await ring.create(ACME, [ONE])
    await ring.create(RIVAL, [TWO])
    await ring.open(ACME, ONE)
    with pytest.raises(DecryptionFailed):
        await ring.open(RIVAL, ONE)
    with pytest.raises(DecryptionFailed):
        await ring.open_many(RIVAL, frozenset({ONE, TWO}))
    assert (await ring.open_existing(RIVAL, frozenset({ONE, TWO}))).keys() == {TWO}


async def test_one_that_is_missing_fails_all(ring: Any) -> None:
    """Opening several fails as a whole if one was destroyed, so that nobody gets half an answer; unless half is asked for."""
    await ring.create(ACME, [ONE, TWO])
    with pytest.raises(DecryptionFailed):
        await ring.open_many(ACME, frozenset({ONE, THREE}))
    assert (await ring.open_existing(ACME, frozenset({ONE, THREE}))).keys() == {ONE}


async def test_a_destroyed_key_is_gone_at_once(ring: Any) -> None:
    """Nothing that the key sealed can be read any more; other keys stay. Another tenant destroys nothing."""
    key, other = await ring.create(ACME, [ONE, TWO])
    context = EncryptionContext(ACME, Region("eu-de"), UUID(int=99), "v", Part.TEXT)
    assert unseal(await ring.open(ACME, ONE), context, seal(key, context, b"x")) == b"x"
    assert await ring.destroy(RIVAL, [ONE, TWO]) == 0
    assert await ring.destroy(ACME, [ONE, THREE]) == 1
    with pytest.raises(DecryptionFailed):
        await ring.open(ACME, ONE)
    assert await ring.open(ACME, TWO) == other


async def test_a_tenant_that_is_destroyed(ring: Any) -> None:
    """Has no key left; the other one has."""
    await ring.create(ACME, [ONE, TWO])
    [kept] = await ring.create(RIVAL, [THREE])
    assert await ring.destroy_tenant(ACME) >= 2
    assert await ring.open_existing(ACME, frozenset({ONE, TWO})) == {}
    assert await ring.open(RIVAL, THREE) == kept


async def test_keys_by_age(ring: Any) -> None:
    """Page by page, every tenant's, without the lasting ones."""
    await ring.secret(ACME, Secret.INDEX)
    await ring.create(ACME, [ONE, THREE])
    await ring.create(RIVAL, [TWO])
    later = FixedClock().now() + timedelta(days=1)
    assert await ring.made_before(later, UUID(int=0), 2) == [(ACME, ONE), (RIVAL, TWO)]
    assert await ring.made_before(later, TWO, 2) == [(ACME, THREE)]
    assert await ring.made_before(later, THREE, 2) == []


async def test_fingerprints(ring: Any) -> None:
    """Equal content has equal fingerprints within a tenant, different ones elsewhere, and the digest key is behind them."""
    one = await ring.fingerprint(ACME, b"content")
    assert one == await ring.fingerprint(ACME, b"content")
    assert one == hmac.digest(await ring.digest_key(ACME), b"content", "sha256")
    assert len({one, await ring.fingerprint(ACME, b"other"), await ring.fingerprint(RIVAL, b"content")}) == 3


async def test_a_tenants_lasting_key(ring: Any) -> None:
    """The same each time, another one for another tenant and another purpose."""
    one = await ring.secret(ACME, Secret.INDEX)
    assert one == await ring.secret(ACME, Secret.INDEX)
    others = [await ring.secret(RIVAL, Secret.INDEX), await ring.secret(ACME, Secret.FINGERPRINT)]
    assert len({one.derive(b"x"), *(each.derive(b"x") for each in others)}) == 3
