"""Transforms are made once for each tenant, kept within bounds, and never outlive what the key ring says."""

from __future__ import annotations

from uuid import UUID

from tests.fakes.keys import MemoryKeyRing

from domicile.adapters.sealed import keyed
from domicile.adapters.sealed.keyed import KeyedTenants
from domicile.crypto.keys import DataKey

A, B, C = (UUID(int=number) for number in (0xA, 0xB, 0xC))


async def test_a_tenants_transforms_are_made_once():
    """Asking again gives the same ones; another tenant has others."""
    tenants = KeyedTenants(MemoryKeyRing(), 4, 0.0)
    assert await tenants.of(A) is await tenants.of(A)
    assert await tenants.of(A) is not await tenants.of(B)


async def test_another_key_makes_other_transforms():
    """What was made from a key that the ring no longer gives is not used again."""
    ring = MemoryKeyRing()
    tenants = KeyedTenants(ring, 4, 0.0)
    first = await tenants.of(A)

    async def another(tenant_id, purpose):
        return DataKey(UUID(int=1), bytes(32))

    ring.secret = another
    assert (await tenants.of(A)).key != first.key


async def test_only_so_many_are_kept(monkeypatch):
    """The one that was not asked for longest goes first."""
    monkeypatch.setattr(keyed, "KEPT_BYTES", 2 * 4 * 4 * 4)
    tenants = KeyedTenants(MemoryKeyRing(), 4, 0.0)
    first, second = await tenants.of(A), await tenants.of(B)
    assert await tenants.of(A) is first
    await tenants.of(C)
    assert await tenants.of(A) is first
    assert await tenants.of(B) is not second
