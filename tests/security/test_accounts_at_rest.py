"""Whoever steals the database, its journal or a dump of it: whom do they find there?"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, update
from tests.fakes.clock import FixedClock
from tests.fakes.identity import PlainHasher
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.keys import MemoryKeyProvider
from tests.fakes.policy import shipped_in_force

from domicile.access.administration import Administration
from domicile.access.explain import Explanations, Question
from domicile.access.gate import Gate
from domicile.access.identity import Identity, Origin
from domicile.access.profiles import Profiles
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.schema import principals
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.domain.errors import AlreadyExists, DecryptionFailed
from domicile.domain.principals import ApiKey, Caller, Principal
from domicile.domain.values import Classification, Region, Role
from domicile.ports.key_store import CELL
from domicile.ports.keys import ROOT_PROVIDER

EU = Region("eu-de")
PASSWORD = "correct horse battery"
LOGIN, DISPLAY, LABEL = "mia.muster@example.org", "Mia Henriette Muster", "laptop of Mia at her mother's"
SECRETS = (LOGIN, "mia.muster", DISPLAY, "Henriette", LABEL, "her mother")
SCAN = Path(__file__).resolve().parents[3] / "shared" / "tools" / "plaintext_scan.py"


class Cell:
    """People and keys on a real database, over a ring with real envelopes."""

    def __init__(self, url: str, root: bytes = b"root" * 8) -> None:
        self.url, self.clock, self.database = url, FixedClock(), SqlDatabase(url)
        self.log = SqlAuditLog(self.database)
        self.key_store = MemoryKeyStore()
        provider = MemoryKeyProvider(EU, root)
        self.ring = StoredKeyRing(store=self.key_store, providers={ROOT_PROVIDER: provider}, region=EU, clock=self.clock)
        self.profiles = Profiles(keys=self.ring, clock=self.clock, region=EU)
        gate = Gate(shipped_in_force(), self.log, self.clock, EU)
        parts = {"database": self.database, "gate": gate, "profiles": self.profiles}
        self.explanations = Explanations(**parts)
        self.identity = Identity(**parts, clock=self.clock, hasher=PlainHasher())
        self.administration = Administration(**parts, clock=self.clock, hasher=PlainHasher())

    async def operator(self) -> Caller:
        return self.administration.operator_caller(await self.administration.tenant("acme"), self.clock.now())

    async def person(self, login: str = LOGIN, display: str = DISPLAY, role: Role = Role.MEMBER) -> Principal:
        level = Classification.INTERNAL
        return await self.administration.create_user(await self.operator(), login, display, role, level, (), PASSWORD)

    async def key(self, of: Principal) -> tuple[ApiKey, str]:
        return await self.administration.create_api_key(await self.operator(), of.id, LABEL)

    async def close(self) -> None:
        await self.log.close()
        await self.database.close()


@pytest.fixture
async def cell(database_url: str) -> AsyncIterator[Cell]:
    """On each of the two databases in turn."""
    opened = Cell(database_url)
    await opened.administration.create_tenant("acme", "Acme", EU)
    yield opened
    await opened.close()


async def test_names_are_in_no_file_and_no_dump(cell: Cell, tmp_path: Path) -> None:
    """After everything that is done with accounts, neither while the database is open nor when it is closed."""
    mia = await cell.person()
    _, secret = await cell.key(mia)
    here = Origin("request-1", "trace-1", "eu-de", "192.0.2.7")
    signed_in = await cell.identity.sign_in(LOGIN, PASSWORD, here)
    caller, _ = await cell.identity.authenticate_session(signed_in.token, here)
    assert (await cell.identity.describe(await cell.identity.authenticate_key(secret, here))).principal.login == LOGIN
    assert caller.principal.display == DISPLAY
    operator = await cell.operator()
    assert [each.display for each in await cell.administration.users(operator)] == [DISPLAY]
    assert [each.label for each in await cell.administration.api_keys(operator)] == [LABEL]
    assert (await cell.administration.user(operator, LOGIN)).id == mia.id
    auditor = await cell.person("ada", "Ada", Role.AUDITOR)
    asking = Caller(auditor, operator.tenant, caller.method, at=cell.clock.now())
    assert (await cell.explanations.explain(asking, Question(LOGIN, "document:list", "tenant"))).principal_id == mia.id
    assert {each.login for each in (await cell.explanations.policies(asking)).people} == {LOGIN, "ada"}
    with pytest.raises(AlreadyExists):
        await cell.person()

    await asyncio.to_thread(_scan, await _taken(cell.url, tmp_path))
    await cell.close()
    await asyncio.to_thread(_scan, await _taken(cell.url, tmp_path))


async def test_the_scan_would_find_them(cell: Cell, tmp_path: Path) -> None:
    """A tenant's name is meant to be in clear, so a person's in its place shows."""
    await cell.administration.create_tenant("globex", DISPLAY, EU)
    with pytest.raises(AssertionError):
        await asyncio.to_thread(_scan, await _taken(cell.url, tmp_path))


async def test_what_was_erased_is_in_no_copy_of_the_database(cell: Cell) -> None:
    """A backup that is restored still has the row. Without its key that is an id with a role, and nobody's login."""
    mia, ada = await cell.person(), await cell.person("ada", "Ada")
    await cell.key(mia)
    assert mia.profile
    await cell.ring.destroy(mia.tenant_id, [mia.profile.data_key_id])
    operator = await cell.operator()
    shown = {each.id: (each.login, each.display) for each in await cell.administration.users(operator)}
    assert shown == {mia.id: (str(mia.id), str(mia.id)), ada.id: ("ada", "Ada")}
    assert [each.label for each in await cell.administration.api_keys(operator)] == [""]


