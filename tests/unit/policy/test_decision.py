"""The decision point."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.people import ELSEWHERE, HOME, caller, collection, document, group, principal, tenant, uid
from tests.fakes.policy import shipped_bundle, shipped_decisions, shipped_regions
from tests.fakes.policy_texts import on_documents, permitting, written
from tests.fakes.worlds import REGIONS, callers, documents

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region, Role
from domicile.policy.decision import DecisionPoint
from domicile.policy.regions import RegionBook
from domicile.policy.request import CollectionResource, Decision, EndpointResource, OwnedResource, Request, TenantResource
from domicile.policy.scope import Nothing, admits

BOARD = group("board")
#: Fails only for members of the board, so that a bundle with it loads.
FAILS_FOR_BOARD = f'principal in Group::"{BOARD.id}" && principal.clearance + 9223372036854775807 > 0'
MIA = caller()
DIRECTOR = caller(principal("dora", groups=[BOARD.id]))


def reading(who: Caller, what: DocumentAttributes) -> Request:
    return Request(who, Action.DOCUMENT_READ, what, HOME)


def test_a_permitted_access_names_its_policies_and_bundle() -> None:
    """An auditor can tell from the record which policy, in which version, let it through."""
    decision = shipped_decisions().decide(reading(MIA, document()))
    assert decision == Decision(True, ("member-documents",), shipped_bundle().digest)


def test_a_refusal_names_the_forbids() -> None:
    """All guardrails that were hit, not only the first."""
    decision = shipped_decisions().decide(reading(MIA, document(of=tenant("globex"), region=ELSEWHERE)))
    assert not decision.allowed
    assert decision.policies == ("guard-document-region", "guard-tenant")


def test_what_no_policy_permits_is_denied() -> None:
    """Default deny: there is nothing to name."""
    decision = shipped_decisions().decide(reading(MIA, document(classification=Classification.RESTRICTED)))
    assert decision == Decision(False, (), shipped_bundle().digest)


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_policy_that_fails_denies(effect: str) -> None:
    """Cedar skips it and would permit by the other one; the failed policy is named as what determined the denial."""
    decisions = DecisionPoint(written(on_documents("true", id_="all"), on_documents(FAILS_FOR_BOARD, effect, "fails")))
    assert decisions.decide(reading(MIA, document())).allowed
    decision = decisions.decide(reading(DIRECTOR, document()))
    assert decision == Decision(False, ("fails",), decisions.bundle.digest, ("fails",))


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_policy_that_fails_leaves_an_empty_scope(effect: str) -> None:
    """The filter denies what the decision would deny, and names the policy to blame."""
    decisions = DecisionPoint(written(on_documents("true", id_="all"), on_documents(FAILS_FOR_BOARD, effect, "fails")))
    scope = decisions.scope(DIRECTOR, Action.DOCUMENT_READ, HOME)
    assert scope.tree == Nothing()
    assert scope.policies == ("fails",)
    assert admits(decisions.scope(MIA, Action.DOCUMENT_READ, HOME).tree, document())


def test_what_cannot_be_compiled_for_one_caller_leaves_an_empty_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """A residual that the check at load did not foresee, should there be one, is not ignored."""
    monkeypatch.setattr("domicile.policy.bundle.require_compilable", lambda *_: None)
    decisions = permitting(f'!(principal in Group::"{BOARD.id}") || resource.region like "eu-*"')
    assert decisions.decide(reading(DIRECTOR, document())).allowed
    assert decisions.scope(DIRECTOR, Action.DOCUMENT_READ, HOME).tree == Nothing()
    assert admits(decisions.scope(MIA, Action.DOCUMENT_READ, HOME).tree, document())


def test_an_action_on_what_it_does_not_apply_to_is_denied() -> None:
    """Without asking a policy, even one that permits everything."""
    decisions = DecisionPoint(written('@id("all") permit (principal, action, resource);'))
    assert decisions.decide(reading(MIA, document())).allowed
    assert not decisions.decide(Request(MIA, Action.DOCUMENT_READ, TenantResource(tenant().id), HOME)).allowed
    assert decisions.scope(MIA, Action.AUDIT_READ, HOME).tree == Nothing()


def test_what_cannot_be_built_is_denied() -> None:
    """Text that is not Unicode reaches no policy, and denies."""
    decisions = DecisionPoint(written('@id("all") permit (principal, action, resource);'))
    odd = replace(MIA, access_region="\ud800")
    assert decisions.decide(reading(odd, document())) == Decision(False, (), decisions.bundle.digest, ("request",))
    assert decisions.scope(odd, Action.DOCUMENT_READ, HOME).tree == Nothing()
    nowhere = EndpointResource("model", "\ud800", HOME)
    assert not decisions.decide(Request(MIA, Action.ENDPOINT_USE, nowhere, HOME)).allowed


def test_components_in_declared_regions_may_be_used() -> None:
    """The cell's own region always, another one only if the operator declared it and the tenant allows it."""
    allowing = caller(of=tenant(allowing=[ELSEWHERE]))
    assert (
        not DecisionPoint(shipped_bundle(), [ELSEWHERE])
        .decide(Request(MIA, Action.ENDPOINT_USE, EndpointResource("model", "sglang", ELSEWHERE), HOME))
        .allowed
    )
    abroad = Request(allowing, Action.ENDPOINT_USE, EndpointResource("model", "sglang", ELSEWHERE), HOME)
    assert not DecisionPoint(shipped_bundle()).decide(abroad).allowed
    assert DecisionPoint(shipped_bundle(), [ELSEWHERE]).decide(abroad).allowed


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(callers(), documents(), st.sampled_from(REGIONS), st.sampled_from(Action)), max_size=12))
def test_many_are_decided_as_each_alone(asked: list[tuple[Caller, DocumentAttributes, object, Action]]) -> None:
    """Batches and what they leave out change nothing, whoever asks for whatever in one list."""
    decisions = shipped_decisions()
    requests = [Request(who, action, what, region) for who, what, region, action in asked]  # type: ignore[arg-type]
    assert decisions.decide_many(requests) == [decisions.decide(request) for request in requests]


