"""The transfer register: entries that are added and listed, and never anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, insert, or_, select

from domicile.adapters.db.schema import transfers
from domicile.adapters.db.transaction import Transaction
from domicile.domain.transfers import TransferFilter, TransferRecord, Unit

_ADD = insert(transfers)
_COLUMNS = tuple(column.name for column in transfers.c)


class SqlTransfers:
    """Implements ``TransferRepository``."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, *records: TransferRecord) -> None:
        rows = [{name: getattr(record, name) for name in _COLUMNS} for record in records]
        if rows:
            await self._transaction.run(_ADD, rows)

    async def list(
        self, tenant_id: UUID, wanted: TransferFilter, *, after: UUID | None = None, limit: int = 100
    ) -> Sequence[TransferRecord]:
        # Ids made later sort later, so they are the cursor and the order at once.
        page = select(transfers).where(*_conditions(tenant_id, wanted)).order_by(transfers.c.id.desc()).limit(limit)
        if after is not None:
            page = page.where(transfers.c.id < after)
        return [_record(row) for row in await self._transaction.all(page)]


def _conditions(tenant_id: UUID, wanted: TransferFilter) -> list[ColumnElement[bool]]:
    columns = transfers.c
    tests = [
        None if wanted.kind is None else columns.kind == wanted.kind,
        None if wanted.source is None else columns.source == wanted.source,
        None if wanted.target is None else columns.target == wanted.target,
        None if wanted.since is None else columns.time >= wanted.since,
        None if wanted.until is None else columns.time < wanted.until,
    ]
    return [or_(columns.tenant_id == tenant_id, columns.tenant_id.is_(None)), *(each for each in tests if each is not None)]


def _record(row: Row[Any]) -> TransferRecord:
    return TransferRecord(**{name: getattr(row, name) for name in _COLUMNS if name != "unit"}, unit=Unit(row.unit))
