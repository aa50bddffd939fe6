"""What a cell does when something around it is wrong: it says so in our words, and its stores are as they were."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from domicile.access.identity import Origin
from domicile.answers.events import AnswerRequest
from domicile.bootstrap import Cell, initialise_cell, open_cell, open_office, upgrade_database
from domicile.config import Settings, load_settings
from domicile.domain.documents import JobState
from domicile.domain.errors import (
    AuditUnavailable,
    ConfigurationError,
    DomicileError,
    IntegrityError,
    KeyFileExposed,
    NotFound,
    RegionRefused,
    ResidencyViolation,
    SchemaNewer,
    SchemaOutdated,
    StorageFull,
    WeightsUntrusted,
)
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Role
from domicile.ingestion.drafts import Upload
from domicile.ingestion.progress import JobView
from domicile.retrieval.search import SearchQuery

TEXT = "# Leave\n\nEvery employee gets 30 days of annual leave in each calendar year.\n"


def settings_of(folder: Path, **values: object) -> Settings:
    return load_settings({}, **{"data_dir": folder / "cell", "region": "eu-de", "log_level": "error", **values})


def digest(settings: Settings) -> dict[str, str]:
    """Every file of the stores and of the keys, by content. The lock's file says who holds it, and is none of them."""
    files = {}
    for root in (settings.data_dir, settings.root_key_path.parent):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.name != "cell.lock" and not path.name.endswith(("-wal", "-shm")):
                files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files


async def opened(settings: Settings) -> None:
    async with open_cell(settings, command="test", run_jobs=False):
        pytest.fail("The cell was opened.")


@pytest.fixture(scope="module")
def new_cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cell that has one tenant, to be copied."""
    folder = tmp_path_factory.mktemp("seed")

    async def make() -> None:
        await initialise_cell(settings_of(folder))
        async with open_office(settings_of(folder)) as office:
            await office.administration.create_tenant("acme", "Acme", office.region)

    asyncio.run(make())
    return folder


@pytest.fixture
def settings(new_cell: Path, tmp_path: Path) -> Settings:
    """A cell of the test's own."""
    shutil.copytree(new_cell, tmp_path, dirs_exist_ok=True)
    return settings_of(tmp_path)


def execute(settings: Settings, statement: str) -> None:
    with closing(sqlite3.connect(settings.data_dir / "domicile.db")) as connection, connection:
        connection.execute(statement)


async def assert_refused(settings: Settings, kind: type[DomicileError]) -> DomicileError:
    """Opening the cell fails so, and changes nothing."""
    before = digest(settings)
    with pytest.raises(kind) as raised:
        await opened(settings)
    assert digest(settings) == before
    return raised.value


# --- Before anything is served ------------------------------------------------------------------------------------------
async def test_a_database_of_an_older_version_names_the_command(settings: Settings) -> None:
    """It is not upgraded by itself; the command that does it is told, and holds to what it says."""
    execute(settings, "DELETE FROM alembic_version")
    refused = await assert_refused(settings, SchemaOutdated)
    assert "domicile db upgrade" in refused.advice


async def test_a_database_of_a_newer_version_is_left_alone(settings: Settings) -> None:
    """Neither opened nor 'upgraded'."""
    execute(settings, "UPDATE alembic_version SET version_num = '9999'")
    assert "9999" in str(await assert_refused(settings, SchemaNewer))
    with pytest.raises(SchemaNewer):
        await upgrade_database(settings)


async def test_a_damaged_database_is_not_overwritten(settings: Settings) -> None:
    """What can no longer be read may still be rescued."""
    (settings.data_dir / "domicile.db").write_bytes(b"no database" * 1000)
    await assert_refused(settings, IntegrityError)


async def test_weights_that_are_not_the_declared_ones(settings: Settings) -> None:
    """Both digests are named, so that an operator sees which file it is."""
    declared = "0" * 64
    refused = await assert_refused(settings_of(settings.data_dir.parent, embedding_sha256=declared), WeightsUntrusted)
    assert declared in str(refused)
    assert len([word for word in str(refused).replace(",", " ").replace(".", " ").split() if len(word) == 64]) == 2


async def test_a_root_key_that_others_can_read_is_refused(settings: Settings) -> None:
    """Not repaired in silence: it has to be taken for compromised."""
    settings.root_key_path.chmod(0o644)
    refused = await assert_refused(settings, KeyFileExposed)
    assert str(settings.root_key_path) in str(refused)
    assert "chmod 600" in refused.advice


