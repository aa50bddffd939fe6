"""How an audit event is made from a caller and what it touched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict, Unpack, assert_never
from uuid import UUID

from domicile.audit.events import AuditEvent, Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import Caller, Grant
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Resource, TenantResource
from domicile.ports.clock import Clock

#: The names of details that every event of an authenticated caller has, or has where they apply.
ROLE, CLEARANCE, STRENGTH, DISABLED, NARROWED = "role", "clearance", "strength", "disabled", "narrowed"
PURPOSE, ENDPOINT_REGION = "purpose", "endpoint_region"


#: Further facts of an event by fixed names.
Detail = tuple[tuple[str, str | int], ...]


class EventFields(TypedDict, total=False):
    """What an access may add to its event."""

    documents: tuple[UUID, ...]
    chunks: tuple[UUID, ...]
    policies: tuple[str, ...]
    bundle_digest: str
    model: str
    model_region: str
    reason: str
    detail: Detail


def resource_name(resource: Resource) -> str:
    """``kind:id``, as the audit log names it."""
    match resource:
        case DocumentAttributes():
            return f"document:{resource.document_id}"
        case CollectionResource():
            return f"collection:{resource.collection_id}"
        case TenantResource():
            return f"tenant:{resource.tenant_id}"
        case OwnedResource():
            return f"{resource.kind}:{resource.id}"
        case EndpointResource():
            return f"endpoint:{resource.kind}"
        case _:
            assert_never(resource)


def event_of(
    clock: Clock, caller: Caller, action: Action, resource: Resource, outcome: Outcome, **fields: Unpack[EventFields]
) -> AuditEvent:
    """The event of one access by an authenticated caller."""
    if caller.purpose:
        fields["detail"] = (*fields.get("detail", ()), (PURPOSE, caller.purpose))
    fields["detail"] = (*fields.get("detail", ()), *_standing(caller), *_placed(resource))
    return AuditEvent(
        id=clock.new_id(),
        time=clock.now(),
        tenant_id=caller.tenant.id,
        principal_id=caller.principal.id,
        credential_id=caller.credential_id,
        method=caller.method.value,
        access_region=caller.access_region,
        action=action,
        resource=resource_name(resource),
        outcome=outcome,
        request_id=caller.request_id,
        trace_id=caller.trace_id,
        **fields,
    )


def _standing(caller: Caller) -> Iterator[tuple[str, str | int]]:
    """What the caller was when this was decided, as far as it cannot be read again later: all of it can change.

    ``disabled`` and ``narrowed`` are there only where they are so, and ``strength`` where there is any; what a key was narrowed
    to is stored with the key.
    """
    yield ROLE, caller.principal.role.value
    yield CLEARANCE, int(caller.principal.clearance)
    if caller.principal.disabled:
        yield DISABLED, 1
    if caller.strength:
        yield STRENGTH, int(caller.strength)
    if caller.grant != Grant():
        yield NARROWED, 1


def _placed(resource: Resource) -> Iterator[tuple[str, str | int]]:
    """Where an endpoint is, which its name does not say."""
    if isinstance(resource, EndpointResource):
        yield ENDPOINT_REGION, resource.region.name
