"""The transfer register: what may flow to another region, on which legal basis, and what did.

Obligations, labelled where they are met:

1. No unexpired entry of the policies' regions covers the flow: denied, and the denial is recorded before it is told.
2. Otherwise its entry in the register and its audit event are durable, together, before anything flows. What is registered
   may therefore not have happened, after a crash or a refusal; what happened is registered.
3. Which basis is missing or has expired is told to those who may read policies, and to nobody else.
4. Reading the register is itself an access.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.places import UNKNOWN
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import TransferDenied
from domicile.domain.principals import Caller
from domicile.domain.transfers import TransferFilter, TransferRecord, Unit
from domicile.domain.values import Region
from domicile.policy.regions import DataKind, RegionBook, Transfer
from domicile.policy.request import Decision, Resource, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.repositories import Database

#: What releases content, or names of content: whoever does it from another region has data flow there.
RELEASING = frozenset(
    {
        Action.COLLECTION_LIST,
        Action.DOCUMENT_LIST,
        Action.DOCUMENT_READ,
        Action.SEARCH_CREATE,
        Action.ANSWER_CREATE,
        Action.CONVERSATION_READ,
        Action.JOB_READ,
        Action.EXPORT_CREATE,
        Action.CONVERSATION_EXPORT,
    }
)
#: Entries that are read at once while all of them are written out.
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Flow:
    """Data of one kind on its way to another region; ``amount`` counts ``unit``, ``component`` is what it goes to, if any."""

    source: Region
    target: Region
    kind: DataKind
    amount: int
    unit: Unit
    component: str = ""

    def basis(self, book: RegionBook, on: date) -> Transfer | None:
        """The entry that permits it on that day."""
        return book.transfer(self.source, self.target, self.kind, on)

    @property
    def facts(self) -> tuple[tuple[str, str | int], ...]:
        """What the audit log says of it."""
        named = (("kind", self.kind.value), ("from", self.source.name), ("to", self.target.name))
        return (*named, ("amount", self.amount), ("unit", self.unit.value))


@dataclass(frozen=True, slots=True)
class Registered:
    """A flow that may happen: its entry in the register, and the entry of ``regions.yaml`` that permits it."""

    record: TransferRecord
    basis: Transfer


def registered(id_: UUID, flow: Flow, basis: Transfer, event: AuditEvent) -> Registered:
    """The entry that goes with the event, which says who and when."""
    record = TransferRecord(
        id=id_,
        time=event.time,
        tenant_id=event.tenant_id,
        principal_id=event.principal_id,
        credential_id=event.credential_id,
        kind=flow.kind.value,
        source=flow.source.name,
        target=flow.target.name,
        component=flow.component,
        entry=basis.id,
        basis=basis.basis,
        reference=basis.reference,
        amount=flow.amount,
        unit=flow.unit,
        bundle_digest=event.bundle_digest,
        audit_id=event.id,
        request_id=event.request_id,
    )
    return Registered(record, basis)


class TransferRegister:
    """Shared by everything that lets data cross a region's border."""

    def __init__(self, *, database: Database, gate: Gate, clock: Clock) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock

    async def require(self, caller: Caller, flow: Flow, action: Action, resource: Resource) -> Registered:
        """The flow's entry, durable. Raises ``TransferDenied``, audited, where it has no legal basis today.

        ``action`` on ``resource`` is what the audit log calls it. Raises ``DependencyError`` if it cannot be registered, and
        then nothing may flow.
        """
        basis = flow.basis(self._gate.regions, self._clock.now().date())
        if basis is None:
            await self._record_denial(caller, flow, action, resource)  # (1)
            raise self._denied(caller, flow)
        return await self._enter(caller, flow, basis, action, resource)  # (2)

    async def require_access(self, caller: Caller, actions: Sequence[Action]) -> None:
        """As ``require``, for a request of somebody in another region that may release content or names of content.

        ``actions`` are those that the request may come to. Does nothing where the caller's region is not known: that is a
        value of its own, which policy can deny.
        """
        if caller.access_region in (UNKNOWN, self._gate.cell_region.name) or RELEASING.isdisjoint(actions):
            return
        flow = Flow(self._gate.cell_region, Region(caller.access_region), DataKind.ACCESS, 1, Unit.REQUESTS)
        await self.require(caller, flow, actions[0], TenantResource(caller.tenant.id))

    async def read(
        self, caller: Caller, wanted: TransferFilter, *, after: UUID | None = None, limit: int = 100
    ) -> Sequence[TransferRecord]:
        """The tenant's entries and those that concern every tenant, the newest first. Raises ``Forbidden``."""
        await self._require_read(caller)
        return await self._page(caller, wanted, after, limit)

    async def export(self, caller: Caller, wanted: TransferFilter) -> AsyncIterator[TransferRecord]:
        """As ``read``, all of them: decided and recorded when this returns, read page by page after that."""
        await self._require_read(caller)
        return self._all(caller, wanted)

    async def _all(self, caller: Caller, wanted: TransferFilter) -> AsyncIterator[TransferRecord]:
        after: UUID | None = None
        while page := await self._page(caller, wanted, after, _PAGE):
            for each in page:
                yield each
            after = page[-1].id

    async def _require_read(self, caller: Caller) -> None:
        tenant = TenantResource(caller.tenant.id)
        decision = await self._gate.require(caller, Action.TRANSFER_READ, tenant)
        await self._gate.record(caller, Action.TRANSFER_READ, tenant, Outcome.PERMITTED, decision)  # (4)

    async def _page(self, caller: Caller, wanted: TransferFilter, after: UUID | None, limit: int) -> Sequence[TransferRecord]:
        async with self._database.reading() as unit:
            return await unit.transfers.list(caller.tenant.id, wanted, after=after, limit=limit)

    async def _enter(self, caller: Caller, flow: Flow, basis: Transfer, action: Action, resource: Resource) -> Registered:
        id_, digest = self._clock.new_id(), self._gate.bundle_digest(caller.tenant.id)
        detail = (("transfer", str(id_)), ("entry", basis.id), *flow.facts)
        event = self._gate.event(caller, action, resource, Outcome.PERMITTED, bundle_digest=digest, detail=detail)
        entered = registered(id_, flow, basis, event)
        async with self._database.writing() as unit:
            await unit.transfers.add(entered.record)
            await unit.audit.append(event)
            await unit.commit()
        return entered

    async def _record_denial(self, caller: Caller, flow: Flow, action: Action, resource: Resource) -> None:
        undecided = Decision(allowed=False, policies=(), bundle_digest=self._gate.bundle_digest(caller.tenant.id))
        await self._gate.record(
            caller, action, resource, Outcome.DENIED, undecided, reason=TransferDenied.slug, detail=flow.facts
        )

    def _denied(self, caller: Caller, flow: Flow) -> TransferDenied:
        if not self._gate.may_know(caller):  # (3)
            return TransferDenied()
        expired = flow.basis(self._gate.regions, date.min)  # on that day none had expired
        why = f"'{expired.id}' expired on {expired.expires}" if expired else "no entry covers it"
        return TransferDenied(
            f"Nothing in regions.yaml permits {flow.kind.value} to flow from {flow.source} to {flow.target}: {why}.",
            hint="The operator adds or renews an entry once its legal basis has been established.",
            kind=flow.kind.value,
            source=flow.source.name,
            target=flow.target.name,
            expired=expired.id if expired else None,
        )
