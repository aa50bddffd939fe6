"""Names out of databases of the first revision, where they lay in clear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Uuid, bindparam, text
from tests.fakes.clock import FixedClock
from tests.fakes.keys import MemoryKeyRing

from domicile.access.profiles import Profiles
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.migrate import revisions, upgrade
from domicile.adapters.db.schema import REVISIONS
from domicile.domain.errors import AlreadyExists, ConfigurationError, DatabaseUnavailable
from domicile.domain.principals import Grant, Principal
from domicile.domain.values import Region

MIGRATIONS = Path(__file__).resolve().parents[4] / "migrations"
ACME, GLOBEX, MIA, GIA, FINANCE, LAPTOP = (UUID(digit * 32) for digit in "abcdef")
NAMES = ("mia.muster@example.org", "Mia Müster-Muster", "Mia's laptop at home", "gia@example.com", "Gia Globex")

#: The ids without hyphens, as SQLite keeps them and PostgreSQL takes them, too.
_OF_THE_FIRST_REVISION = (
    "INSERT INTO tenants VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'acme', 'Acme', 'eu-de')",
    "INSERT INTO tenants VALUES ('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'globex', 'Globex', 'eu-de')",
    "INSERT INTO groups VALUES ('eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'finance')",
    "INSERT INTO principals VALUES ('cccccccccccccccccccccccccccccccc', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',"
    " :n0, :n1, 'auditor', 2, true, 'hash-of-hers')",
    "INSERT INTO principals VALUES ('dddddddddddddddddddddddddddddddd', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',"
    " :n3, :n4, 'member', 1, false, NULL)",
    "INSERT INTO memberships VALUES ('cccccccccccccccccccccccccccccccc', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee')",
    "INSERT INTO api_keys (id, tenant_id, principal_id, label, prefix, secret_hash, created_at, verbs, expires_at)"
    " VALUES ('ffffffffffffffffffffffffffffffff', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'cccccccccccccccccccccccccccccccc',"
    " :n2, 'dom_abc', 'h', '2025-01-01 00:00:00.000000', '[\"search:create\"]', '2025-02-01 00:00:00.000000')",
)
_CROWD = tuple(
    text(statement).bindparams(bindparam("id", type_=Uuid()), bindparam("of", type_=Uuid()))
    for statement in (
        "INSERT INTO principals (id, tenant_id, login, display, role, clearance, disabled)"
        " VALUES (:id, :of, :login, :display, 'member', 1, false)",
        "INSERT INTO api_keys (id, tenant_id, principal_id, label, prefix, secret_hash, created_at)"
        " VALUES (:id, :of, :id, :display, 'dom_abc', :hash, '2025-01-01 00:00:00.000000')",
    )
)


class Cell:
    """A database of the first revision with people in it, and the keys that it is to be sealed under."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys = MemoryKeyRing()
        self.profiles = Profiles(keys=self.keys, clock=FixedClock(), region=Region("eu-de"))

    async def upgrade(self, profiles: Profiles | None = None) -> tuple[str | None, str]:
        return await upgrade(self.url, folder=MIGRATIONS, profiles=profiles or self.profiles)

    async def fill(self) -> None:
        names = {f"n{number}": name for number, name in enumerate(NAMES)}
        opened = SqlDatabase(self.url)
        try:
            async with opened.writing_transaction() as open_:
                await open_.run_sync(_to_the_first_revision)
                for statement in _OF_THE_FIRST_REVISION:
                    own = {name: value for name, value in names.items() if f":{name}" in statement}
                    await open_.run(text(statement), own)
                await open_.commit()
        finally:
            await opened.close()

    async def crowd(self) -> None:
        """Some hundred further accounts with a key each."""
        crowd = [
            {"id": UUID(int=n), "of": ACME, "login": f"m{n}@example.org", "display": f"{n} Muster", "hash": b"%d" % n}
            for n in range(1, 600)
        ]
        opened = SqlDatabase(self.url)
        async with opened.writing_transaction() as open_:
            for statement in _CROWD:
                names = statement.compile().params
                await open_.run(statement, [{name: each[name] for name in names} for each in crowd])
            await open_.commit()
        await opened.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def cell(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cell]:
    """On each of the two databases in turn."""
    if request.param == "sqlite":
        cell = Cell(f"sqlite+aiosqlite:///{tmp_path / 'former.sqlite3'}")
        await cell.fill()
        yield cell
        return
    cell = Cell(str(request.getfixturevalue("postgres_url")))
    await _emptied(cell.url)
    await cell.fill()
    yield cell
    await _emptied(cell.url)
    await upgrade(cell.url, folder=MIGRATIONS)


