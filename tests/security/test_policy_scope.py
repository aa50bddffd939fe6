"""The filter and the policy are one: a scope admits exactly the documents that the full decision permits (invariant 3)."""

from __future__ import annotations

from dataclasses import replace

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.people import HOME, caller, document, tenant
from tests.fakes.policy import shipped_bundle, shipped_decisions, shipped_sources
from tests.fakes.policy_texts import on_documents
from tests.fakes.worlds import COLLECTIONS, callers, documents, regions

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region, Role
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import Request
from domicile.policy.scope import AllOf, Field, Nothing, OneOf, admits

ON_DOCUMENTS = [action for action, kind in shipped_bundle().applicable if kind == "Document"]


@st.composite
def likely_documents(draw: st.DrawFn, who: Caller) -> DocumentAttributes:
    """Mostly of the caller's own tenant, region and collections: what is far off is refused too easily to tell much."""
    found = draw(documents())
    if draw(st.integers(0, 3)) == 0:
        return found
    where = draw(st.sampled_from([each.id for each in COLLECTIONS if each.tenant_id == who.tenant.id]))
    groups = draw(st.sampled_from([frozenset(), who.principal.groups, found.groups]))
    return replace(found, tenant_id=who.tenant.id, collection_id=where, region=Region("eu-de"), groups=groups)


@settings(max_examples=300, deadline=None)
@given(st.data(), callers(), st.sampled_from(ON_DOCUMENTS), regions)
def test_a_scope_admits_exactly_what_the_decision_permits(
    data: st.DataObject, who: Caller, action: Action, cell: Region
) -> None:
    """Over random tenants, people, rights, grants, groups, regions and documents; each document on its own and together."""
    found = data.draw(st.lists(likely_documents(who), min_size=1, max_size=8))
    decisions = shipped_decisions()
    scope = decisions.scope(who, action, cell).tree
    answers = decisions.decide_many([Request(who, action, each, cell) for each in found])
    assert [admits(scope, each) for each in found] == [answer.allowed for answer in answers]


@given(callers(), st.sampled_from(ON_DOCUMENTS), regions)
@settings(max_examples=100, deadline=None)
def test_a_scope_never_reaches_beyond_one_tenant(who: Caller, action: Action, cell: Region) -> None:
    """It is nothing, or its first level names the caller's tenant: stores can shard by it, and no filter can forget it."""
    scope = shipped_decisions().scope(who, action, cell).tree
    if scope != Nothing():
        assert isinstance(scope, AllOf)
        assert OneOf(Field.TENANT, frozenset({str(who.tenant.id)})) in scope.parts


@settings(max_examples=100, deadline=None)
@given(callers(), documents(), st.sampled_from(ON_DOCUMENTS), regions)
def test_forbid_trumps_permit(who: Caller, found: DocumentAttributes, action: Action, cell: Region) -> None:
    """Beside a policy that permits everything to everybody, every guardrail still holds."""
    request = Request(who, action, found, cell)
    if OPENED.decide(request).allowed:
        assert found.tenant_id == who.principal.tenant_id == who.tenant.id
        assert found.region == cell
        assert not who.principal.disabled
        assert who.grant.verbs is None or action.value in who.grant.verbs
        assert who.grant.collections is None or found.collection_id in who.grant.collections
        assert cell in who.tenant.regions
        if action is Action.DOCUMENT_READ:
            assert who.principal.role not in (Role.AUDITOR, Role.OPERATOR)
            assert who.at is not None
            assert found.validity.start <= int(who.at.timestamp()) // 60 * 60 < found.validity.end
    assert admits(OPENED.scope(who, action, cell).tree, found) == OPENED.decide(request).allowed


def _with(text: str) -> DecisionPoint:
    schema, policies = shipped_sources()
    return DecisionPoint(PolicyBundle.parse(schema, {**policies, "further.cedar": text}))


OPENED = _with('@id("everything") permit (principal, action, resource);')


@settings(max_examples=100, deadline=None)
@given(callers(), documents(), st.sampled_from(["permit", "forbid"]))
def test_a_policy_that_fails_denies_everywhere(who: Caller, found: DocumentAttributes, effect: str) -> None:
    """Whoever it fails for reads nothing, by decision or by filter, however many other policies permit it."""
    decisions = FAILING[effect]
    request = Request(who, Action.DOCUMENT_READ, found, Region("eu-de"))
    decision = decisions.decide(request)
    if who.access_region == "eu-de":
        assert not decision.allowed
        assert decision.errors == ("fails",)
        assert decisions.scope(who, Action.DOCUMENT_READ, Region("eu-de")).tree == Nothing()
    else:
        assert decision.errors == ()
        assert admits(decisions.scope(who, Action.DOCUMENT_READ, Region("eu-de")).tree, found) == decision.allowed


FAILING = {
    effect: _with(
        f'@id("everything") permit (principal, action, resource);'
        f'@id("fails") {effect} (principal, action, resource)'
        f'when {{ context.access_region == "eu-de" && principal.clearance + 9223372036854775807 + 1 > 0 }};'
    )
    for effect in ("permit", "forbid")
}


def test_cedar_itself_would_have_let_it_through() -> None:
    """Why the above is needed: the engine skips a forbid that fails, and permits."""
    policies = """
        @id("a") permit (principal, action, resource);
        @id("b") forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };
    """
    request = {"principal": 'User::"u"', "action": 'Action::"a"', "resource": 'Document::"d"'}
    assert cedarpy.is_authorized(request, policies, "[]").allowed


@pytest.mark.parametrize("classification", Classification)
def test_a_permit_that_was_meant_too_widely_still_meets_the_guardrails(classification: Classification) -> None:
    """An author's slip opens documents within the tenant, never another tenant's."""
    slip = _with(on_documents("true", id_="slip"))
    ours, theirs = (document(of=tenant(slug), classification=classification) for slug in ("acme", "globex"))
    answers = slip.decide_many([Request(caller(), Action.DOCUMENT_READ, each, HOME) for each in (ours, theirs)])
    assert [answer.allowed for answer in answers] == [True, False]
    assert not admits(slip.scope(caller(), Action.DOCUMENT_READ, HOME).tree, theirs)
