"""Callers and resources as Cedar's entities and context, in the shape that ``policies/schema.cedarschema`` declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, assert_never
from uuid import UUID

import msgspec

from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import Caller, Grant
from domicile.domain.values import Region
from domicile.policy.regions import RegionBook
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Request, Resource, TenantResource

Uid = dict[str, str]
Entity = dict[str, Any]

DOCUMENT = "Document"
_NO_REGIONS = RegionBook.empty()
RESOURCE_TYPES = ("Tenant", "Collection", DOCUMENT, "Owned", "Endpoint")


def facts(caller: Caller) -> Caller:
    """The caller without what policy never sees, so that equal callers of different requests compare equal."""
    return replace(caller, credential_id=None, request_id="", trace_id="")


def uid(kind: str, id_: UUID | str) -> Uid:
    return {"type": kind, "id": str(id_)}


def resource_uid(resource: Resource) -> Uid:
    """The resource's type, one of ``RESOURCE_TYPES``, and its id."""
    match resource:
        case DocumentAttributes():
            return uid(DOCUMENT, resource.document_id)
        case CollectionResource():
            return uid("Collection", resource.collection_id)
        case TenantResource():
            return uid("Tenant", resource.tenant_id)
        case OwnedResource():
            return uid("Owned", resource.id)
        case EndpointResource():
            return uid("Endpoint", f"{resource.kind}/{resource.name}")
        case _:
            assert_never(resource)


def principal_entity(caller: Caller) -> Entity:
    """The principal, as this caller's credential presents it.

    What a caller brings to each of its requests is here and not in the context, because an entity is parsed only once.
    """
    principal = caller.principal
    attributes = {
        "tenant": _ref("Tenant", principal.tenant_id),
        "acting_in": _ref("Tenant", caller.tenant.id),
        "role": principal.role.value,
        "clearance": int(principal.clearance),
        "groups": _refs("Group", principal.groups),
        "disabled": principal.disabled,
        "grant": _grant(caller.grant),
    }
    parents = [uid("Tenant", principal.tenant_id), *(uid("Group", group) for group in principal.groups)]
    return {"uid": uid("User", principal.id), "attrs": attributes, "parents": parents}


def _grant(grant: Grant) -> Mapping[str, Any]:
    """``None`` narrows nothing; Cedar has no null, so each set has a flag beside it that says so."""
    return {
        "all_verbs": grant.verbs is None,
        "verbs": sorted(grant.verbs or ()),
        "all_collections": grant.collections is None,
        "collections": _refs("Collection", grant.collections or ()),
    }


def resource_entity(resource: Resource) -> Entity:
    attributes, parents = _description(resource)
    return {"uid": resource_uid(resource), "attrs": attributes, "parents": parents}


def _description(resource: Resource) -> tuple[Mapping[str, Any], list[Uid]]:
    """Attributes and parents of a resource."""
    match resource:
        case DocumentAttributes():
            parents = [uid("Tenant", resource.tenant_id), uid("Collection", resource.collection_id)]
            return _document_attributes(resource), parents
        case CollectionResource():
            tenant = _ref("Tenant", resource.tenant_id)
            return {"tenant": tenant, "region": resource.region.name}, [uid("Tenant", resource.tenant_id)]
        case TenantResource():
            return {}, []
        case OwnedResource():
            owner, tenant = _ref("User", resource.owner_id), _ref("Tenant", resource.tenant_id)
            return {"tenant": tenant, "kind": resource.kind, "owner": owner}, [uid("Tenant", resource.tenant_id)]
        case EndpointResource():
            return {"kind": resource.kind, "region": resource.region.name}, []
        case _:
            assert_never(resource)


def _document_attributes(document: DocumentAttributes) -> Mapping[str, Any]:
    return {
        "tenant": _ref("Tenant", document.tenant_id),
        "collection": _ref("Collection", document.collection_id),
        "region": document.region.name,
        "classification": int(document.classification),
        "groups": _refs("Group", document.groups),
    }


def context(
    caller: Caller,
    verb: str,
    cell_region: Region,
    component_regions: Iterable[Region],
    book: RegionBook = _NO_REGIONS,
) -> str:
    """The request's context as JSON. Raises ``ValueError`` for text that is not Unicode.

    A region that ``book`` does not list has an empty jurisdiction.
    """
    return encode(
        {
            "verb": verb,
            "method": caller.method.value,
            "cell_region": cell_region.name,
            "component_regions": [region.name for region in component_regions],
            "access_region": caller.access_region,
            "cell_jurisdiction": book.jurisdiction(cell_region.name),
            "access_jurisdiction": book.jurisdiction(caller.access_region),
        }
    )


def cedar_request(request: Request, context_json: str) -> dict[str, Any]:
    return {
        "principal": uid("User", request.caller.principal.id),
        "action": uid("Action", request.action.value),
        "resource": resource_uid(request.resource),
        "context": context_json,
    }


def encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _ref(kind: str, id_: UUID) -> Mapping[str, Any]:
    return {"__entity": uid(kind, id_)}


def _refs(kind: str, ids: Iterable[UUID]) -> list[Mapping[str, Any]]:
    return [_ref(kind, each) for each in ids]
