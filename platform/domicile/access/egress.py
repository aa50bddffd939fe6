"""Refused connections in the audit log: what this process tried to reach that nobody had declared.

The guard refuses at once and cannot wait for a database, so it keeps what it refused, and this writes it down. Nothing flowed,
so there is nothing that an audit event would have to come before; but none is lost while the log cannot be written.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from domicile.access.events import Detail
from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import DependencyError
from domicile.ports.egress import Attempt, Refusals

_SECONDS = 2.0


class EgressLedger:
    """Writes down what the guard of this process refused. No tenant is to blame: the events belong to the cell."""

    def __init__(self, refusals: Refusals, gate: Gate) -> None:
        self._refusals = refusals
        self._gate = gate

    async def flush(self) -> None:
        """One event for each different attempt. Raises ``AuditUnavailable``, and then keeps them for the next time."""
        attempts = self._refusals.taken()
        if not attempts:
            return
        with ExitStack() as undo:
            undo.callback(self._refusals.put_back, attempts)
            await self._gate.append(*(self._event(each, times) for each, times in attempts.items()))
            undo.pop_all()

    async def keep_flushed(self) -> None:
        """Flush every two seconds until cancelled. Call ``flush`` once more at the end."""
        while True:
            await asyncio.sleep(_SECONDS)
            try:
                await self.flush()
            except DependencyError:
                continue  # kept, and tried again at the next turn

    def _event(self, attempt: Attempt, times: int) -> AuditEvent:
        where: Detail = (("target", attempt.target), ("port", attempt.port), ("attempts", times))
        resource = f"endpoint:undeclared-{attempt.kind}"
        return self._gate.cell_event(Action.ENDPOINT_USE, resource, Outcome.DENIED, reason="egress-undeclared", detail=where)
