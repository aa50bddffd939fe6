"""A cell with documents, and what looks after how long they are kept."""

from __future__ import annotations

import pytest
from tests.unit.ingestion.cell import IngestCell

from domicile.adapters.db.database import SqlDatabase
from domicile.lifecycle.holds import LegalHolds


@pytest.fixture
async def cell(sqlite_database: SqlDatabase) -> IngestCell:
    """A cell with two tenants, nothing ingested."""
    made = IngestCell(sqlite_database)
    await made.populate()
    return made


@pytest.fixture
def holds(cell: IngestCell) -> LegalHolds:
    return LegalHolds(database=cell.database, keys=cell.keys, gate=cell.gate, clock=cell.clock)
