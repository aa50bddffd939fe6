"""What names of resources stand for: accounts, which belong to the people whose they are."""

from __future__ import annotations

import pytest
from tests.fakes.cell import MemoryCell, open_memory_cell, populate

from domicile.access.resources import find_resource
from domicile.domain.errors import NotFound
from domicile.policy.request import OwnedResource


@pytest.fixture
async def cell(tmp_path):
    async with open_memory_cell(tmp_path) as opened:
        await populate(opened)
        yield opened


async def test_an_account_is_its_owners_within_its_tenant(cell: MemoryCell) -> None:
    """Another tenant's is like one that never was."""
    mia, gil = cell.people["mia"], cell.people["gil"]
    async with cell.database.reading() as unit:
        found = await find_resource(unit, mia.tenant.id, f"account:{mia.principal.id}")
        assert found == OwnedResource("account", mia.principal.id, mia.tenant.id, mia.principal.id)
        with pytest.raises(NotFound):
            await find_resource(unit, mia.tenant.id, f"account:{gil.principal.id}")
