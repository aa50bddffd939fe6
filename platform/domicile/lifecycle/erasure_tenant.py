"""Out of sight: everything of a tenant.

Obligations, labelled where they are met:

1. Nobody gets in any more before anything goes, and what others still take for a good credential has run out by then.
2. In each transaction holds are looked at: while there is one, nothing more goes. Before anything went, credentials too, it
   refuses.
3. The tenant's own row goes last, with all that refers to it: no new row of it can come after that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from domicile.access.gate import Gate
from domicile.domain.actions import Action
from domicile.domain.erasures import Erasure
from domicile.domain.errors import LegalHold
from domicile.domain.principals import Caller
from domicile.lifecycle.erasure_work import Refuses, Waits, removal
from domicile.policy.request import TenantResource
from domicile.ports.clock import Clock
from domicile.ports.repositories import Database, UnitOfWork

#: Documents or conversations in one transaction, so that no other writer waits long.
BATCH = 200
#: The count of rows that went beside what is noted by itself.
ROWS = "rows"


class TenantRemoval:
    """``settle`` waits until nothing that any process remembers of before still counts."""

    def __init__(self, *, database: Database, gate: Gate, clock: Clock, settle: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock
        self._settle = settle

    async def run(self, caller: Caller, erasure: Erasure) -> Erasure:
        """With the number of rows. Raises ``Waits`` and ``Refuses``."""
        erasure = await self._close(erasure)
        await self._settle()  # (1)
        async with self._database.reading() as unit:
            if await unit.erasing.has_unfinished_jobs(erasure.tenant_id):
                raise Waits("job-under-way")
        while await self._take(erasure):
            pass
        return await self._finish(caller, erasure)

    async def _close(self, erasure: Erasure) -> Erasure:
        """With a number of rows, which is 0 at first: that there is one says that the tenant was closed."""
        async with self._database.writing() as unit:
            if await _is_held(unit, erasure):  # (2)
                raise Waits(LegalHold.slug) if ROWS in erasure.counts else Refuses(LegalHold.slug)
            await unit.erasing.close_tenant(erasure.tenant_id)
            erasure = replace(erasure, counts={ROWS: 0, **erasure.counts})
            await unit.erasures.save(erasure)
            await unit.commit()
        return erasure

    async def _take(self, erasure: Erasure) -> bool:
        async with self._database.writing() as unit:
            if await _is_held(unit, erasure):  # (2)
                raise Waits(LegalHold.slug)
            taken = await unit.erasing.take(erasure.tenant_id, BATCH)
            await unit.erasures.note(erasure.id, taken, self._clock.now())
            await unit.commit()
        return bool(taken)

    async def _finish(self, caller: Caller, erasure: Erasure) -> Erasure:
        resource = TenantResource(erasure.tenant_id)
        (decision,) = self._gate.decide_each(caller, Action.ERASURE_RUN, [resource])
        async with self._database.writing() as unit:
            if await _is_held(unit, erasure):  # (2)
                raise Waits(LegalHold.slug)
            rows = await unit.erasing.remove_tenant(erasure.tenant_id)  # (3)
            erasure = replace(erasure, counts={**erasure.counts, ROWS: erasure.counts[ROWS] + rows})
            await unit.erasures.save(erasure)
            if rows:
                await unit.audit.append(removal(self._gate, caller, erasure, resource, decision, rows=rows))
            await unit.commit()
        return erasure


async def _is_held(unit: UnitOfWork, erasure: Erasure) -> bool:
    await unit.holds.on_documents(erasure.tenant_id, [])  # No hold is placed from here until the unit ends.
    return bool(await unit.holds.list(erasure.tenant_id, limit=1))
