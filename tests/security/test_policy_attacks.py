"""Attempts to get past the policies, each of which ends with nothing permitted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.people import ELSEWHERE, HOME, caller, collection, document, group, principal, tenant, uid
from tests.fakes.policy import shipped_decisions

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.domain.values import Classification, Role
from domicile.policy.request import CollectionResource, OwnedResource, Request, Resource, TenantResource
from domicile.policy.scope import Nothing, admits

GLOBEX = tenant("globex")
SPY = caller(principal("spy", role=Role.ADMINISTRATOR, clearance=Classification.RESTRICTED, groups=[group("board").id]))


def refused(who: Caller, action: Action, resource: Resource) -> None:
    assert not shipped_decisions().decide(Request(who, action, resource, HOME)).allowed


@pytest.mark.parametrize("action", Action)
def test_an_administrator_reaches_nothing_of_another_tenant(action: Action) -> None:
    """Whatever the action and whatever it is tried on."""
    theirs = [
        TenantResource(GLOBEX.id),
        CollectionResource(GLOBEX.id, collection(of=GLOBEX).id, HOME),
        document(of=GLOBEX, classification=Classification.PUBLIC),
        *(OwnedResource(kind, uid(kind), GLOBEX.id, SPY.principal.id) for kind in ("conversation", "job", "session")),
    ]
    for resource in theirs:
        refused(SPY, action, resource)


def test_a_document_that_claims_both_tenants_is_refused() -> None:
    """A collection of one's own does not bring in a document of somebody else's."""
    smuggled = document(of=GLOBEX, in_collection=collection(), classification=Classification.PUBLIC)
    refused(SPY, Action.DOCUMENT_READ, smuggled)
    assert not admits(shipped_decisions().scope(SPY, Action.DOCUMENT_READ, HOME).tree, smuggled)


def test_groups_of_another_tenant_open_nothing() -> None:
    """A membership that names another tenant's group reaches neither its documents nor more of one's own."""
    board = group("board", GLOBEX)
    intruder = caller(principal("spy", groups=[board.id]))
    refused(intruder, Action.DOCUMENT_READ, document(of=GLOBEX, groups=[board.id]))
    refused(intruder, Action.DOCUMENT_READ, document(groups=[group("board").id]))


@pytest.mark.parametrize("action", Action)
def test_a_caller_in_the_wrong_tenant_can_do_nothing(action: Action) -> None:
    """Should authentication ever pair a principal with another tenant, policy refuses in both of them."""
    confused = replace(SPY, tenant=GLOBEX)
    for of in (tenant(), GLOBEX):
        refused(confused, action, TenantResource(of.id))
        refused(confused, action, document(of=of, classification=Classification.PUBLIC))
    assert shipped_decisions().scope(confused, Action.DOCUMENT_READ, HOME).tree == Nothing()


def test_an_empty_grant_permits_nothing() -> None:
    """An API key whose verbs or collections were all removed is not an unlimited one."""
    for narrowed in ({"verbs": []}, {"collections": []}):
        who = caller(SPY.principal, method=AuthenticationMethod.API_KEY, **narrowed)
        refused(who, Action.DOCUMENT_READ, document())
        assert shipped_decisions().scope(who, Action.DOCUMENT_READ, HOME).tree == Nothing()


def test_a_narrowed_key_cannot_widen_itself() -> None:
    """Neither by making another key or account, nor by reading what others' collections were quoted in."""
    who = caller(SPY.principal, method=AuthenticationMethod.API_KEY, collections=[collection().id])
    for action in (Action.APIKEY_CREATE, Action.APIKEY_REVOKE, Action.MEMBER_CREATE, Action.AUDIT_READ):
        refused(who, action, TenantResource(tenant().id))
    refused(who, Action.CONVERSATION_READ, OwnedResource("conversation", uid("own"), tenant().id, who.principal.id))


def test_the_operator_cannot_read_even_as_an_administrator() -> None:
    """Root on the machine does not make documents readable through the product."""
    operator = replace(SPY, method=AuthenticationMethod.OPERATOR)
    for action in (Action.DOCUMENT_READ, Action.DOCUMENT_LIST, Action.DOCUMENT_DELETE, Action.DOCUMENT_CREATE):
        refused(operator, action, document(classification=Classification.PUBLIC))
        assert shipped_decisions().scope(operator, action, HOME).tree == Nothing()
    for action in (Action.SEARCH_CREATE, Action.ANSWER_CREATE, Action.CONVERSATION_READ):
        refused(operator, action, TenantResource(tenant().id))


@pytest.mark.parametrize("text", ['" || true', '"; permit(principal, action, resource); //', "\x00", 'eu-de"}', "*"])
def test_text_from_outside_is_never_read_as_policy(text: str) -> None:
    """Quotes, comments and wildcards in what clients send stay text."""
    mia = principal("mia")
    odd = replace(caller(mia, method=AuthenticationMethod.API_KEY, verbs=[text, "document:read*"]), access_region=text)
    refused(odd, Action.DOCUMENT_READ, document())
    refused(odd, Action.CONVERSATION_READ, OwnedResource(text, uid("x"), tenant().id, mia.id))
    assert shipped_decisions().scope(odd, Action.DOCUMENT_READ, HOME).tree == Nothing()


def test_a_document_from_elsewhere_is_refused_to_everybody() -> None:
    """One that was restored into the wrong cell does not become readable there."""
    stray = replace(document(classification=Classification.PUBLIC), region=ELSEWHERE)
    assert isinstance(stray, DocumentAttributes)
    refused(SPY, Action.DOCUMENT_READ, stray)
    assert not admits(shipped_decisions().scope(SPY, Action.DOCUMENT_READ, HOME).tree, stray)
