"""Why a request is decided as it is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.people import HOME, caller, collection, document, principal, tenant, uid
from tests.fakes.policy import shipped_decisions
from tests.fakes.policy_texts import on_documents, written

from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region, Role
from domicile.policy.decision import DecisionPoint
from domicile.policy.explanation import Explanation, explain
from domicile.policy.request import Request, Resource, TenantResource

SHIPPED = shipped_decisions()
BOARD = uid("board")


def asked(
    resource: Resource, who: Caller | None = None, action: Action = Action.DOCUMENT_READ, point: DecisionPoint = SHIPPED
) -> Explanation:
    return explain(point, Request(who or caller(), action, resource, HOME))


def unmet(explanation: Explanation) -> dict[str, list[str]]:
    return {each.policy.id: [f"{one.kind} {one.text}" for one in each.unmet] for each in explanation.candidates}


def test_a_denial_names_the_conditions_that_are_not_met_and_their_values() -> None:
    """Of the one permit that could apply, two of four conditions; the others hold and are not shown."""
    told = asked(document(classification=Classification.RESTRICTED, groups=[BOARD]))
    assert (told.decision.allowed, told.decision.policies, told.policies) == (False, (), ())
    assert unmet(told) == {
        "member-documents": [
            "when { resource.classification <= principal.clearance }",
            "when { resource.groups.isEmpty() || resource.groups.containsAny(principal.groups) }",
        ]
    }
    (candidate,) = told.candidates
    assert candidate.unmet[0].values == {"resource.classification": 3, "principal.clearance": 1}
    assert candidate.unmet[1].values == {"resource.groups": [f"Group::{BOARD}"], "principal.groups": []}
    assert (candidate.policy.file, candidate.policy.effect) == ("members.cedar", "permit")
    assert candidate.policy.text.startswith('@id("member-documents")')


def test_what_is_permitted_names_who_permits_it_and_nothing_else() -> None:
    """With the reason and the text."""
    told = asked(document())
    (policy,) = told.policies
    assert (told.decision.allowed, policy.id, policy.effect, told.candidates) == (True, "member-documents", "permit", ())
    assert policy.reason.startswith("Members see documents")


def test_a_forbid_is_named_and_so_is_the_permit_that_it_trumps() -> None:
    """So that one sees whether lifting the forbid would be enough."""
    told = asked(document(region=Region("us-va")))
    assert [each.id for each in told.policies] == ["guard-document-region"]
    assert unmet(told) == {"member-documents": []}


def test_an_unless_is_not_met_where_its_exception_holds() -> None:
    """Shown as it is written."""
    (text,) = [on_documents("true").replace(";", ' unless { context.method == "session" };')]
    told = asked(document(), point=DecisionPoint(written(text)))
    assert unmet(told) == {"under-test": ['unless { context.method == "session" }']}
    assert told.candidates[0].unmet[0].values == {"context.method": "session"}


def test_a_head_that_names_another_principal_is_a_demand_too() -> None:
    """Not only conditions can fail."""
    head = f'principal == User::"{uid("other")}", action == Action::"document:read", resource is Document'
    told = asked(document(), point=DecisionPoint(written(f'@id("for-one") permit ({head});')))
    assert unmet(told) == {"for-one": [f'principal principal == User::"{uid("other")}"']}


def test_a_policy_that_fails_is_told_apart_from_one_that_does_not_hold() -> None:
    """It denies, and the demand that failed says so."""
    head = 'principal, action == Action::"audit:read", resource is Tenant'
    text = f'@id("under-test") permit ({head}) when {{ principal.clearance + 9223372036854775807 > 0 }};'
    told = asked(TenantResource(tenant().id), action=Action.AUDIT_READ, point=DecisionPoint(written(text)))
    assert (told.decision.allowed, told.decision.errors) == (False, ("under-test",))
    assert [each.failed for each in told.candidates[0].unmet] == [True]


def test_a_policy_that_is_written_nowhere_is_named_all_the_same() -> None:
    """As a forbid where it denies: a denial must not look like one for want of a permit."""
    bundle = written(on_documents("true"), on_documents("true", "forbid", "made"))
    told = asked(document(), point=DecisionPoint(replace(bundle, sources={"under-test": bundle.sources["under-test"]})))
    assert [(each.id, each.effect, each.text) for each in told.policies] == [("made", "forbid", "")]


def test_what_the_schema_does_not_know_is_said_to_be_that() -> None:
    """There is no policy to blame."""
    told = asked(TenantResource(tenant().id))
    assert (told.declared, told.decision.allowed, told.candidates) == (False, False, ())


def test_explaining_is_not_remembered_as_a_decision() -> None:
    """And its decision is made by no other way than every decision."""
    point = shipped_decisions()
    explain(point, Request(caller(), Action.DOCUMENT_READ, document(), HOME))
    assert point._decided == {}


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(list(Role)),
    st.sampled_from(list(Classification)),
    st.booleans(),
    st.sampled_from(list(Classification)),
    st.booleans(),
    st.sampled_from([Action.DOCUMENT_READ, Action.DOCUMENT_DELETE, Action.DOCUMENT_CREATE]),
)
def test_a_permit_has_no_unmet_demand_exactly_where_it_permits(
    role: Role, clearance: Classification, grouped: bool, classification: Classification, closed: bool, action: Action
) -> None:
    """Demand by demand or as a whole: Cedar says the same, for every decision by the permits alone."""
    who = caller(principal(role=role, clearance=clearance, groups=[BOARD] if grouped else []))
    what = document(in_collection=collection(), classification=classification, groups=[BOARD] if closed else [])
    told = asked(what, who, action)
    assert told.decision == SHIPPED.decide(Request(who, action, what, HOME))
    assert told.decision.allowed or all(each.unmet for each in told.candidates)
