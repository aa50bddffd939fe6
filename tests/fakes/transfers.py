"""The transfer register in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domicile.domain.errors import AlreadyExists
from domicile.domain.transfers import TransferFilter, TransferRecord


@dataclass
class MemoryTransfers:
    """Implements ``TransferRepository`` over the entries of a unit of work."""

    rows: dict[UUID, TransferRecord]

    async def add(self, *records: TransferRecord) -> None:
        for record in records:
            if record.id in self.rows:
                raise AlreadyExists()
            self.rows[record.id] = record

    async def list(
        self, tenant_id: UUID, wanted: TransferFilter, *, after: UUID | None = None, limit: int = 100
    ) -> Sequence[TransferRecord]:
        found = [each for each in self.rows.values() if each.tenant_id in (tenant_id, None) and _fits(each, wanted)]
        earlier = [each for each in found if after is None or each.id < after]
        return sorted(earlier, key=lambda each: each.id, reverse=True)[:limit]


def _fits(record: TransferRecord, wanted: TransferFilter) -> bool:
    return (
        wanted.kind in (None, record.kind)
        and wanted.source in (None, record.source)
        and wanted.target in (None, record.target)
        and (wanted.since is None or record.time >= wanted.since)
        and (wanted.until is None or record.time < wanted.until)
    )
