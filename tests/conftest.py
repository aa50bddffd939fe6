"""Databases for the tests: a fresh SQLite file each, and one PostgreSQL database per run, emptied before each test."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_schema import key_metadata
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.db.migrate import KEYS, upgrade
from domicile.adapters.db.schema import metadata

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
UNIT = Path(__file__).resolve().parent / "unit"
_SUMMARY = pytest.StashKey[list[str]]()

#: For the tests that leave the number of examples to the profile.
settings.register_profile("nightly", max_examples=2000, deadline=None)
if _profile := os.environ.get("HYPOTHESIS_PROFILE"):
    settings.load_profile(_profile)


@pytest.fixture(autouse=True)
def _logs_as_found() -> Iterator[None]:
    """A cell configures logging for its whole process; the next test must not find that."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_way_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test reaches nothing outside this machine."""
    if not request.path.is_relative_to(UNIT) or request.node.get_closest_marker("postgres"):
        return
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"A unit test tried to connect to {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def summary_line(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Leaves a line at the end of the test report, for what a test counted."""
    return request.config.stash.setdefault(_SUMMARY, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_SUMMARY, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database of the present schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "domicile.sqlite3"
    _outside(upgrade(f"sqlite+aiosqlite:///{path}", folder=MIGRATIONS))
    return path


@pytest.fixture
def sqlite_url(_migrated_file: Path, tmp_path: Path) -> str:
    """A fresh SQLite database of the present schema."""
    path = tmp_path / "domicile.sqlite3"
    shutil.copyfile(_migrated_file, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def _migrated_key_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty key store on SQLite, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "keys.sqlite3"
    _outside(upgrade(f"sqlite+aiosqlite:///{path}", folder=MIGRATIONS, schema=KEYS))
    return path


@pytest.fixture
def sqlite_key_store_url(_migrated_key_store: Path, tmp_path: Path) -> str:
    """A fresh key store on SQLite."""
    path = tmp_path / "keys.sqlite3"
    shutil.copyfile(_migrated_key_store, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def postgres_key_store_url(_postgres_server: str) -> str:
    """The run's key store on PostgreSQL, a database beside the other one, empty. The URL holds the password."""
    url = f"{_postgres_server}_keys"
    _outside(_execute(url, f"TRUNCATE {', '.join(key_metadata.tables)} RESTART IDENTITY"))
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def key_store(request: pytest.FixtureRequest) -> AsyncIterator[SqlKeyStore]:
    """A key store on each of the two databases in turn, opened."""
    opened = SqlKeyStore(SqlDatabase(str(request.getfixturevalue(f"{request.param}_key_store_url"))))
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[SqlDatabase]:
    """A fresh SQLite database, for tests to which it does not matter which database it is."""
    database = SqlDatabase(sqlite_url)
    yield database
    await database.close()


@pytest.fixture
def postgres_url(_postgres_server: str) -> str:
    """The run's PostgreSQL database, of the present schema and empty. The URL holds the password."""
    tables = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
    # Only the owner can switch the triggers of what only grows off, and only a test would want to.
    off, on = (
        "".join(f"ALTER TABLE {name} {word} TRIGGER USER;" for name in ("audit_entries", "transfers"))
        for word in ("DISABLE", "ENABLE")
    )
    _outside(_execute(_postgres_server, f"{off}TRUNCATE {tables};{on}"))
    return _postgres_server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each of the two databases in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[SqlDatabase]:
    """Each of the two databases in turn, opened."""
    opened = SqlDatabase(database_url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[str]:
    if url := os.environ.get("DOMICILE_TEST_POSTGRES_URL"):
        _outside(upgrade(url, folder=MIGRATIONS))
        _outside(upgrade(f"{url}_keys", folder=MIGRATIONS, schema=KEYS))
        yield url
        return
    port = _running_cluster()
    name, password = f"domicile_test_{secrets.token_hex(6)}", secrets.token_hex(16)
    names = (name, f"{name}_keys")
    _as_postgres(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", *(f"CREATE DATABASE {each} OWNER {name}" for each in names))
    url = f"postgresql+asyncpg://{name}:{password}@127.0.0.1:{port}/{name}"
    try:
        _outside(upgrade(url, folder=MIGRATIONS))
        _outside(upgrade(f"{url}_keys", folder=MIGRATIONS, schema=KEYS))
        yield url
    finally:
        drops = (f"DROP DATABASE IF EXISTS {each} WITH (FORCE)" for each in names)
        _as_postgres(*drops, f"DROP ROLE IF EXISTS {name}")


def _running_cluster() -> str:
    """The port of a PostgreSQL on this machine, started if need be; skips the test where there is none to be had."""
    if not shutil.which("pg_lsclusters") or not shutil.which("pg_ctlcluster"):
        pytest.skip("No PostgreSQL: set DOMICILE_TEST_POSTGRES_URL, or install it (Debian: apt-get install postgresql).")
    if os.geteuid() != 0:
        pytest.skip("Only root can make a database in the PostgreSQL on this machine: set DOMICILE_TEST_POSTGRES_URL.")
    clusters = subprocess.run(["pg_lsclusters", "--no-header"], capture_output=True, text=True, check=True).stdout
    if not clusters.strip():
        pytest.skip("PostgreSQL is installed, but has no cluster: set DOMICILE_TEST_POSTGRES_URL.")
    version, cluster, port, status = clusters.split()[:4]
    if not status.startswith("online"):
        # Another test run may be starting it at the same time; what counts is whether it answers.
        subprocess.run(["pg_ctlcluster", version, cluster, "start"], capture_output=True, check=False)
        _wait_for(port)
    return port


def _wait_for(port: str) -> None:
    for _ in range(100):
        if subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", port], check=False).returncode == 0:
            return
        time.sleep(0.2)
    pytest.skip("PostgreSQL is installed, but could not be started: set DOMICILE_TEST_POSTGRES_URL.")


def _as_postgres(*statements: str) -> None:
    for statement in statements:
        command = ["runuser", "-u", "postgres", "--", "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
        subprocess.run(command, input=statement, cwd="/", capture_output=True, text=True, check=True)


async def _execute(url: str, statements: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def _outside(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run it in a thread of its own, because the test's event loop may exist already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser tests go last: their driver keeps an event loop running in this thread, where no other can then start."""
    items.sort(key=lambda item: "tests/e2e/" in item.path.as_posix())
