"""Reading the audit log, which is itself an access."""

from __future__ import annotations

from collections.abc import Sequence

from domicile.access.gate import Gate
from domicile.audit.events import AuditEntry, Outcome
from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.policy.request import TenantResource
from domicile.ports.audit_log import AuditLog


class Journal:
    def __init__(self, *, log: AuditLog, gate: Gate) -> None:
        self._log = log
        self._gate = gate

    async def read(self, caller: Caller, *, after: int = 0, limit: int = 100) -> Sequence[AuditEntry]:
        """The tenant's entries, the newest first, before that position. Reading them is an entry, too."""
        tenant = TenantResource(caller.tenant.id)
        decision = await self._gate.require(caller, Action.AUDIT_READ, tenant)
        await self._gate.record(caller, Action.AUDIT_READ, tenant, Outcome.PERMITTED, decision)
        return await self._log.read(tenant.tenant_id, after=after, limit=limit)
