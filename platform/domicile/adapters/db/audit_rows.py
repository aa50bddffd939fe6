"""Writing audit entries at the end of a transaction. Positions are dense and in the order of commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select, text

from domicile.adapters.db.schema import audit_entries
from domicile.adapters.db.transaction import Transaction
from domicile.audit.encoding import encode
from domicile.audit.events import AuditEvent

_COLUMNS = tuple(column for column in audit_entries.c if column.name != "position")
# Each row takes the position after the last, also among those of one execution.
_APPEND = insert(audit_entries).from_select(
    ["position", *(column.name for column in _COLUMNS)],
    select(
        func.coalesce(func.max(audit_entries.c.position), 0) + 1,
        *(bindparam(column.name, type_=column.type) for column in _COLUMNS),
    ),
)
# SQLite has one writer. PostgreSQL's queue here until the one before has committed: a sequence would hand out positions
# that become visible out of order, and a reader who follows the log would miss some. The number is only ours.
_WAIT_FOR_THE_ONE_BEFORE = text("SELECT pg_advisory_xact_lock(7305804402)")


def row_of(event: AuditEvent) -> Mapping[str, Any]:
    """The entry's columns but for its position; raises as ``encode`` does."""
    return {
        "id": event.id,
        "tenant_id": event.tenant_id,
        "principal_id": event.principal_id,
        "time": event.time,
        "action": event.action.value,
        "outcome": event.outcome.value,
        "body": encode(event),
    }


async def write_and_commit(transaction: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append the rows last and commit at once, since on PostgreSQL everyone else who appends waits for it."""
    if not rows:
        await transaction.commit()
        return
    if transaction.on_postgres:
        await transaction.run(_WAIT_FOR_THE_ONE_BEFORE)
    await transaction.run_and_commit(_APPEND, rows)


class SqlAuditAppender:
    """Implements ``AuditAppender``: keeps the events until the unit of work commits, and writes them last."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._rows: list[Mapping[str, Any]] = []

    async def append(self, *events: AuditEvent) -> None:
        self._rows.extend(row_of(event) for event in events)

    async def write_and_commit(self) -> None:
        """Write what was appended, and commit the transaction."""
        rows, self._rows = self._rows, []
        await write_and_commit(self._transaction, rows)
