"""The process is killed at each step of a document's way, with the real stores, and started again.

Run as a program, this file is the process that dies: ``FOLDER STEP ingest|withdraw``.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from sqlalchemy import text
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.embedder import HashEmbedder, HashSparseEncoder, WholeTextCounter
from tests.fakes.people import HOME, caller, collection, principal, tenant
from tests.fakes.policy import shipped_in_force
from tests.fakes.vector_index import sealed

from domicile.access.gate import Gate
from domicile.adapters.blobs.folder import FolderBlobStore
from domicile.adapters.db.database import SqlDatabase
from domicile.adapters.db.key_store import SqlKeyStore
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.file_provider import FileKeyProvider
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.parsers.confined import ConfinedParser
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import unseal
from domicile.domain.documents import Document, ItemState
from domicile.domain.values import Classification, Role
from domicile.ingestion.intake import Intake, IntakeLimits, Upload
from domicile.ingestion.pipeline import Models, Pipeline
from domicile.ingestion.stores import Stores
from domicile.ingestion.withdrawal import Withdrawal
from domicile.policy.scope import Everything, Field, OneOf, RetrievalScope
from domicile.ports.keys import ROOT_PROVIDER

ROOT = Path(__file__).resolve().parents[2]
STEPS = [
    "after-spool",
    "before-job-row",
    "after-job-row",
    "after-parse",
    "after-embed",
    "after-text-blob",
    "after-upsert",
    "before-publish",
    "inside-publish",
    "after-publish",
    "after-points-removed",
    "after-blobs-removed",
]
ACME = tenant("acme")
HANDBOOK = collection("handbook", ACME)
ADMIN = caller(principal("ada", ACME, role=Role.ADMINISTRATOR, clearance=Classification.RESTRICTED), ACME)
OLD = [("a.md", "# A\n\nThe old text of A.")]
NEW = [
    ("a.md", "# A\n\n" + "\n\n".join(f"The new text of A, part {part}. " + "More of it. " * 60 for part in range(12))),
    ("b.md", "# B\n\nThe text of B."),
    ("c.txt", "The text of C."),
]


class Killer:
    """Ends the process, as a power cut would, when its step is reached."""

    def __init__(self, step: str) -> None:
        self._step = step

    def at(self, step: str) -> None:
        if step == self._step:
            os._exit(9)


class DyingUnit:
    """A unit of work that may be its process's last."""

    def __init__(self, unit: Any, killer: Killer) -> None:
        self._unit, self._killer, self._published, self._deleted = unit, killer, False, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    async def __aenter__(self) -> DyingUnit:
        await self._unit.__aenter__()
        publish, add, delete = self._unit.documents.publish, self._unit.jobs.add, self._unit.documents.delete

        async def dying_publish(document: Document) -> Any:
            self._killer.at("before-publish")
            self._published = True
            replaced = await publish(document)
            self._killer.at("inside-publish")
            return replaced

        async def dying_add(job: Any) -> None:
            self._killer.at("before-job-row")
            await add(job)

        async def dying_delete(*which: UUID) -> Document:
            self._killer.at("before-delete")
            self._deleted = True
            return await delete(*which)

        self._unit.documents.publish, self._unit.jobs.add, self._unit.documents.delete = dying_publish, dying_add, dying_delete
        return self

    async def __aexit__(self, *reason: Any) -> None:
        await self._unit.__aexit__(*reason)

    async def commit(self) -> None:
        await self._unit.commit()
        if self._published:
            self._killer.at("after-publish")
        if self._deleted:
            self._killer.at("after-delete")


class DyingDatabase:
    """The database of a process that dies."""

    def __init__(self, database: SqlDatabase, killer: Killer) -> None:
        self._database, self._killer = database, killer

    def reading(self) -> Any:
        return self._database.reading()

    def writing(self) -> DyingUnit:
        return DyingUnit(self._database.writing(), self._killer)


class NoQueue:
    """Jobs are run by hand."""

    def __init__(self, killer: Killer) -> None:
        self._killer = killer

    async def enqueue(self, job_id: UUID, tenant_id: UUID) -> None:
        self._killer.at("after-job-row")


def dies_after(killer: Killer, target: Any, method: str, step_of: Any) -> None:
    """Have the process die after that method, at the step that its arguments say it is."""
    call = getattr(target, method)

    async def dying(*arguments: Any) -> Any:
        result = await call(*arguments)
        killer.at(step_of(*arguments))
        return result

    setattr(target, method, dying)