@settings(deadline=None, max_examples=30)
@given(callers(), st.lists(documents(), max_size=12))
def test_a_policy_that_names_a_document_tells_equal_ones_apart(who: Caller, found: list[DocumentAttributes]) -> None:
    """Documents are decided once for all only while no policy can see which one it is."""
    decisions = permitting(f'resource == Document::"{document("a").document_id}" || resource.classification == 0')
    requests = [reading(who, each) for each in found]
    assert decisions.decide_many(requests) == [decisions.decide(request) for request in requests]


def test_equal_documents_are_decided_apart_where_one_is_named() -> None:
    """The one that the policy names, and not its twin."""
    decisions = permitting(f'resource == Document::"{document("a").document_id}"')
    answers = decisions.decide_many([reading(MIA, document("a")), reading(MIA, document("b"))])
    assert [answer.allowed for answer in answers] == [True, False]


def test_a_document_with_two_descriptions_is_decided_by_each() -> None:
    """Neither description influences the other, nor the documents beside it."""
    secret = document("a", classification=Classification.RESTRICTED)
    answers = shipped_decisions().decide_many([reading(MIA, each) for each in (document("a"), secret, document("b"))])
    assert [answer.allowed for answer in answers] == [True, False, True]


def test_resources_of_other_kinds_do_not_meet_in_one_call() -> None:
    """Another user's conversation must not become readable because its owner is known from a neighbour."""
    ben = principal("ben")
    mine, theirs = (OwnedResource("conversation", uid(who.login), tenant().id, who.id) for who in (MIA.principal, ben))
    requests = [Request(who, Action.CONVERSATION_READ, what, HOME) for who in (MIA, caller(ben)) for what in (mine, theirs)]
    assert [each.allowed for each in shipped_decisions().decide_many(requests)] == [True, False, False, True]


def test_no_requests_have_no_decisions() -> None:
    """An empty list of hits is decided without asking anything."""
    assert shipped_decisions().decide_many([]) == []


@given(st.lists(st.tuples(callers(), documents()), min_size=1, max_size=8))
def test_what_is_remembered_is_what_a_fresh_point_decides(asked: list[tuple[Caller, DocumentAttributes]]) -> None:
    """A decision that was made before is the one that would be made now, for the same facts."""
    remembering = shipped_decisions()
    for who, what in [*asked, *asked]:
        assert remembering.decide(reading(who, what)) == DecisionPoint(shipped_bundle()).decide(reading(who, what))