async def test_a_profile_in_another_row_does_not_open(cell: Cell) -> None:
    """Whoever can write to the database cannot pass one account off as another, and nobody is signed in as anybody else."""
    mia, ada = await cell.person(), await cell.person("ada", "Ada")
    assert ada.profile
    swapped = {"profile_envelope": ada.profile.envelope, "data_key_id": ada.profile.data_key_id}
    async with cell.database.writing_transaction() as open_:
        await open_.run(update(principals).where(principals.c.id == mia.id).values(swapped))
        await open_.commit()
    with pytest.raises(DecryptionFailed):
        await cell.administration.users(await cell.operator())
    with pytest.raises(DecryptionFailed):
        await cell.identity.sign_in(LOGIN, PASSWORD, Origin("request-1", "trace-1", "eu-de", "192.0.2.7"))


async def test_one_login_is_given_once_however_many_ask_for_it(cell: Cell) -> None:
    """Eight at the same moment, in other letters: one gets it."""
    asked = [cell.person(LOGIN.upper() if number % 2 else LOGIN) for number in range(8)]
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(each).__name__ for each in made) == ["AlreadyExists"] * 7 + ["Principal"]
    async with cell.database.reading() as unit:
        named = await unit.doomed_keys.named([*cell.key_store.data])
    # The keys of the other seven are named by nothing, which is what the sweep goes by.
    assert len(named) == 1


async def test_two_cells_have_nothing_in_common(cell: Cell) -> None:
    """The same login, another digest: the key that it is made with is the cell's own, wrapped by its own root key."""
    other = Cell(cell.url, b"toor" * 8)
    assert await cell.profiles.login_digest(LOGIN) != await other.profiles.login_digest(LOGIN)
    assert {each.tenant_id for each in other.key_store.tenant.values()} == {CELL}
    await other.close()


async def _taken(url: str, folder: Path) -> Path:
    """A folder with what a thief takes: the SQLite file with its journal, or a dump."""
    loot = folder / "loot"
    await asyncio.to_thread(shutil.rmtree, loot, ignore_errors=True)
    await asyncio.to_thread(loot.mkdir)
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        source = Path(str(address.database))
        for each in await asyncio.to_thread(lambda: [*source.parent.glob(f"{source.name}*")]):
            await asyncio.to_thread(shutil.copy, each, loot)
        return loot
    if not shutil.which("pg_dump"):
        pytest.skip("No pg_dump on this machine.")
    command = ["pg_dump", "-h", str(address.host), "-p", str(address.port), "-U", str(address.username), str(address.database)]
    environment = os.environ | {"PGPASSWORD": str(address.password)}
    with (loot / "dump.sql").open("wb") as file:
        await asyncio.to_thread(subprocess.run, command, env=environment, check=True, stdout=file)
    return loot


def _scan(loot: Path) -> None:
    content = b"".join(path.read_bytes() for path in loot.iterdir())
    assert b"argon2" in content or b"plain$" in content or b"acme" in content
    found = [each for each in SECRETS if any(form in content for form in _forms(each))]
    assert found == []
    if SCAN.exists():
        wanted = [word for each in SECRETS for word in ("--canary", each)]
        scanned = subprocess.run([sys.executable, SCAN, loot, *wanted], capture_output=True, text=True, check=False)
        assert scanned.returncode == 0, scanned.stdout


def _forms(word: str) -> list[bytes]:
    """As it is, as JSON, in UTF-16, and as the digits of a dump."""
    raw = word.encode()
    return [raw, json.dumps(word)[1:-1].encode(), word.encode("utf-16-le"), raw.hex().encode()]
