"""Components in other regions, to which data flows for as long as the cell runs: stores and telemetry, not the model.

Obligations, labelled where they are met:

1. Each of their flows is in the transfer register before data flows: each time the cell starts.
2. A cell of which one loses its legal basis ends, since it would not start either. Nothing less stops all that flows: jobs
   write to the stores and telemetry goes out whether or not anybody sends a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.transfers import Flow, registered
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import DependencyError, ResidencyViolation, TransferDenied
from domicile.policy.regions import Transfer
from domicile.ports.clock import Clock
from domicile.ports.repositories import Database

#: Seconds that data may go on flowing after a basis has ended. A bundle without it is not put in force at all.
_SECONDS = 5.0


class StandingFlows:
    """No tenant is the cause of these flows, so their entries and events belong to the cell, and every tenant sees them."""

    def __init__(self, flows: Sequence[Flow], *, database: Database, gate: Gate, clock: Clock) -> None:
        self._flows = tuple(flows)
        self._database = database
        self._gate = gate
        self._clock = clock

    async def enter(self) -> None:
        """Register all of them, durably. Raises ``ResidencyViolation`` as ``require`` does."""
        bases = self.require()
        if not bases:
            return
        async with self._database.writing() as unit:
            for flow, basis in bases:  # (1)
                id_ = self._clock.new_id()
                event = self._event(flow, Outcome.PERMITTED, id_, basis)
                await unit.transfers.add(registered(id_, flow, basis, event).record)
                await unit.audit.append(event)
            await unit.commit()

    def require(self) -> Sequence[tuple[Flow, Transfer]]:
        """Each flow with what permits it today. Raises ``ResidencyViolation``, naming every one that nothing permits."""
        today, book = self._clock.now().date(), self._gate.regions
        bases = [(each, each.basis(book, today)) for each in self._flows]
        faults = [f"{each.kind.value} to the {each.component} in {each.target}" for each, basis in bases if basis is None]
        if faults:
            raise ResidencyViolation(
                f"Nothing in regions.yaml permits this any more: {'; '.join(faults)}.",
                hint="Renew the legal basis in regions.yaml, or use a component in the cell's region; then start again.",
            )
        return [(each, basis) for each, basis in bases if basis is not None]

    async def watch(self, stop: asyncio.Event) -> None:
        """Look every five seconds; when a flow has lost its basis, record that, set ``stop`` and return."""
        while True:
            await asyncio.sleep(_SECONDS)
            try:
                self.require()
            except ResidencyViolation:
                with suppress(DependencyError):  # the cell ends whether or not that can still be written
                    await self._record_end()
                stop.set()  # (2)
                return

    async def _record_end(self) -> None:
        today = self._clock.now().date()
        lapsed = [each for each in self._flows if each.basis(self._gate.regions, today) is None]
        await self._gate.append(*(self._event(each, Outcome.DENIED) for each in lapsed))

    def _event(self, flow: Flow, outcome: Outcome, id_: UUID | None = None, basis: Transfer | None = None) -> AuditEvent:
        named = (("transfer", str(id_)), ("entry", basis.id)) if basis else ()
        return self._gate.cell_event(
            Action.ENDPOINT_USE,
            f"endpoint:{flow.component}",
            outcome,
            bundle_digest=self._gate.platform_digest,
            reason="" if basis else TransferDenied.slug,
            detail=(*named, *flow.facts),
        )
