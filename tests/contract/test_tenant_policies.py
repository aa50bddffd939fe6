"""What every store of tenants' own policies owes: versions that are only added to, one after another, tenant by tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from tests.fakes import people
from tests.fakes.accounts import MemoryAccounts
from tests.fakes.people import uid

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.errors import NotFound, PolicyChanged
from domicile.domain.policies import PolicyVersion, WrittenPolicies
from domicile.ports.repositories import Database

NOW = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
ACME, GLOBEX = people.tenant("acme"), people.tenant("globex")


def written(version: int, text: str = "// Grüße 😀\n", of: people.Tenant = ACME) -> WrittenPolicies:
    digest = sha256(text.encode()).hexdigest()
    return WrittenPolicies(of.id, version, digest, uid("ada"), NOW, text)


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Each in turn, with two tenants."""
    kind = request.param
    opened = MemoryAccounts() if kind == "memory" else SqlDatabase(str(request.getfixturevalue(f"{kind}_url")))
    async with opened.writing() as unit:
        for tenant in (ACME, GLOBEX):
            await unit.tenants.add(tenant)
        await unit.commit()
    yield opened  # type: ignore[misc]
    if isinstance(opened, SqlDatabase):
        await opened.close()


async def add(store: Database, *versions: WrittenPolicies) -> None:
    for each in versions:
        async with store.writing() as unit:
            await unit.policies.add(each)
            await unit.commit()


async def test_the_latest_version_counts(store: Database) -> None:
    """Whole, to the last character; earlier ones stay readable."""
    first, second = written(1), written(2, "permit …")
    await add(store, first, second)
    async with store.reading() as unit:
        assert await unit.policies.get(ACME.id) == second
        assert await unit.policies.get(ACME.id, 1) == first


async def test_tenants_do_not_meet(store: Database) -> None:
    """Each has versions of its own, counted from 1."""
    await add(store, written(1), written(2, "b"), written(1, "c", GLOBEX))
    async with store.reading() as unit:
        assert dict(await unit.policies.latest()) == {ACME.id: 2, GLOBEX.id: 1}
        assert (await unit.policies.get(GLOBEX.id)).text == "c"
        with pytest.raises(NotFound):
            await unit.policies.get(GLOBEX.id, 2)
        with pytest.raises(NotFound):
            await unit.policies.get(GLOBEX.id, 0)
        assert [each.version for each in await unit.policies.history(GLOBEX.id, 10)] == [1]


async def test_a_tenant_without_any_has_none(store: Database) -> None:
    """Neither a version nor a history."""
    async with store.reading() as unit:
        assert dict(await unit.policies.latest()) == {}
        assert list(await unit.policies.history(ACME.id, 10)) == []
        with pytest.raises(NotFound):
            await unit.policies.get(ACME.id)


async def test_the_history_is_newest_first_and_bounded(store: Database) -> None:
    """Who wrote what when, and the text's digest in the text's place."""
    await add(store, *(written(number, f"v{number}") for number in range(1, 6)))
    async with store.reading() as unit:
        history = await unit.policies.history(ACME.id, 2)
    assert [each.version for each in history] == [5, 4]
    newest = written(5, "v5")
    assert history[0] == PolicyVersion(newest.tenant_id, 5, newest.digest, newest.principal_id, NOW)


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_only_the_next_version_can_be_added(store: Database, version: int) -> None:
    """Whoever did not see the latest is told so, and nothing is changed."""
    await add(store, written(1))
    with pytest.raises(PolicyChanged) as refused:
        await add(store, written(version, "other"))
    assert refused.value.members["version"] == 1
    async with store.reading() as unit:
        assert (await unit.policies.get(ACME.id)).text == written(1).text


async def test_of_two_who_write_at_once_one_is_told(store: Database) -> None:
    """Both saw the same version; exactly one of the two texts becomes the next."""

    async def write(text: str) -> bool:
        try:
            await add(store, written(2, text))
        except PolicyChanged:
            return False
        return True

    await add(store, written(1))
    texts = [f"writer {number}" for number in range(6)]
    done = await asyncio.gather(*(write(text) for text in texts))
    assert sum(done) == 1
    async with store.reading() as unit:
        assert (await unit.policies.get(ACME.id)).text == texts[done.index(True)]


async def test_an_uncommitted_version_is_none(store: Database) -> None:
    """The audit event goes into the same unit, so neither is there without the other."""
    async with store.writing() as unit:
        await unit.policies.add(written(1))
    async with store.reading() as unit:
        assert dict(await unit.policies.latest()) == {}
    await add(store, replace(written(1), principal_id=people.uid("operator")))
