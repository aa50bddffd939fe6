"""What every key store does: SQLite, PostgreSQL, and the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.fakes.key_store import MemoryKeyStore

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.db.transaction import Transaction
from domicile.domain.errors import AlreadyExists, KeyReplaced, KeysInUse
from domicile.ports.key_store import CELL, WrappedDataKey, WrappedTenantKey, Wrapping

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACME, RIVAL = UUID(int=1), UUID(int=2)
FIRST, SECOND, THEIRS = UUID(int=101), UUID(int=102), UUID(int=103)
START = UUID(int=0)
ONE, TWO, THREE, ABSENT = (UUID(int=number) for number in (11, 12, 13, 14))


def version(id_: UUID = FIRST, number: int = 1, tenant_id: UUID = ACME) -> WrappedTenantKey:
    return WrappedTenantKey(id_, tenant_id, number, "root", b"\x00wrapped\xff", NOW)


def key(id_: UUID, by: UUID = FIRST, tenant_id: UUID = ACME) -> WrappedDataKey:
    return WrappedDataKey(id_, tenant_id, by, b"wrapped by " + by.bytes, NOW)


def wrapping(id_: UUID, by: UUID) -> Wrapping:
    return Wrapping(id_, by, key(id_, by).wrapped)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """One in which both tenants have a key, and acme two data keys."""
    url = "" if request.param == "memory" else str(request.getfixturevalue(f"{request.param}_key_store_url"))
    opened: Any = SqlKeyStore(SqlDatabase(url)) if url else MemoryKeyStore()
    await opened.add_tenant_key(version())
    await opened.add_tenant_key(version(THEIRS, tenant_id=RIVAL))
    await opened.add_data_keys([key(ONE), key(TWO)])
    yield opened
    await opened.close()


async def test_versions_come_oldest_first(store: Any) -> None:
    """Two who make the same one at once: the second is told."""
    await store.add_tenant_key(version(SECOND, 2))
    assert await store.tenant_keys(ACME) == [version(), version(SECOND, 2)]
    with pytest.raises(AlreadyExists):
        await store.add_tenant_key(version(ABSENT, 2))
    assert await store.tenant_keys(ABSENT) == []
    await store.add_tenant_key(version(ABSENT, tenant_id=CELL))
    assert await store.tenant_keys(CELL) == [version(ABSENT, tenant_id=CELL)]


async def test_a_version_wrapped_anew(store: Any) -> None:
    """By another provider; one that is gone does not come back."""
    moved = replace(version(), wrapped=b"elsewhere", provider="kms")
    await store.replace_tenant_key(moved)
    await store.replace_tenant_key(version(ABSENT, 9))
    assert await store.tenant_keys(ACME) == [moved]


async def test_data_keys_are_the_tenants_own(store: Any) -> None:
    """Another tenant can neither read nor destroy them."""
    assert await store.data_keys(ACME, [ONE, TWO, ABSENT]) == {ONE: key(ONE), TWO: key(TWO)}
    assert await store.data_keys(RIVAL, [ONE, TWO]) == {}
    assert await store.data_keys(ACME, []) == {}
    assert await store.destroy(RIVAL, [ONE]) == 0
    assert (await store.count(ACME), await store.count(RIVAL)) == (2, 0)


async def test_nothing_is_wrapped_by_a_version_that_is_gone(store: Any) -> None:
    """It would be lost at once. An id that is in use is told, and nothing else of the same call is stored."""
    with pytest.raises(KeyReplaced):
        await store.add_data_keys([key(THREE, ABSENT)])
    with pytest.raises(AlreadyExists):
        await store.add_data_keys([key(THREE), key(ONE)])
    await store.add_data_keys([])
    assert await store.count(ACME) == 2


async def test_wrapping_anew(store: Any) -> None:
    """What another version than the last one wraps is outdated, until it is wrapped by the last."""
    await store.add_tenant_key(version(SECOND, 2))
    await store.add_data_keys([key(THREE, SECOND)])
    assert {each.key_id for each in await store.outdated(ACME, START, 9)} == {ONE, TWO}
    assert [each.key_id for each in await store.outdated(ACME, START, 1)] == [ONE]
    assert [each.key_id for each in await store.outdated(ACME, ONE, 9)] == [TWO]
    assert (await store.count(ACME), await store.count(ACME, outdated=True)) == (3, 2)
    with pytest.raises(KeysInUse):
        await store.drop_tenant_keys(ACME, 2)
    with pytest.raises(KeyReplaced):
        await store.rewrap(ACME, [wrapping(ONE, ABSENT)])
    await store.rewrap(ACME, [wrapping(ONE, SECOND), wrapping(TWO, SECOND)])
    assert await store.data_keys(ACME, [ONE]) == {ONE: key(ONE, SECOND)}
    assert await store.outdated(ACME, START, 9) == []
    assert await store.drop_tenant_keys(ACME, 2) == 1
    assert await store.drop_tenant_keys(ACME, 2) == 0
    assert await store.tenant_keys(ACME) == [version(SECOND, 2)]
    assert (await store.outdated(RIVAL, START, 9), await store.count(RIVAL, outdated=True)) == ([], 0)


async def test_a_destroyed_key_is_not_wrapped_back_to_life(store: Any) -> None:
    """A rotation that had read it before it was destroyed changes nothing."""
    await store.add_tenant_key(version(SECOND, 2))
    read = await store.outdated(ACME, START, 9)
    await store.destroy(ACME, [ONE])
    await store.rewrap(ACME, [each._replace(wrapped_by=SECOND) for each in read])
    assert (await store.data_keys(ACME, [ONE, TWO])).keys() == {TWO}


async def test_what_was_destroyed_is_told_in_order(store: Any) -> None:
    """For those who keep keys in memory: data keys, versions, and all that a tenant had."""
    assert await store.destroy(ACME, [ONE, ABSENT]) == 1
    assert await store.destroy(ACME, [ONE]) == 0
    assert await store.destroy(ACME, []) == 0
    assert await store.destroy_tenant(ACME) == 2
    assert await store.destroy_tenant(ACME) == 0
    told = await store.destroyed_after(0)
    assert [(each.tenant_id, each.key_id) for each in told] == [(ACME, ONE), (ACME, None)]
    assert await store.destroyed_after(told[0].position) == told[1:]
    assert len(await store.destroyed_after(0, 1)) == 1
    assert await store.tenant_keys(ACME) == []
    assert [each.id for each in await store.tenant_keys(RIVAL)] == [THEIRS]


async def test_keys_by_age(store: Any) -> None:
    """In the order of their ids, a page at a time, none that is too young."""
    await store.add_data_keys([key(THREE, THEIRS, RIVAL), replace(key(ABSENT), created_at=NOW + timedelta(days=1))])
    later = NOW + timedelta(hours=1)
    assert [each.id for each in await store.page(START, later, 2)] == [ONE, TWO]
    assert [each.id for each in await store.page(TWO, later, 2)] == [THREE]
    assert await store.page(START, NOW, 2) == []


async def test_it_says_whether_it_can_serve(store: Any) -> None:
    """The schema is the one that it needs."""
    await store.ping()


async def test_whoever_follows_passes_over_no_destroyed_key(key_store: SqlKeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that are destroyed at once, the second is not to be seen before the first: it would never be looked for again."""
    await key_store.add_tenant_key(version())
    await key_store.add_data_keys([key(ONE), key(TWO)])
    commit, at_its_end, may_end = Transaction.commit, asyncio.Event(), asyncio.Event()

    async def held_up(open_: Transaction) -> None:
        monkeypatch.setattr(Transaction, "commit", commit)
        at_its_end.set()
        await may_end.wait()
        await commit(open_)

    monkeypatch.setattr(Transaction, "commit", held_up)
    first = asyncio.create_task(key_store.destroy(ACME, [ONE]))
    await at_its_end.wait()
    second = asyncio.create_task(key_store.destroy(ACME, [TWO]))
    await asyncio.sleep(0.3)
    assert await key_store.destroyed_after(0) == []
    may_end.set()
    assert (await first, await second) == (1, 1)
    assert [each.key_id for each in await key_store.destroyed_after(0)] == [ONE, TWO]
