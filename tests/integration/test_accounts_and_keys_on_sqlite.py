"""Authentication, administration and the key ring over the real database and audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.fakes.clock import FixedClock
from tests.fakes.identity import PlainHasher
from tests.fakes.people import unnamed
from tests.fakes.policy import shipped_in_force

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.access.identity import Identity, Origin
from domicile.access.profiles import Profiles
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.db.migrate import KEYS, upgrade
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.audit.events import Outcome
from domicile.domain.errors import AlreadyExists, CredentialExpired, DecryptionFailed, NotAuthenticated, NotFound
from domicile.domain.values import Classification, Region, Role
from domicile.ports.keys import ROOT_PROVIDER

EU = Region("eu-de")
HERE = Origin("request-1", "trace-1", "eu-de", "192.0.2.7")
PASSWORD = "correct horse battery"
MIGRATIONS = Path(__file__).parents[2] / "migrations"


class Cell:
    """One process of a cell on that folder."""

    def __init__(self, folder: Path, clock: FixedClock) -> None:
        self.clock = clock
        self.database = SqlDatabase(f"sqlite+aiosqlite:///{folder}/cell.db")
        self.log = SqlAuditLog(self.database)
        gate = Gate(shipped_in_force(), self.log, clock, EU)
        self.hasher = PlainHasher()
        provider = FileKeyProvider(folder / "keys" / "root.key", EU)
        if not provider.exists():
            provider.create()
        self.key_store = SqlKeyStore(SqlDatabase(f"sqlite+aiosqlite:///{folder}/keys/keys.db"))
        self.ring = StoredKeyRing(store=self.key_store, providers={ROOT_PROVIDER: provider}, region=EU, clock=clock)
        profiles = Profiles(keys=self.ring, clock=clock, region=EU)
        parts = {"database": self.database, "hasher": self.hasher, "gate": gate, "clock": clock, "profiles": profiles}
        self.identity = Identity(**parts)
        self.administration = Administration(**parts)

    async def close(self) -> None:
        await self.log.close()
        await self.key_store.close()
        await self.database.close()


@pytest.fixture
async def cells(tmp_path: Path) -> AsyncIterator[tuple[Cell, Cell]]:
    """Two processes of one cell."""
    await upgrade(f"sqlite+aiosqlite:///{tmp_path}/cell.db", folder=MIGRATIONS)
    (tmp_path / "keys").mkdir(mode=0o700)
    await upgrade(f"sqlite+aiosqlite:///{tmp_path}/keys/keys.db", folder=MIGRATIONS, schema=KEYS)
    clock = FixedClock()
    pair = Cell(tmp_path, clock), Cell(tmp_path, clock)
    yield pair
    for cell in pair:
        await cell.close()


async def test_a_tenant_from_its_creation_to_a_revoked_key(cells: tuple[Cell, Cell]) -> None:
    """What one process sets up, the other authenticates; what one revokes, the other refuses two seconds later."""
    here, there = cells
    tenant = await here.administration.create_tenant("acme", "Acme", EU)
    operator = here.administration.operator_caller(tenant)
    group = await here.administration.create_group(operator, "finance")
    mia = await here.administration.create_user(
        operator, "mia", "Mia", Role.MEMBER, Classification.CONFIDENTIAL, ["finance"], PASSWORD
    )
    expiry = here.clock.now() + timedelta(days=1)
    key, secret = await here.administration.create_api_key(
        operator, mia.id, "laptop", frozenset({"search:create"}), frozenset(), expiry
    )

    caller = await there.identity.authenticate_key(secret, HERE)
    assert (caller.principal, caller.tenant, caller.credential_id) == (unnamed(mia), tenant, key.id)
    assert caller.principal.groups == {group.id}
    assert (caller.grant.verbs, caller.grant.collections) == ({"search:create"}, frozenset())
    await there.identity.flush()
    [listed] = await here.administration.api_keys(operator)
    assert listed.last_used_at == here.clock.now()

    await here.administration.revoke_api_key(operator, key.id)
    here.clock.advance(timedelta(seconds=2))
    with pytest.raises(NotAuthenticated):
        await there.identity.authenticate_key(secret, HERE)
    latest, *_ = await here.log.read(tenant.id)
    assert (latest.event.outcome, latest.event.reason, latest.event.credential_id) == (Outcome.DENIED, "revoked", key.id)


async def test_an_expired_key_is_told_so(cells: tuple[Cell, Cell]) -> None:
    """Expiry survives the way through the database."""
    here, there = cells
    operator = here.administration.operator_caller(await here.administration.create_tenant("acme", "Acme", EU))
    mia = await here.administration.create_user(operator, "mia", "Mia", Role.MEMBER, Classification.INTERNAL)
    _, secret = await here.administration.create_api_key(
        operator, mia.id, "laptop", expires_at=here.clock.now() + timedelta(hours=1)
    )
    here.clock.advance(timedelta(hours=1))
    with pytest.raises(CredentialExpired):
        await there.identity.authenticate_key(secret, HERE)


async def test_a_session_from_sign_in_to_a_new_password(cells: tuple[Cell, Cell]) -> None:
    """A session works in both processes, ends with sign-out, and a new password ends the others; each step is on record."""
    here, there = cells
    tenant = await here.administration.create_tenant("acme", "Acme", EU)
    operator = here.administration.operator_caller(tenant)
    mia = await here.administration.create_user(operator, "mia", "Mia", Role.MEMBER, Classification.INTERNAL, (), PASSWORD)
    first, second = [await here.identity.sign_in("mia", PASSWORD, HERE) for _ in range(2)]
    caller, session = await there.identity.authenticate_session(first.token, HERE)
    assert (caller, session.csrf_token) == (first.caller, first.csrf_token)
    await there.identity.sign_out(caller, first.token)
    with pytest.raises(NotAuthenticated):
        await there.identity.authenticate_session(first.token, HERE)
    await here.administration.set_password(operator, mia.id, "another horse battery")
    with pytest.raises(NotAuthenticated):
        await there.identity.authenticate_session(second.token, HERE)
    actions = [entry.event.action.value for entry in await here.log.read(tenant.id, newest_first=False)]
    assert actions[:2] == ["tenant:create", "member:create"]
    assert actions.count("session:create") == 2
    assert actions.count("session:delete") == 1


async def test_what_fails_leaves_no_event(cells: tuple[Cell, Cell]) -> None:
    """A change that the database refuses is rolled back with its event, and another tenant's key stays as it is."""
    here, _ = cells
    acme = await here.administration.create_tenant("acme", "Acme", EU)
    rival = await here.administration.create_tenant("rival", "Rival", EU)
    operator = here.administration.operator_caller(rival)
    eve = await here.administration.create_user(operator, "eve", "Eve", Role.MEMBER, Classification.INTERNAL)
    key, secret = await here.administration.create_api_key(operator, eve.id, "laptop")
    before = len(await here.log.read(None))
    with pytest.raises(AlreadyExists):
        await here.administration.create_user(operator, "EVE", "Eve", Role.MEMBER, Classification.INTERNAL)
    assert len(await here.log.read(None)) == before
    with pytest.raises(NotFound):
        await here.administration.revoke_api_key(here.administration.operator_caller(acme), key.id)
    await here.identity.authenticate_key(secret, HERE)
    assert (await here.log.read(acme.id))[0].event.reason == "not-found"


