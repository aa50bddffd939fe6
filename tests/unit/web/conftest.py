"""One populated cell for each test module: the tests read it, and those that change it use names of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.cell import MemoryCell, open_memory_cell, populate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cell(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MemoryCell]:
    folder: Path = tmp_path_factory.mktemp("cell")
    async with open_memory_cell(folder) as made:
        await populate(made)
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The cell belongs to its module's event loop, so every test of this folder runs on that."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
