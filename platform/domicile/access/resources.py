"""From a resource's name, ``kind:id`` as the audit log and the commands write it, to what policy decides about.

Only within one tenant: another tenant's id is ``NotFound``, exactly like one that never was.
"""

from __future__ import annotations

from uuid import UUID

from domicile.domain.documents import Collection
from domicile.domain.errors import CallerError, NotFound
from domicile.domain.values import Region, slug
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Resource, TenantResource
from domicile.ports.repositories import UnitOfWork

_FORMS = "document:ID, collection:NAME, tenant, endpoint:KIND@REGION, conversation:ID, job:ID or account:ID"


async def find_resource(unit: UnitOfWork, tenant_id: UUID, name: str) -> Resource:
    """What is named so in that tenant. Raises ``NotFound``, or ``CallerError`` for what is no such name."""
    kind, _, rest = name.strip().partition(":")
    match kind:
        case "tenant":
            return _tenant(tenant_id, rest)
        case "document":
            return (await unit.documents.get(tenant_id, uuid_of(rest))).attributes
        case "collection":
            return CollectionResource.of(await _collection(unit, tenant_id, rest))
        case "conversation":
            conversation = await unit.conversations.get(tenant_id, uuid_of(rest))
            return OwnedResource(kind, conversation.id, tenant_id, conversation.principal_id)
        case "job":
            job = await unit.jobs.get(tenant_id, uuid_of(rest))
            return OwnedResource(kind, job.id, tenant_id, job.principal_id)
        case "account":
            return await _account(unit, tenant_id, uuid_of(rest))
        case "endpoint":
            component, _, region = rest.partition("@")
            return EndpointResource(slug(component), component, Region(region))
        case _:
            raise CallerError(f"'{name[:64]}' does not name a resource.", hint=f"Write {_FORMS}.")


def uuid_of(text: str) -> UUID:
    """Raises ``CallerError`` for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise CallerError(f"'{text[:64]}' is not an id.", hint="Ids look like 0198c0de-1234-7abc-8def-0123456789ab.") from None


def _tenant(tenant_id: UUID, rest: str) -> TenantResource:
    if rest and uuid_of(rest) != tenant_id:
        raise NotFound()
    return TenantResource(tenant_id)


async def _account(unit: UnitOfWork, tenant_id: UUID, id_: UUID) -> OwnedResource:
    """Somebody's own account, which belongs to them."""
    if (await unit.principals.get(id_)).tenant_id != tenant_id:
        raise NotFound()
    return OwnedResource("account", id_, tenant_id, id_)


async def _collection(unit: UnitOfWork, tenant_id: UUID, reference: str) -> Collection:
    try:
        id_ = UUID(reference)
    except ValueError:
        return await unit.collections.by_slug(tenant_id, reference)
    return await unit.collections.get(tenant_id, id_)