async def test_names_are_sealed_and_nothing_else_changes(cell: Cell) -> None:
    """Everybody is found by login, is called as before, is in the same groups and has the same password and keys."""
    assert await cell.upgrade() == ("0001", REVISIONS[-1])
    opened = SqlDatabase(cell.url)
    async with opened.reading() as unit:
        found = await unit.principals.by_login_digest(await cell.profiles.login_digest(NAMES[0]))
        assert found is not None
        other = await unit.principals.get(GIA)
        key = (await unit.credentials.api_keys(ACME))[0]
    await opened.close()
    mia, password_hash = found
    assert (mia.login, mia.display, key.label) == ("", "", "")
    assert (mia.id, mia.role, mia.clearance, mia.disabled, mia.groups) == (MIA, "auditor", 2, True, frozenset({FINANCE}))
    assert (password_hash, key.principal_id, key.prefix) == ("hash-of-hers", MIA, "dom_abc")
    assert key.grant == Grant(verbs=frozenset({"search:create"}))
    assert (key.created_at.month, key.expires_at and key.expires_at.month, key.revoked_at) == (1, 2, None)
    ((mia,), (gia,)) = [await cell.profiles.named([each]) for each in (mia, other)]
    (key,) = await cell.profiles.labelled([key])
    assert (mia.login, mia.display, key.label, gia.login, gia.display) == NAMES
    assert len(cell.keys.keys) == 2


async def test_no_name_is_left_in_any_file_or_row(cell: Cell, tmp_path: Path) -> None:
    """Nor in what SQLite has freed, nor between the rows of a page, of which there have to be many for that."""
    await cell.crowd()
    assert [name for name in NAMES if name.encode() in await _everything(cell.url, tmp_path)] == list(NAMES)
    await cell.upgrade()
    left = await _everything(cell.url, tmp_path)
    assert b"hash-of-hers" in left
    assert b"Muster" not in left
    assert [name for name in NAMES if name.encode() in left] == []


async def test_logins_stay_unique(cell: Cell) -> None:
    """By the digests now."""
    await cell.upgrade()
    opened = SqlDatabase(cell.url)
    async with opened.writing() as unit:
        mia = await unit.principals.get(MIA)
        with pytest.raises(AlreadyExists):
            await unit.principals.add(_renumbered(mia), None)
    await opened.close()


async def test_without_keys_nothing_is_migrated(cell: Cell) -> None:
    """Names are not thrown away, and the error says which command seals them."""
    with pytest.raises(ConfigurationError) as caught:
        await upgrade(cell.url, folder=MIGRATIONS)
    assert "domicile db upgrade" in caught.value.advice
    assert await revisions(cell.url) == ("0001", REVISIONS[-1])
    assert await cell.upgrade() == ("0001", REVISIONS[-1])


async def test_what_broke_off_is_done_again(cell: Cell, tmp_path: Path) -> None:
    """The first time, keys are made and the key store goes away: the database is as it was, and no row names those keys."""

    class BreaksOff(Profiles):
        async def seal_labels(self, tenant_id: UUID, labels: Mapping[UUID, tuple[UUID, str]]) -> dict[UUID, bytes]:
            raise DatabaseUnavailable()

    with pytest.raises(DatabaseUnavailable):
        await cell.upgrade(BreaksOff(keys=cell.keys, clock=FixedClock(), region=Region("eu-de")))
    orphaned = {key_id for _, key_id in cell.keys.keys}
    assert orphaned
    assert NAMES[0].encode() in await _everything(cell.url, tmp_path)
    clock = FixedClock()
    clock.new_id()  # two for the first attempt
    clock.new_id()
    assert await cell.upgrade(Profiles(keys=cell.keys, clock=clock, region=Region("eu-de"))) == ("0001", REVISIONS[-1])
    opened = SqlDatabase(cell.url)
    async with opened.reading() as unit:
        named = await unit.doomed_keys.named([key_id for _, key_id in cell.keys.keys])
        people = [*await unit.principals.of_tenant(ACME), *await unit.principals.of_tenant(GLOBEX)]
    await opened.close()
    assert named == {each.profile.data_key_id for each in people if each.profile}
    assert len(named) == 2
    assert not named & orphaned


async def test_an_upgrade_of_what_is_sealed_already_changes_nothing(cell: Cell) -> None:
    """However often it is repeated."""
    await cell.upgrade()
    made = dict(cell.keys.keys)
    assert await cell.upgrade() == (REVISIONS[-1], REVISIONS[-1])
    assert cell.keys.keys == made


def _renumbered(principal: Principal) -> Principal:
    return replace(principal, id=UUID(int=1), groups=frozenset())


def _to_the_first_revision(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


async def _emptied(url: str) -> None:
    opened = SqlDatabase(url)
    async with opened.writing_transaction() as open_:
        await open_.run(text("DROP SCHEMA public CASCADE"))
        await open_.run(text("CREATE SCHEMA public"))
        await open_.commit()
    await opened.close()


async def _everything(url: str, folder: Path) -> bytes:
    """The SQLite file and its journal, or every row that PostgreSQL still shows."""
    if url.startswith("sqlite"):
        return await asyncio.to_thread(lambda: b"".join(path.read_bytes() for path in folder.glob("former.sqlite3*")))
    opened = SqlDatabase(url)
    rows: list[Any] = []
    async with opened.reading_transaction() as open_:
        for (table,) in await open_.all(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")):
            rows += await open_.all(text(f'SELECT x::text FROM "{table}" x'))  # noqa: S608
    await opened.close()
    return "\n".join(row[0] for row in rows).encode()
