"""What is handed to Cedar has the shape that the schema declares."""

from __future__ import annotations

import json

import cedarpy
import pytest
from hypothesis import given
from tests.fakes.people import ELSEWHERE, HOME, caller, collection, document, tenant, uid
from tests.fakes.policy import shipped_sources
from tests.fakes.worlds import callers, documents

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.policy.entities import (
    RESOURCE_TYPES,
    cedar_request,
    context,
    encode,
    facts,
    principal_entity,
    resource_entity,
    resource_uid,
)
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Request, Resource, TenantResource

SCHEMA = cedarpy.Schema.from_str(shipped_sources()[0])
RESOURCES: list[Resource] = [
    TenantResource(tenant().id),
    CollectionResource(tenant().id, collection().id, HOME),
    document(groups=[uid("group")]),
    OwnedResource("conversation", uid("conversation"), tenant().id, uid("owner")),
    EndpointResource("model", "sglang", HOME),
]


def conforms(*entities: object) -> int:
    """How many entities there are, once Cedar has found them to fit the schema (its own 19 actions apart)."""
    return len(cedarpy.Entities.from_json_str(encode(list(entities)), SCHEMA)) - len(Action)


@given(callers())
def test_every_caller_fits_the_schema(who: Caller) -> None:
    """Whatever the role, groups and grant."""
    assert conforms(principal_entity(who)) == 1


@given(documents())
def test_every_document_fits_the_schema(each: DocumentAttributes) -> None:
    """Whatever its classification and groups."""
    assert conforms(resource_entity(each)) == 1


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_resource_fits_the_schema(resource: Resource) -> None:
    """Each kind has a type of its own in the schema."""
    assert conforms(resource_entity(resource)) == 1
    assert resource_uid(resource)["type"] in RESOURCE_TYPES


def test_every_type_of_resource_is_declared_to_be_probed() -> None:
    """A type left out of the list would have no policies and be denied silently."""
    assert {resource_uid(resource)["type"] for resource in RESOURCES} == set(RESOURCE_TYPES)


@given(callers())
def test_every_context_fits_the_schema(who: Caller) -> None:
    """Cedar itself accepts the request against the schema, context included."""
    details = context(who, Action.DOCUMENT_READ.value, HOME, [ELSEWHERE])
    request = cedar_request(Request(who, Action.DOCUMENT_READ, document(), HOME), details)
    result = cedarpy.is_authorized(request, cedarpy.PolicySet.from_str(""), "[]", SCHEMA)
    assert result.diagnostics.errors == []


def test_no_grant_narrows_nothing_and_an_empty_one_everything() -> None:
    """``None`` and the empty set are never confused on their way to Cedar."""
    whole = principal_entity(caller())["attrs"]["grant"]
    none = principal_entity(caller(verbs=[], collections=[]))["attrs"]["grant"]
    assert (whole["all_verbs"], whole["all_collections"]) == (True, True)
    assert none == {"all_verbs": False, "verbs": [], "all_collections": False, "collections": []}


def test_text_that_is_not_unicode_is_refused() -> None:
    """A lone surrogate in what a client sends is an error to deny on, not something to repair."""
    who = Caller(caller().principal, tenant(), AuthenticationMethod.SESSION, access_region="\ud800")
    with pytest.raises(ValueError, match="surrogates"):
        context(who, "document:read", HOME, ())


def test_nothing_but_facts_reaches_policy() -> None:
    """Names and request ids are not in what Cedar sees, so no policy can depend on them or leak them."""
    who = caller(method=AuthenticationMethod.API_KEY)
    seen = json.dumps(principal_entity(who)) + context(who, "document:read", HOME, ())
    assert who.principal.login not in seen
    assert who.principal.display not in seen
    assert who.request_id not in seen
    assert facts(who) == facts(caller(method=AuthenticationMethod.API_KEY))
    assert facts(who).credential_id is None