async def test_a_lost_root_key_is_not_replaced(settings: Settings) -> None:
    """Neither by starting nor by ``init``: a new key would hide that the old one is gone."""
    settings.root_key_path.unlink()
    await assert_refused(settings, ConfigurationError)
    with pytest.raises(ConfigurationError, match="is missing"):
        await initialise_cell(settings)
    assert not settings.root_key_path.exists()


async def test_every_component_outside_the_region_is_named(settings: Settings) -> None:
    """All of them at once, and before one of them is asked anything."""
    components = {
        "qdrant_url": "http://127.0.0.1:1",
        "qdrant_region": "us-va",
        "llm_url": "http://127.0.0.1:1",
        "llm_region": "us-va",
        "otlp_endpoint": "http://127.0.0.1:1",
    }
    refused = await assert_refused(settings_of(settings.data_dir.parent, **components), ResidencyViolation)
    assert all(kind in str(refused) for kind in ("vector-index", "model", "telemetry"))
    assert "eu-de" in str(refused)


def test_a_cell_without_a_region_does_not_start(tmp_path: Path) -> None:
    """There is no default region."""
    with pytest.raises(ConfigurationError, match="DOMICILE_REGION"):
        load_settings({}, data_dir=tmp_path)


async def test_a_cell_of_another_region_does_not_open_this_ones_data(settings: Settings) -> None:
    """The key says which region it belongs to."""
    await assert_refused(settings_of(settings.data_dir.parent, region="us-va"), ResidencyViolation)


# --- While it is served -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Served:
    """An open cell with a document, its own administrator, and a stranger from another tenant."""

    cell: Cell
    administrator: Caller
    stranger: Caller
    collection_id: UUID

    @property
    def document_id(self) -> UUID:
        return self._row("SELECT id FROM documents")

    @property
    def job_id(self) -> UUID:
        return self._row("SELECT id FROM jobs")

    def _row(self, statement: str) -> UUID:
        with closing(sqlite3.connect(self.cell.settings.data_dir / "domicile.db")) as connection:
            value = connection.execute(statement).fetchone()[0]
        return UUID(bytes=value) if isinstance(value, bytes) else UUID(value)

    def stored(self) -> dict[str, int]:
        """Rows of each table that holds a document or an answer, and blobs."""
        with closing(sqlite3.connect(self.cell.settings.data_dir / "domicile.db")) as connection:
            tables = ("documents", "collections", "conversations", "exchanges")
            rows = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608
        return rows | {"blobs": sum(path.is_file() for path in (self.cell.settings.data_dir / "blobs").rglob("*"))}


async def member_of(cell: Cell, slug: str) -> Caller:
    tenant = await cell.administration.create_tenant(slug, slug, cell.region)
    operator = cell.administration.operator_caller(tenant)
    person = await cell.administration.create_user(
        operator, f"{slug}-administrator", "Ada", Role.ADMINISTRATOR, Classification.INTERNAL, password=None
    )
    _, secret = await cell.administration.create_api_key(operator, person.id, "test")
    return await cell.identity.authenticate_key(secret, Origin(request_id="test", trace_id=""))


async def submitted(cell: Cell, caller: Caller, collection_id: UUID, name: str, content: bytes) -> UUID:
    uploads = [Upload(source=name, content=content)]
    job = await cell.intake.submit(caller, collection_id, uploads, region=None)
    return job.id


async def done(cell: Cell, caller: Caller, job_id: UUID) -> JobView:
    async for view in cell.progress.watch(caller, job_id):
        last = view
    return last


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own on that folder; skips the test where none can be made."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("A full disk needs a small one to fill, and only root can mount it.")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One cell on a small disk for all of these tests: opening one takes seconds."""
    folder = tmp_path_factory.mktemp("served")
    with small_disk(folder):
        settings = settings_of(folder)
        await initialise_cell(settings)
        async with open_cell(settings, command="test", run_jobs=True) as cell:
            administrator, stranger = await member_of(cell, "acme"), await member_of(cell, "globex")
            made = await cell.library.create_collection(administrator, "handbook")
            view = await done(cell, administrator, await submitted(cell, administrator, made.id, "leave.md", TEXT.encode()))
            assert (view.state, view.added) == (JobState.DONE, 1)
            yield Served(cell, administrator, stranger, made.id)


