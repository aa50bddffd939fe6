"""Decisions with their audit events.

Obligations of an access, labelled where they are met:

1. Decide before anything is looked at that the answer could reveal.
2. Record a refusal before it is told.
3. Record a permitted access, durably, before its content is released.

A use case owes (3) itself, at the point where it knows which documents and chunks it is about to release; ``permitted`` and
``record`` are there for that. The gate meets (1) and (2).

Policies may change between two uses of the gate. Within one, decision, reasons and digest are those of the same policies.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Unpack
from uuid import UUID

from domicile.access.events import Detail, EventFields, event_of
from domicile.access.inforce import PoliciesInForce
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import CallerError, DomicileError, Forbidden, NotFound
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.decision import DecisionPoint
from domicile.policy.explanation import Explanation, PolicyText, explain, texts
from domicile.policy.regions import RegionBook
from domicile.policy.request import Decision, Request, Resource, TenantResource
from domicile.policy.scope import RetrievalScope
from domicile.ports.audit_log import AuditLog
from domicile.ports.clock import Clock


class Gate:
    """Shared by all use cases of a cell."""

    def __init__(self, in_force: PoliciesInForce, log: AuditLog, clock: Clock, cell_region: Region) -> None:
        self._in_force = in_force
        self._log = log
        self._clock = clock
        self.cell_region = cell_region

    def now(self) -> datetime:
        """For callers that are no request: jobs, and the cell itself."""
        return self._clock.now()

    @property
    def platform_digest(self) -> str:
        """Of the platform's policies that are in force now."""
        return self._in_force.platform.bundle.digest

    def bundle_digest(self, tenant_id: UUID) -> str:
        """Of the policies that are in force for that tenant now."""
        return self._in_force.of(tenant_id).bundle.digest

    @property
    def regions(self) -> RegionBook:
        """Regions and the transfers between them, by the policies that are in force now."""
        return self._in_force.platform.bundle.regions

    async def require(self, caller: Caller, action: Action, resource: Resource) -> Decision:
        """The decision if it permits; otherwise raises ``Forbidden``, or ``NotFound`` for another tenant's resource."""
        decisions = self._in_force.of(caller.tenant.id)
        decision = decisions.decide(Request(caller, action, resource, self.cell_region))  # (1)
        if decision.allowed:
            return decision
        await self.record(caller, action, resource, Outcome.DENIED, decision)  # (2)
        if _foreign(caller, resource):
            raise NotFound()
        raise self._refusal(decisions, caller, decision)

    def _refusal(self, decisions: DecisionPoint, caller: Caller, decision: Decision) -> Forbidden:
        """Which policies refused, and why, for those who may read policies; for others nothing but that it is refused."""
        if not self._may_know(decisions, caller):
            return Forbidden()
        reasons = [decisions.bundle.reasons.get(each, "") for each in decision.policies]
        return Forbidden(policies=list(decision.policies), reasons=reasons or ["No policy permits it."])

    def may_know(self, caller: Caller) -> bool:
        """Whether the caller may be told why something was refused."""
        return self._may_know(self._in_force.of(caller.tenant.id), caller)

    def _may_know(self, decisions: DecisionPoint, caller: Caller) -> bool:
        asked = Request(caller, Action.POLICY_READ, TenantResource(caller.tenant.id), self.cell_region)
        return decisions.decide(asked).allowed

    async def scope(self, caller: Caller, action: Action = Action.DOCUMENT_READ) -> RetrievalScope:
        """What the caller may read, as a filter. May admit nothing; that is not an error."""
        return self._in_force.of(caller.tenant.id).scope(caller, action, self.cell_region)

    @property
    def policies_signed_by(self) -> str:
        """Id of the key that the policies in force were verified with; empty where no signature is required."""
        return self._in_force.platform.bundle.signed_by

    def decide_each(self, caller: Caller, action: Action, resources: Sequence[Resource]) -> Sequence[Decision]:
        """The full decision for each resource: for hits that a scope already admitted, and for lists of what may show."""
        return self._in_force.of(caller.tenant.id).decide_many(
            [Request(caller, action, each, self.cell_region) for each in resources]
        )

    def decide_at(self, caller: Caller, action: Action, resource: Resource, region: Region) -> Decision:
        """What the decision were in a cell of that region, for those who are to be sent there. Releases nothing here."""
        return self._in_force.of(caller.tenant.id).decide(Request(caller, action, resource, region))

    def decide_all(self, tenant_id: UUID, requests: Sequence[Request]) -> Sequence[Decision]:
        """How each of those would be decided now, by whichever caller of that tenant: for replays. Releases nothing."""
        return self._in_force.of(tenant_id).decide_many(requests)

    def explain(self, caller: Caller, action: Action, resource: Resource) -> Explanation:
        """Why that would be decided as it would, for those who may read policies; raises ``CallerError``. Releases nothing."""
        try:
            return explain(self._in_force.of(caller.tenant.id), Request(caller, action, resource, self.cell_region))
        except ValueError:
            raise CallerError("No policy can be asked about that.", hint="Check the names for characters.") from None

    def policies_in_force(self, tenant_id: UUID) -> Sequence[PolicyText]:
        """Those that decide for that tenant, as they are written, for those who may read policies."""
        bundle = self._in_force.of(tenant_id).bundle
        return texts(bundle.sources, bundle.reasons)

    def event(
        self, caller: Caller, action: Action, resource: Resource, outcome: Outcome, **fields: Unpack[EventFields]
    ) -> AuditEvent:
        """An event about this access, to be appended in the use case's own transaction."""
        return event_of(self._clock, caller, action, resource, outcome, **fields)

    def cell_event(
        self, action: Action, resource: str, outcome: Outcome, *, bundle_digest: str = "", reason: str = "", detail: Detail = ()
    ) -> AuditEvent:
        """An event of the cell itself, which no caller is the cause of; it belongs to no tenant, and every tenant sees it."""
        return AuditEvent(
            id=self._clock.new_id(),
            time=self._clock.now(),
            tenant_id=None,
            principal_id=None,
            credential_id=None,
            method="cell",
            access_region=self.cell_region.name,
            action=action,
            resource=resource,
            outcome=outcome,
            bundle_digest=bundle_digest,
            reason=reason,
            detail=detail,
        )

    async def record(
        self,
        caller: Caller,
        action: Action,
        resource: Resource,
        outcome: Outcome,
        decision: Decision,
        **fields: Unpack[EventFields],
    ) -> UUID:
        """Append the event durably and give its id; raises ``AuditUnavailable``, and then nothing may be released."""
        fields.setdefault("policies", decision.policies)
        fields.setdefault("bundle_digest", decision.bundle_digest)
        event = self.event(caller, action, resource, outcome, **fields)
        await self._log.append(event)
        return event.id

    @asynccontextmanager
    async def completing(
        self, caller: Caller, action: Action, resource: Resource, decision: Decision, **fields: Unpack[EventFields]
    ) -> AsyncIterator[None]:
        """For what comes after a permitted access was recorded: if that fails, such as because stored bytes do not open, it is
        recorded too, before it is told."""
        try:
            yield
        except DomicileError as error:
            fields["reason"] = error.slug
            await self.record(caller, action, resource, Outcome.FAILED, decision, **fields)
            raise

    async def append(self, *events: AuditEvent) -> None:
        """Append events that no decision led to, such as a failed authentication; durable when it returns, or raises."""
        await self._log.append(*events)


def _foreign(caller: Caller, resource: Resource) -> bool:
    """Whether the resource lies in another tenant, whose very existence must not show."""
    tenant_id = getattr(resource, "tenant_id", None)
    return tenant_id is not None and tenant_id != caller.tenant.id