def test_a_change_of_the_caller_or_the_document_is_decided_anew() -> None:
    """Clearance, groups and classification are part of what a decision is remembered by."""
    decisions = shipped_decisions()
    assert decisions.decide(reading(MIA, document())).allowed
    assert not decisions.decide(reading(replace(MIA, principal=replace(MIA.principal, disabled=True)), document())).allowed
    assert not decisions.decide(reading(MIA, replace(document(), groups=frozenset({BOARD.id})))).allowed
    assert decisions.decide(reading(MIA, document())).allowed


def test_only_so_many_decisions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whoever asks for what."""
    monkeypatch.setattr("domicile.policy.decision._REMEMBERED_DECISIONS", 4)
    decisions = DecisionPoint(shipped_bundle())
    for level in Classification:
        for groups in ((), [BOARD.id]):
            decisions.decide(reading(MIA, replace(document(classification=level), groups=frozenset(groups))))
    assert len(decisions._decided) <= 4


def test_a_scope_follows_the_caller_at_once() -> None:
    """A scope is remembered by all that it depends on, so a changed right never meets an old scope."""
    decisions = shipped_decisions()
    secret = document(classification=Classification.CONFIDENTIAL)
    cleared = caller(principal(clearance=Classification.CONFIDENTIAL))
    for who, expected in (
        (cleared, True),
        (caller(replace(cleared.principal, clearance=Classification.INTERNAL)), False),
        (caller(replace(cleared.principal, role=Role.AUDITOR)), False),
        (caller(replace(cleared.principal, disabled=True)), False),
        (caller(cleared.principal, verbs=["document:list"]), False),
        (cleared, True),
    ):
        assert admits(decisions.scope(who, Action.DOCUMENT_READ, HOME).tree, secret) is expected
    assert not admits(decisions.scope(cleared, Action.DOCUMENT_READ, ELSEWHERE).tree, secret)


def test_a_scope_says_where_it_comes_from() -> None:
    """The policies that shaped it and the digest of their bundle."""
    scope = shipped_decisions().scope(MIA, Action.DOCUMENT_READ, HOME)
    assert scope.policies == (
        "guard-document-region",
        "guard-document-validity",
        "guard-tenant",
        "member-documents",
    )
    assert scope.bundle_digest == shipped_bundle().digest


@pytest.mark.parametrize(
    ("looks_from", "here", "allowed"),
    [
        ("eu-fr", HOME, True),
        ("us-va", HOME, False),
        ("unknown", HOME, False),
        ("not a region", HOME, False),
        ("eu-de", Region("zz-unlisted"), False),
    ],
)
def test_policy_compares_jurisdictions(looks_from: str, here: Region, allowed: bool) -> None:
    """Another region of the cell's jurisdiction may look; a place without a known jurisdiction is in none, here or there."""
    same = 'context.access_jurisdiction == context.cell_jurisdiction && context.cell_jurisdiction != ""'
    decisions = DecisionPoint(replace(written(on_documents(same)), regions=RegionBook.parse(shipped_regions())))
    asking = replace(MIA, access_region=looks_from)
    assert decisions.decide(Request(asking, Action.DOCUMENT_READ, document(), here)).allowed is allowed
    assert admits(decisions.scope(asking, Action.DOCUMENT_READ, here).tree, document()) is allowed


def test_no_decision_depends_on_what_is_decided_beside_it() -> None:
    """A policy that looks into a named collection fails where that one is not at hand, whatever else is asked."""
    named, other = collection("contracts"), collection("handbook")
    text = '@id("all") permit (principal, action, resource);\n@id("looks") forbid (principal, action, resource is Collection) '
    text += f'when {{ resource != Collection::"{named.id}" && Collection::"{named.id}".region == "eu-fr" }};'
    requests = [Request(MIA, Action.COLLECTION_LIST, CollectionResource.of(each), HOME) for each in (named, other)]
    decisions = DecisionPoint(written(text))
    together = decisions.decide_many(requests)
    assert together == [DecisionPoint(written(text)).decide(each) for each in requests]
    assert [each.allowed for each in together] == [True, False]


def test_what_a_policy_says_of_a_named_collection_is_true_of_it() -> None:
    """Also where it is the resource itself, and no policy says anything of resources."""
    named = collection("contracts")
    text = (
        f'@id("all") permit (principal, action, resource is Collection) when {{ Collection::"{named.id}".region == "eu-de" }};'
    )
    request = Request(MIA, Action.COLLECTION_LIST, CollectionResource.of(named), HOME)
    assert DecisionPoint(written(text)).decide(request).allowed
