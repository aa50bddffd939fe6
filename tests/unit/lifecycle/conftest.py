"""A cell with documents, and what looks after how long they are kept."""

from __future__ import annotations

import pytest
from tests.unit.ingestion.cell import IngestCell

from domicile.adapters.db.database import SqlDatabase
from domicile.ingestion.removal import Leftovers, remove_document
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.retention import RetentionBook
from domicile.lifecycle.retention_run import RetentionRun


@pytest.fixture
async def cell(database: SqlDatabase) -> IngestCell:
    """A cell with two tenants, nothing ingested; over each of the two databases."""
    made = IngestCell(database)
    await made.populate()
    return made


@pytest.fixture
def holds(cell: IngestCell) -> LegalHolds:
    return LegalHolds(database=cell.database, keys=cell.keys, gate=cell.gate, clock=cell.clock)


@pytest.fixture
def book(cell: IngestCell) -> RetentionBook:
    return RetentionBook(database=cell.database, gate=cell.gate, clock=cell.clock, floor_days=183)


@pytest.fixture
def retention(cell: IngestCell) -> RetentionRun:
    leftovers = Leftovers(keys=cell.keys, index=cell.index, blobs=cell.blobs)
    return RetentionRun(
        database=cell.database,
        keys=cell.keys,
        gate=cell.gate,
        clock=cell.clock,
        remove=remove_document,
        discard=leftovers.discard,
    )
