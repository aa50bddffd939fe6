"""The process is killed at each step of an erasure, with the real stores, and started again.

Run as a program, this file is the process that dies: ``FOLDER STEP``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.receipts import memory_erasure_signer
from tests.integration.test_ingest_crash import ACME, ADMIN, HOME, OLD, Cell, opened

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.adapters.identity.clock import SystemClock
from domicile.answers.history import About, ExchangeBody, History
from domicile.crypto.erasure_receipt import verify
from domicile.crypto.signatures import SigningKey
from domicile.domain.documents import ItemState
from domicile.domain.erasures import Erasure, ErasureKind, ErasureState, Stage
from domicile.ingestion.removal import erase_document
from domicile.lifecycle.erasure_run import ErasureRun
from domicile.lifecycle.erasure_stores import ErasableStores
from domicile.lifecycle.erasures import ErasureBook, Wanted
from domicile.policy.scope import Everything, RetrievalScope

ROOT = Path(__file__).resolve().parents[2]
ALL = RetrievalScope(Everything(), (), "")
PERSON = "p-4711"
WORK = [stage for stage in Stage if stage is not Stage.READ_BACK]
INSIDE_ROWS = "inside-rows"
STEPS = [
    INSIDE_ROWS,
    *(f"{when}-{stage.value}" for stage in WORK for when in ("before", "after")),
    "after-read-back",
    "before-receipts-are-stored",
    "after-receipts-are-stored",
]


def erasing(cell: Cell) -> ErasureRun:
    stores = ErasableStores(cell.database, cell.keys, cell.key_store, cell.index, cell.blobs)
    return ErasureRun(
        stores=stores,
        gate=gate_of(cell),
        clock=SystemClock(),
        erase_document=erase_document,
        signer=memory_erasure_signer(),
        settle_seconds=0.0,
    )


def gate_of(cell: Cell) -> Gate:
    gate: Gate = cell.withdrawal._gate
    return gate


def dies(run: Any, step: str) -> None:
    """Have the process end, as a power cut would, at that step of the run."""
    when, _, what = step.partition("-")
    done, finish = run._done, run._finish

    async def dying_done(caller: Any, erasure: Erasure) -> Erasure:
        here = what == erasure.stage.value
        dies_now(here and when == "before")
        result: Erasure = await done(caller, erasure)
        dies_now(here and when == "after")
        return result

    async def dying_finish(*arguments: Any) -> Erasure:
        dies_now(step == "after-read-back")
        result: Erasure = await finish(*arguments)
        dies_now(step == "after-receipts-are-stored")
        return result

    async def dying_note(unit: Any, erasure: Erasure, objects: Any) -> None:
        await unit.erasures.note(erasure.id, objects, SystemClock().now())
        dies_now(step == INSIDE_ROWS)

    run._done, run._finish, run._rows._note = dying_done, dying_finish, dying_note
    if step == "before-receipts-are-stored":
        run._signer.sign = lambda *_, **__: os._exit(9)


def dies_now(really: bool) -> None:
    if really:
        os._exit(9)


@pytest.fixture(scope="module")
def _prepared(tmp_path_factory: pytest.TempPathFactory, _migrated_file: Path, _migrated_key_store: Path) -> Path:
    """A cell with a document about somebody and a conversation that quotes it, to be copied."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copyfile(_migrated_file, folder / "domicile.sqlite3")
    (folder / "keys").mkdir(mode=0o700)
    shutil.copyfile(_migrated_key_store, folder / "keys" / "keys.db")

    async def prepare() -> None:
        async with opened(folder) as cell:
            await cell.populate()
            assert await cell.ingest(OLD) == [ItemState.ADDED]
            async with cell.database.reading() as unit:
                (document,) = await unit.documents.list(ALL)
            history = History(database=cell.database, keys=cell.keys, clock=SystemClock(), region=HOME)
            about = About(frozenset({document.id}), frozenset(), SystemClock().now())
            talk = await history.begin(ADMIN, "Question?", about)
            body = ExchangeBody("Question?", "Answer.", True, True, "scripted", "eu-de")
            await history.add(talk, SystemClock().new_id(), body, about)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, prepare()).result()
    return folder


@pytest.fixture
def folder(_prepared: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test."""
    return Path(shutil.copytree(_prepared, tmp_path / "cell"))


@pytest.mark.parametrize(
    ("step", "kind"),
    # A tenant's rows go by other statements than those that "inside-rows" is within.
    [*((step, ErasureKind.DOCUMENT) for step in STEPS), *((step, ErasureKind.TENANT) for step in STEPS if step != INSIDE_ROWS)],
)
async def test_an_erasure_that_died_is_brought_to_its_end(folder: Path, step: str, kind: ErasureKind) -> None:
    """With the receipts that it would have had; nothing is left in any store."""
    asked = await _ask(folder, kind)
    assert await _die(folder, step) == 9
    async with opened(folder) as cell:
        await erasing(cell).run_due()
        async with cell.database.reading() as unit:
            done = await unit.erasures.get(asked.id)
            left = [await unit.documents.list(ALL), await unit.conversations.of_principal(ACME.id, ADMIN.principal.id)]
        assert (done.state, done.waiting, left) == (ErasureState.DONE, None, [[], []])
        receipts = verify(done.receipts or b"", SigningKey(b"receipts" * 4).public)
        counts = {each.store.value: (each.before, each.removed, each.found_after) for each in receipts}
        assert counts["vector-index"] == (1, 1, 0)
        assert counts["blob-store"] == (2, 2, 0)
        assert counts["key-store"][1:] == ((2, 0) if kind is ErasureKind.DOCUMENT else (counts["key-store"][0], 0))
        assert counts["database"][2] == 0
        assert await cell.index.version_ids() == frozenset()
        assert [key async for key in cell.blobs.list("")] == []
        if kind is ErasureKind.TENANT:
            assert await cell.key_store.tenant_keys(ACME.id) == []


async def test_dying_again_and_again_changes_nothing(folder: Path) -> None:
    """At one step after the other, of one and the same erasure."""
    asked = await _ask(folder, ErasureKind.DOCUMENT)
    for step in STEPS[:-1]:
        assert await _die(folder, step) == 9
    async with opened(folder) as cell:
        await erasing(cell).run_due()
        async with cell.database.reading() as unit:
            assert (await unit.erasures.get(asked.id)).state is ErasureState.DONE


async def _ask(folder: Path, kind: ErasureKind) -> Erasure:
    async with opened(folder) as cell:
        async with cell.database.reading() as unit:
            (document,) = await unit.documents.list(ALL)
        book = ErasureBook(database=cell.database, keys=cell.keys, gate=gate_of(cell), clock=SystemClock())
        operator = Administration.operator_caller(ACME, SystemClock().now())
        target = str(document.id) if kind is ErasureKind.DOCUMENT else ""
        return await book.request(operator, Wanted(kind, target, "request-7"))


async def _die(folder: Path, step: str) -> int:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)])}
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, str(folder), step, env=environment)
    return await process.wait()


async def _main(folder: Path, step: str) -> None:
    async with opened(folder) as cell:
        run = erasing(cell)
        dies(run, step)
        await run.run_due()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2]))