class Cell:
    """One process's view of a cell in a folder, of the real adapters; only the model is a fake, to be quick."""

    def __init__(self, folder: Path, step: str = "") -> None:
        killer, clock = Killer(step), SystemClock()
        self.database = SqlDatabase(f"sqlite+aiosqlite:///{folder}/domicile.sqlite3")
        provider = FileKeyProvider(folder / "keys" / "root.key", HOME)
        if not provider.exists():
            provider.create()
        self.blobs = FolderBlobStore(folder / "blobs")
        self.parser = ConfinedParser(processes=1)
        embedder = HashEmbedder()
        self.key_store = SqlKeyStore(SqlDatabase(f"sqlite+aiosqlite:///{folder}/keys/keys.db"))
        self.keys = StoredKeyRing(store=self.key_store, providers={ROOT_PROVIDER: provider}, region=HOME, clock=clock)
        points = EdgeVectorIndex.open(folder / "index", model="hash", dimensions=64)
        self.index = sealed(points, 64, keys=self.keys)
        database: Any = DyingDatabase(self.database, killer) if step else self.database
        if step:
            dies_after(killer, self.parser, "parse", lambda *_: "after-parse")
            dies_after(killer, embedder, "embed_passages", lambda *_: "after-embed")
            dies_after(killer, self.index, "upsert", lambda *_: "after-upsert")
            dies_after(killer, self.index, "delete_versions", lambda gone: "after-points-removed" if gone else "")
            dies_after(killer, self.blobs, "delete", lambda gone: "after-blobs-removed" if gone else "")
            dies_after(killer, self.blobs, "put", lambda key, _: "after-text-blob" if key.endswith("/text") else "")
            dies_after(killer, self.blobs, "put", lambda key, _: "after-spool" if key.endswith("/original") else "")
        gate = Gate(shipped_in_force(), MemoryAuditLog(), clock, HOME)
        self.intake = Intake(
            database=database,
            keys=self.keys,
            blobs=self.blobs,
            queue=NoQueue(killer),
            gate=gate,
            clock=clock,
            limits=IntakeLimits(),
        )
        self.withdrawal = Withdrawal(
            database=database,
            keys=self.keys,
            index=self.index,
            blobs=self.blobs,
            gate=gate,
        )
        self.pipeline = Pipeline(
            stores=Stores(database, self.keys, self.blobs, self.index),
            models=Models(embedder, HashSparseEncoder(), WholeTextCounter()),
            parser=self.parser,
            clock=clock,
            gate=gate,
            window_chunks=4,
        )

    async def populate(self) -> None:
        async with self.database.writing() as unit:
            await unit.tenants.add(ACME)
            await unit.principals.add(ADMIN.principal, None)
            await unit.collections.add(HANDBOOK)
            await unit.commit()

    async def ingest(self, files: Sequence[tuple[str, str]]) -> list[ItemState]:
        uploads = [Upload(name, content.encode()) for name, content in files]
        job = await self.intake.submit(ADMIN, HANDBOOK.id, uploads)
        await self.pipeline.run(job.id, job.tenant_id)
        async with self.database.reading() as unit:
            return [item.state for item in (await unit.jobs.get(ACME.id, job.id)).items]

    async def withdraw(self) -> None:
        """The old document, whose new version may be on its way."""
        await self.withdrawal.delete(ADMIN, uuid5(HANDBOOK.id, (await self._digest_of(OLD[0][0])).hex()))

    async def _digest_of(self, source: str) -> bytes:
        return hmac.digest(await self.keys.digest_key(ACME.id), source.encode(), "sha256")

    async def restart(self) -> None:
        """What a cell does when it starts."""
        await self.pipeline.sweep(timedelta(0))
        async with self.database.reading() as unit:
            unfinished = await unit.jobs.unfinished()
        for job_id, tenant_id in unfinished:
            await self.pipeline.run(job_id, tenant_id)

    async def close(self) -> None:
        await self.parser.close()
        await self.index.close()
        await self.database.close()
        await self.key_store.close()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Cell]:
    """The cell of that folder, in this process and without a step to die at."""
    cell = Cell(folder)
    try:
        yield cell
    finally:
        await cell.close()


@pytest.fixture(scope="module")
def _published(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path, _migrated_key_store: Path) -> Path:
    """A cell in which the old version of one document is published, to be copied."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copyfile(_migrated_file, folder / "domicile.sqlite3")
    (folder / "keys").mkdir(mode=0o700)
    shutil.copyfile(_migrated_key_store, folder / "keys" / "keys.db")

    async def publish() -> None:
        async with opened(folder) as cell:
            await cell.populate()
            assert await cell.ingest(OLD) == [ItemState.ADDED]

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, publish()).result()
    return folder


@pytest.fixture
def folder(_published: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test."""
    return Path(shutil.copytree(_published, tmp_path / "cell"))


@pytest.mark.parametrize("step", STEPS)
async def test_a_document_is_fully_there_or_resumes(folder: Path, step: str) -> None:
    """Nothing is half-visible after the crash; after a restart everything is there once, and nothing is left over."""
    assert await _die(folder, step) == 9
    async with opened(folder) as cell:
        await _assert_whole(cell)
        await cell.restart()
        accepted = step not in {"after-spool", "before-job-row"}
        assert await _texts(cell) == (NEW_TEXTS if accepted else OLD_TEXTS)
        await _assert_whole(cell)
        await _assert_nothing_over(cell)
        again = await cell.ingest(NEW)
        assert again == [ItemState.UNCHANGED if accepted else ItemState.ADDED] * 3
        assert await _texts(cell) == NEW_TEXTS
        await _assert_nothing_over(cell)


