"""A cell to read from."""

from __future__ import annotations

import pytest
from tests.fakes.reading import ReadingCell

from domicile.adapters.db.database import SqlDatabase


@pytest.fixture
async def cell(sqlite_database: SqlDatabase) -> ReadingCell:
    return await ReadingCell(sqlite_database).prepare()
