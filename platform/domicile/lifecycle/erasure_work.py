"""What the steps of an erasure share, and retention with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domicile.access.administration import Administration
from domicile.access.gate import Gate
from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.erasures import Erasure
from domicile.domain.errors import NotFound
from domicile.domain.principals import AuthenticationMethod, Caller, Tenant
from domicile.domain.values import Region
from domicile.policy.request import Decision, Resource
from domicile.ports.repositories import UnitOfWork

#: Smaller than every id that a clock makes.
FIRST = UUID(int=0)


class Waits(Exception):
    """The erasure cannot go on now, and is tried again: ``reason`` is a slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refuses(Exception):
    """The erasure may not be carried out, and nothing of it was: ``reason`` is a slug."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def tenant_or_its_id(unit: UnitOfWork, tenant_id: UUID, region: Region) -> Tenant:
    """The tenant; of one that is erased the id is all that there is."""
    try:
        return await unit.tenants.get(tenant_id)
    except NotFound:
        return Tenant(tenant_id, "erased", "Erased", region)


def cell_caller(
    tenant: Tenant, at: datetime, region: Region, method: AuthenticationMethod = AuthenticationMethod.JOB
) -> Caller:
    """The cell itself, carrying out what somebody asked for."""
    return replace(Administration.operator_caller(tenant, at), method=method, access_region=region.name)


def removal(gate: Gate, caller: Caller, erasure: Erasure, resource: Resource, decision: Decision, **counted: int) -> AuditEvent:
    """The event of one thing that goes, to be appended with its removal."""
    return gate.event(
        caller,
        Action.ERASURE_RUN,
        resource,
        Outcome.PERMITTED,
        documents=(resource.document_id,) if isinstance(resource, DocumentAttributes) else (),
        policies=decision.policies,
        bundle_digest=decision.bundle_digest,
        detail=(("erasure", str(erasure.id)), *counted.items()),
    )