async def test_dying_again_while_resuming_changes_nothing(folder: Path) -> None:
    """A job may be interrupted any number of times, wherever."""
    for step in ("after-job-row", "after-upsert", "after-embed", "inside-publish", "after-publish"):
        assert await _die(folder, step) == 9
        async with opened(folder) as cell:
            await _assert_whole(cell)
    async with opened(folder) as cell:
        await cell.restart()
        assert await _texts(cell) == NEW_TEXTS
        await _assert_nothing_over(cell)


@pytest.mark.parametrize("step", ["after-job-row", "after-parse", "after-text-blob", "after-upsert", "inside-publish"])
async def test_a_withdrawn_document_does_not_come_back_with_a_job_that_died(folder: Path, step: str) -> None:
    """Wherever its new version was: the others of the job are published, and nothing is left over of it."""
    assert await _die(folder, step) == 9
    async with opened(folder) as cell:
        await cell.withdraw()
        await cell.restart()
        assert await _texts(cell) == WITHOUT_A
        await _assert_nothing_over(cell)
        assert await cell.ingest(NEW) == [ItemState.ADDED, ItemState.UNCHANGED, ItemState.UNCHANGED]
        assert await _texts(cell) == NEW_TEXTS
        await _assert_nothing_over(cell)


@pytest.mark.parametrize("step", ["before-delete", "after-delete", "after-points-removed", "after-blobs-removed"])
async def test_a_withdrawal_that_died_has_happened_or_not(folder: Path, step: str) -> None:
    """Together for the document and for its version that waits: both are gone after the restart, or both still come."""
    assert await _die(folder, "after-parse") == 9
    assert await _die(folder, step, "withdraw") == 9
    async with opened(folder) as cell:
        await cell.restart()
        assert await _texts(cell) == (NEW_TEXTS if step == "before-delete" else WITHOUT_A)
        await _assert_nothing_over(cell)


OLD_TEXTS = dict(OLD)
NEW_TEXTS = dict(NEW)
WITHOUT_A = dict(NEW[1:])
_ALL = RetrievalScope(Everything(), (), "")


async def _die(folder: Path, step: str, doing: str = "ingest") -> int:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, str(folder), step, doing), env={**os.environ, "PYTHONPATH": paths}
    )
    return await process.wait()


async def _documents(cell: Cell) -> list[Document]:
    async with cell.database.reading() as unit:
        return list(await unit.documents.list(_ALL))


async def _texts(cell: Cell) -> dict[str, str]:
    """The visible documents' extracted texts by source, decrypted."""
    found = {}
    for document in await _documents(cell):
        part = partial(_unsealed, cell, document)
        source = (await part(Part.TITLE, document.version.title_envelope)).decode().split('"source":"')[1].split('"')[0]
        blob = await cell.blobs.get(f"{ACME.id}/{document.id}/{document.version.id}/text")
        found[source] = (await part(Part.TEXT, blob)).decode()
    return found


async def _unsealed(cell: Cell, document: Document, part: Part, envelope: bytes) -> bytes:
    key = await cell.keys.open(ACME.id, document.version.data_key_id)
    return unseal(key, EncryptionContext(ACME.id, HOME, document.id, str(document.version.id), part), envelope)


async def _assert_whole(cell: Cell) -> None:
    """Every visible document has all its points, its original and its text, which opens with its key."""
    for document in await _documents(cell):
        scope = RetrievalScope(OneOf(Field.DOCUMENT, frozenset({str(document.id)})), (), "")
        assert await cell.index.count(scope) >= document.version.chunk_count
        assert document.version.id in await cell.index.version_ids()
        original = await cell.blobs.get(f"{ACME.id}/{document.id}/{document.version.id}/original")
        await _unsealed(cell, document, Part.ORIGINAL, original)
    assert set((await _texts(cell)).items()) <= {*OLD, *NEW}


async def _assert_nothing_over(cell: Cell) -> None:
    """The stores hold exactly what the visible documents are made of."""
    documents = await _documents(cell)
    assert await cell.index.count(_ALL) == sum(document.version.chunk_count for document in documents)
    assert await cell.index.version_ids() == {document.version.id for document in documents}
    blobs = {key async for key in cell.blobs.list("")}
    parts = ("original", "text")
    assert blobs == {f"{ACME.id}/{each.id}/{each.version.id}/{part}" for each in documents for part in parts}
    async with cell.database.reading_transaction() as open_:
        unchanged = await open_.all(text("SELECT data_key_id FROM job_items WHERE state = 'unchanged'"))
    named = {document.version.data_key_id for document in documents} | {UUID(row.data_key_id) for row in unchanged}
    made = await cell.keys.made_before(SystemClock().now() + timedelta(days=1), UUID(int=0), 1_000)
    assert {key_id for _, key_id in made} <= named


async def _live_and_die(folder: Path, step: str, doing: str) -> None:
    cell = Cell(folder, step)
    async with cell.database.reading() as unit:
        unfinished = await unit.jobs.unfinished()
    if doing == "withdraw":
        await cell.withdraw()
    elif unfinished:
        await cell.restart()
    else:
        await cell.ingest(NEW)


if __name__ == "__main__":
    asyncio.run(_live_and_die(Path(sys.argv[1]), *sys.argv[2:]))
