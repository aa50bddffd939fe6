"""One cell for each ingestion test."""

from __future__ import annotations

import pytest
from tests.unit.ingestion.cell import IngestCell

from domicile.adapters.db.database import SqlDatabase


@pytest.fixture
async def cell(sqlite_database: SqlDatabase) -> IngestCell:
    """A cell with two tenants, nothing ingested."""
    made = IngestCell(sqlite_database)
    await made.populate()
    return made