@contextmanager
def filled(folder: Path, leave: int) -> Iterator[None]:
    """The disk under that folder with no more than ``leave`` bytes free."""
    ballast = folder.parent / "ballast"
    try:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(folder).free - leave))
        yield
    finally:
        ballast.unlink(missing_ok=True)


module_loop = pytest.mark.asyncio(loop_scope="module")


@module_loop
@pytest.mark.slow
async def test_a_full_disk_loses_nothing(served: Served) -> None:
    """Full for everything, an upload is refused; too full for the index, what was accepted waits, and is published later."""
    cell, caller, folder = served.cell, served.administrator, served.cell.settings.data_dir
    before = served.stored()
    with filled(folder, leave=64 * 1024), pytest.raises((StorageFull, AuditUnavailable)):
        await submitted(cell, caller, served.collection_id, "large.md", (TEXT * 4000).encode())
    assert served.stored() == before
    with filled(folder, leave=64 * 1024 * 1024):
        assert (await cell.health())["vector-index"] == StorageFull.slug
        waiting = await submitted(cell, caller, served.collection_id, "travel.md", b"# Travel\n\nTravel time is recorded.\n")
        found = await cell.search.search(caller, SearchQuery("How many days of annual leave?"))
        assert {passage.title.source for passage in found.passages} == {"leave.md"}
        assert served.stored()["documents"] == before["documents"]
    assert (await done(cell, caller, waiting)).added == 1


@module_loop
@pytest.mark.slow
async def test_another_tenants_ids_do_not_exist(served: Served) -> None:
    """For each use case that takes one: the same answer as for an id that nobody has, and nothing changes."""
    cell, stranger = served.cell, served.stranger
    before = served.stored()
    uploads = [Upload(source="planted.md", content=b"# Planted\n\nText.\n")]
    attempts = [
        lambda: cell.library.document(stranger, served.document_id),
        lambda: cell.library.text(stranger, served.document_id),
        lambda: cell.library.original(stranger, served.document_id),
        lambda: cell.library.documents(stranger, served.collection_id),
        lambda: cell.library.collection(stranger, str(served.collection_id)),
        lambda: cell.withdrawal.delete(stranger, served.document_id),
        lambda: cell.progress.get(stranger, served.job_id),
        lambda: cell.intake.submit(stranger, served.collection_id, uploads, region=None),
        lambda: cell.search.search(stranger, SearchQuery("leave", frozenset({served.collection_id}))),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt()
    assert (await cell.search.search(stranger, SearchQuery("annual leave"))).passages == ()
    assert served.stored() == before


@module_loop
@pytest.mark.slow
async def test_a_region_that_the_cell_is_not_in_is_named(served: Served) -> None:
    """For a new collection and for a document."""
    before = served.stored()
    uploads = [Upload(source="leave.md", content=TEXT.encode())]
    for attempt in (
        lambda: served.cell.library.create_collection(served.administrator, "american", "us-va"),
        lambda: served.cell.intake.submit(served.administrator, served.collection_id, uploads, region="us-va"),
    ):
        with pytest.raises(RegionRefused, match="us-va"):
            await attempt()
    assert served.stored() == before


@module_loop
@pytest.mark.slow
async def test_without_an_audit_log_nothing_is_released(served: Served) -> None:
    """Somebody else holds the database's write lock: neither a passage, an answer nor a document comes out."""
    cell, caller = served.cell, served.administrator
    document_id, before = served.document_id, served.stored()
    released: list[object] = []

    async def answer() -> None:
        request = AnswerRequest("How many days of annual leave?", remember=False)
        async for event in cell.answers.answer(caller, request):
            released.append(event)  # noqa: PERF401 - what came out before a failure counts

    with closing(sqlite3.connect(cell.settings.data_dir / "domicile.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await asyncio.gather(
            cell.search.search(caller, SearchQuery("How many days of annual leave?")),
            answer(),
            cell.library.text(caller, document_id),
            return_exceptions=True,
        )
        other.execute("ROLLBACK")
    assert [type(each) for each in refused] == [AuditUnavailable] * 3
    assert released == []
    assert served.stored() == before
    assert (await cell.search.search(caller, SearchQuery("How many days of annual leave?"))).passages
