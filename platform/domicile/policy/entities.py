"""Callers and resources as Cedar's entities and context, in the shape that ``policies/schema.cedarschema`` declares."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

import msgspec

from domicile.domain.documents import DocumentAttributes
from domicile.domain.marks import Marks
from domicile.domain.principals import Caller, Grant
from domicile.domain.values import Region
from domicile.policy.regions import RegionBook
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Request, Resource, TenantResource

Uid = dict[str, str]
Entity = dict[str, Any]

DOCUMENT = "Document"
_NO_REGIONS = RegionBook.empty()
_TYPES: Mapping[type, str] = {
    TenantResource: "Tenant",
    CollectionResource: "Collection",
    DocumentAttributes: DOCUMENT,
    OwnedResource: "Owned",
    EndpointResource: "Endpoint",
}
RESOURCE_TYPES = tuple(_TYPES.values())


def facts(caller: Caller, *, timed: bool = True) -> Caller:
    """The caller without what policy never sees, so that equal callers of different requests compare equal.

    ``timed`` says whether a policy looks at the time; then requests of different minutes differ.
    """
    at = caller.at.replace(second=0, microsecond=0) if timed and caller.at else None
    return replace(caller, credential_id=None, request_id="", trace_id="", at=at)


def uid(kind: str, id_: UUID | str) -> Uid:
    return {"type": kind, "id": str(id_)}


def resource_type(resource: Resource) -> str:
    """One of ``RESOURCE_TYPES``."""
    return _TYPES[type(resource)]


def resource_uid(resource: Resource) -> Uid:
    """The resource's type and its id."""
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
        "tenant_regions": sorted(region.name for region in caller.tenant.regions),
        "kind": principal.kind.value,
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


def resource_entity(resource: Resource, read: Container[str] | None = None) -> Entity:
    """With those of its attributes that are ``read``, or all of them."""
    attributes, parents = _description(resource)
    if read is not None:
        attributes = {name: value for name, value in attributes.items() if name in read}
    return {"uid": resource_uid(resource), "attrs": attributes, "parents": parents}


def _description(resource: Resource) -> tuple[Mapping[str, Any], list[Uid]]:
    """Attributes and parents of a resource."""
    match resource:
        case DocumentAttributes():
            parents = [uid("Tenant", resource.tenant_id), uid("Collection", resource.collection_id)]
            return _document_attributes(resource), parents
        case CollectionResource():
            place = {"tenant": _ref("Tenant", resource.tenant_id), "region": resource.region.name}
            return {**place, **_marks(resource.marks)}, [uid("Tenant", resource.tenant_id)]
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
        **_marks(document.marks),
    }


def _marks(marks: Marks) -> Mapping[str, Any]:
    return {
        "classification": int(marks.classification),
        "groups": _refs("Group", marks.groups),
        "owner": _ref("User", marks.owner),
        "labels": sorted(marks.labels),
        "personal_data": marks.personal_data,
        "valid_from": marks.validity.start,
        "valid_until": marks.validity.end,
    }


def context(
    caller: Caller,
    verb: str,
    cell_region: Region,
    component_regions: Iterable[Region],
    book: RegionBook = _NO_REGIONS,
) -> str:
    """The request's context as JSON. Raises ``ValueError`` for text that is not Unicode."""
    return encode(context_values(caller, verb, cell_region, component_regions, book))


def context_values(
    caller: Caller, verb: str, cell_region: Region, component_regions: Iterable[Region], book: RegionBook
) -> dict[str, Any]:
    """The request's context. A region that ``book`` does not list has an empty jurisdiction."""
    return {
        "verb": verb,
        "method": caller.method.value,
        "cell_region": cell_region.name,
        "component_regions": [region.name for region in component_regions],
        "access_region": caller.access_region,
        "cell_jurisdiction": book.jurisdiction(cell_region.name),
        "access_jurisdiction": book.jurisdiction(caller.access_region),
        "purpose": caller.purpose,
        "now": _minute(caller.at),
        "strength": int(caller.strength),
    }


def _minute(at: datetime | None) -> int:
    """The beginning of that minute in seconds since 1970; -1, when nothing is valid, where the time is not known."""
    return -1 if at is None else int(at.timestamp()) // 60 * 60


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
