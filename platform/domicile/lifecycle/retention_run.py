"""Carrying retention out: by a schedule, or at the operator's command.

Obligations, labelled where they are met:

1. Policy decides it, on the tenant and on each document and conversation, for the cell itself: one that forbids it stops it.
2. Each is one transaction with its audit event, so that a run which ends at any moment leaves nothing half done, and the next
   one goes on from there.
3. In that transaction everything is looked at again: holds first, then the rules, then whether they still say so of what was
   really removed. A hold, a new version or a new exchange at the same moment wins.
4. Nobody runs it twice at once.
5. A run of a tenant ends with one event that counts what it did by rule. It names nothing but numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog

from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes, RemovedDocument
from domicile.domain.errors import DependencyError, Forbidden, NotFound, RunUnderWay
from domicile.domain.principals import AuthenticationMethod, Caller, Tenant
from domicile.domain.retention import Due, DueCount, Kept, RetentionRule
from domicile.lifecycle.erasure_work import cell_caller
from domicile.policy.request import Decision, OwnedResource, Resource, TenantResource
from domicile.ports.clock import Clock
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork

#: What is read at once; each of it is removed in a transaction of its own.
BATCH = 100
_WORK = "retention"
_log = structlog.get_logger("domicile.lifecycle")


class RemoveDocument(Protocol):
    """Takes a document away within a transaction; raises ``NotFound``."""

    async def __call__(self, unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> RemovedDocument: ...


#: Removes what is left in other stores of a document that is gone.
Discard = Callable[[RemovedDocument], Awaitable[None]]
#: The same, of one that is known.
_Discard = Callable[[], Awaitable[object]]


def keys_only(keys: KeyRing) -> Discard:
    """For a process that has the database and the keys only: what is left is unreadable, and the service's daily sweep removes
    it."""

    async def destroy(removed: RemovedDocument) -> None:
        await keys.destroy(removed.attributes.tenant_id, removed.data_keys)

    return destroy


@dataclass(slots=True)
class RunReport:
    """What became of what was due, by the names of rules. ``denied`` counts what policy did not let go."""

    tenant: str
    removed: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)

    def facts(self) -> tuple[tuple[str, int], ...]:
        """For the audit log; what is zero is left out."""
        counted = (("removed", self.removed), ("held", self.held), ("denied", self.denied))
        return tuple((f"{what}:{rule}", n) for what, counts in counted for rule, n in sorted(counts.items()) if n)


class RetentionRun:
    """``remove`` and ``discard`` are how documents go; conversations go with their keys."""

    def __init__(
        self, *, database: Database, keys: KeyRing, gate: Gate, clock: Clock, remove: RemoveDocument, discard: Discard
    ) -> None:
        self._database = database
        self._keys = keys
        self._gate = gate
        self._clock = clock
        self._remove = remove
        self._discard = discard

    async def run(self, tenant: Tenant, method: AuthenticationMethod = AuthenticationMethod.OPERATOR) -> RunReport:
        """Everything that is due of one tenant. Raises ``Forbidden``, and ``RunUnderWay``."""
        async with self._database.alone(_WORK) as alone:  # (4)
            if not alone:
                raise RunUnderWay()
            return await self._run(tenant, method)

    async def run_all(self) -> AsyncGenerator[RunReport, None]:
        """By the schedule: every tenant that has rules, one after another. Does nothing while another process is at it."""
        async with self._database.alone(_WORK) as alone:  # (4)
            if not alone:
                return
            async with self._database.reading() as unit:
                tenants = await unit.tenants.all()
            for tenant in tenants:
                try:
                    yield await self._run(tenant, AuthenticationMethod.JOB)
                except Forbidden:  # Recorded by the gate; the next tenant's policies may permit it.
                    _log.warning("retention is forbidden", tenant_id=str(tenant.id))

    async def _run(self, tenant: Tenant, method: AuthenticationMethod) -> RunReport:
        report, now = RunReport(tenant.slug), self._clock.now()
        async with self._database.reading() as unit:
            rules = await unit.retention.rules(tenant.id)
            counts = await unit.retention.counts(tenant.id, rules, now)
        if not counts:
            return report
        caller = cell_caller(tenant, now, self._gate.cell_region, method)
        resource = TenantResource(tenant.id)
        decision = await self._gate.require(caller, Action.RETENTION_RUN, resource)  # (1)
        report.held.update(_held(counts))
        async for due in self._due(tenant, rules, now):
            await self._remove_due(caller, due, now, report)
        detail = report.facts()
        await self._gate.record(caller, Action.RETENTION_RUN, resource, Outcome.PERMITTED, decision, detail=detail)  # (5)
        return report

    async def _due(self, tenant: Tenant, rules: Sequence[RetentionRule], now: datetime) -> AsyncIterator[Due]:
        for kept in (Kept.DOCUMENTS, Kept.CONVERSATIONS):
            after: UUID | None = None
            while page := await self._page(kept, tenant, rules, now, after):
                for each in page:
                    yield each
                after = page[-1].id

    async def _page(
        self, kept: Kept, tenant: Tenant, rules: Sequence[RetentionRule], now: datetime, after: UUID | None
    ) -> Sequence[Due]:
        async with self._database.reading() as unit:
            due = unit.retention.due_documents if kept is Kept.DOCUMENTS else unit.retention.due_conversations
            return await due(tenant.id, rules, now, after=after, limit=BATCH)

    async def _remove_due(self, caller: Caller, due: Due, now: datetime, report: RunReport) -> None:
        tenant_id, of_document = caller.tenant.id, due.rule.kept is Kept.DOCUMENTS
        try:
            async with self._database.writing() as unit:  # (2)
                if await (unit.holds.on_documents if of_document else unit.holds.on_conversations)(tenant_id, [due.id]):  # (3)
                    report.held[due.rule.name] += 1
                    return
                find = unit.retention.due_documents if of_document else unit.retention.due_conversations
                still = await find(tenant_id, await unit.retention.rules(tenant_id), now, only=due.id)
                resource = await _resource(unit, tenant_id, due)
                (decision,) = self._gate.decide_each(caller, Action.RETENTION_RUN, [resource])  # (1)
                discard: _Discard | None = None
                if still and decision.allowed:
                    since, discard = await (self._document if of_document else self._conversation)(unit, tenant_id, due.id)
                    if since != still[0].since:  # (3) Another version was just published, or an answer added.
                        return
                    await unit.audit.append(self._event(caller, resource, decision, still[0]))
                    await unit.commit()
        except NotFound:  # Somebody else was quicker.
            return
        if discard is not None:
            report.removed[still[0].rule.name] += 1
            await _tidy(discard)
        elif still:
            await self._denied(caller, resource, decision, due, report)

    async def _document(self, unit: UnitOfWork, tenant_id: UUID, document_id: UUID) -> tuple[datetime, _Discard]:
        """Since when what was removed was as it was, and what removes the rest of it from other stores."""
        removed = await self._remove(unit, tenant_id, document_id)
        return removed.published_at, partial(self._discard, removed)

    async def _conversation(self, unit: UnitOfWork, tenant_id: UUID, conversation_id: UUID) -> tuple[datetime, _Discard]:
        removed = await unit.conversations.delete(tenant_id, conversation_id)
        return removed.updated_at, partial(self._keys.destroy, tenant_id, [removed.data_key_id])

    def _event(self, caller: Caller, resource: Resource, decision: Decision, due: Due) -> AuditEvent:
        return self._gate.event(
            caller,
            Action.RETENTION_RUN,
            resource,
            Outcome.PERMITTED,
            documents=(due.id,) if due.rule.kept is Kept.DOCUMENTS else (),
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(("rule", due.rule.name), ("days", due.rule.days)),
        )

    async def _denied(self, caller: Caller, resource: Resource, decision: Decision, due: Due, report: RunReport) -> None:
        report.denied[due.rule.name] += 1
        await self._gate.record(caller, Action.RETENTION_RUN, resource, Outcome.DENIED, decision)


async def _resource(unit: UnitOfWork, tenant_id: UUID, due: Due) -> DocumentAttributes | OwnedResource:
    if due.rule.kept is Kept.DOCUMENTS:
        return (await unit.documents.get(tenant_id, due.id)).attributes
    owner_id = (await unit.conversations.get(tenant_id, due.id)).principal_id
    return OwnedResource("conversation", due.id, tenant_id, owner_id)


async def _tidy(discard: _Discard) -> None:
    """It is gone and cannot be read; keys and bytes that cannot be removed now are the sweep's."""
    try:
        await discard()
    except DependencyError as error:
        _log.warning("leftovers of what was removed stay until the next sweep", error=error.slug)


def _held(counts: Mapping[str, DueCount]) -> dict[str, int]:
    return {name: each.held for name, each in counts.items() if each.held}