async def test_two_processes_make_one_tenant_key(cells: tuple[Cell, Cell]) -> None:
    """First documents in both processes at once end with one tenant key, and each opens what the other made."""
    here, there = cells
    tenant = await here.administration.create_tenant("acme", "Acme", EU)
    ids = [UUID(int=n) for n in range(1, 9)]
    made = await asyncio.gather(*(cell.ring.create(tenant.id, [key_id]) for key_id, cell in zip(ids, cells * 4, strict=True)))
    expected = {key.id: key for (key,) in made}
    for cell in cells:
        assert await cell.ring.open_many(tenant.id, frozenset(ids)) == expected
    assert await here.ring.digest_key(tenant.id) == await there.ring.digest_key(tenant.id)


async def test_a_destroyed_key_opens_nothing(cells: tuple[Cell, Cell]) -> None:
    """Once it is destroyed in one process, no process can have it back; nor could another tenant before."""
    here, there = cells
    tenant = await here.administration.create_tenant("acme", "Acme", EU)
    rival = await here.administration.create_tenant("rival", "Rival", EU)
    (key,) = await here.ring.create(tenant.id, [UUID(int=1)])
    with pytest.raises(DecryptionFailed):
        await there.ring.open(rival.id, key.id)
    assert await here.ring.open(tenant.id, key.id) == key
    await there.ring.open(tenant.id, key.id)
    await here.ring.destroy(tenant.id, [key.id])
    await there.ring.follow()
    for cell in cells:
        with pytest.raises(DecryptionFailed):
            await cell.ring.open(tenant.id, key.id)
