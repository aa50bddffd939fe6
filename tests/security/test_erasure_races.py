"""An erasure at the same moment as new versions, searches and answers: nothing of it is left in any store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.cell import MemoryCell, open_memory_cell, populate

from domicile.answers.events import AnswerRequest
from domicile.domain.erasures import ErasureKind, ErasureState
from domicile.domain.errors import DomicileError
from domicile.domain.principals import Caller
from domicile.lifecycle.erasures import Wanted
from domicile.retrieval.search import SearchQuery

SOURCE = "handbook/ferry.md"
WORD = "quokkaberry"
QUESTION = f"When does the {WORD} ferry leave?"


@pytest_asyncio.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


def text(version: int) -> str:
    return f"# Ferry\n\nThe {WORD} ferry leaves at {version} o'clock.\n"


async def ask(cell: MemoryCell, who: Caller, times: int) -> None:
    for _ in range(times):
        with suppress(DomicileError):
            async for _event in cell.answers.answer(who, AnswerRequest(QUESTION)):
                await asyncio.sleep(0)


async def search(cell: MemoryCell, who: Caller, times: int) -> None:
    for _ in range(times):
        with suppress(DomicileError):
            await cell.search.search(who, SearchQuery(QUESTION))
        await asyncio.sleep(0)


async def publish(cell: MemoryCell, times: int) -> None:
    for version in range(times):
        with suppress(DomicileError, AssertionError):  # A version that was under way fails.
            await cell.ingest("ada", "handbook", {SOURCE: text(version)})


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05])
async def test_nothing_is_left_of_what_is_in_use(cell: MemoryCell, delay: float) -> None:
    """Whatever comes first: once the erasure is done and all that was under way has ended, no store knows it any more."""
    ada = await cell.caller("ada")
    (document,) = await cell.ingest("ada", "handbook", {SOURCE: text(0)})
    await ask(cell, ada, 1)
    under_way = [asyncio.create_task(each) for each in (ask(cell, ada, 8), search(cell, ada, 20), publish(cell, 3))]
    await asyncio.sleep(delay)
    erasure = await cell.erasures.request(ada, Wanted(ErasureKind.DOCUMENT, str(document), "request-7"))
    await cell.erasure_run.run_due()
    await asyncio.gather(*under_way)
    await cell.queue.join()
    # What was brought in again after it was over is new, and goes with an erasure of its own.
    await cell.erasure_run.run_due()
    assert (await cell.erasures.get(ada, erasure.id)).state is ErasureState.DONE
    with suppress(DomicileError):
        await cell.erasures.request(ada, Wanted(ErasureKind.DOCUMENT, str(document), "request-8"))
        await cell.erasure_run.run_due()
    assert [point for point in cell.index.points.values() if point.attributes.document_id == document] == []
    for view in await cell.conversations.list(ada):
        whole = await cell.conversations.get(ada, view.id)
        assert all(str(document) not in repr(each.body) and SOURCE not in repr(each.body) for each in whole.exchanges)
    found = await cell.search.search(ada, SearchQuery(QUESTION))
    assert SOURCE not in {each.title.source for each in found.passages}
    async with cell.database.reading() as unit:
        assert await unit.documents.many([document], ada.tenant.id) == {}
        assert await unit.jobs.pending_of(ada.tenant.id, [document]) == []
