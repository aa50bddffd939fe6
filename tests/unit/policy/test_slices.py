"""Which policies are left out for a caller, and that nothing changes by it."""

from __future__ import annotations

import re
from dataclasses import replace

import cedarpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.generated_policies import conditions, some_documents
from tests.fakes.people import HOME, caller, group, principal, tenant, uid
from tests.fakes.policy import shipped_bundle
from tests.fakes.policy_texts import on_documents, written
from tests.fakes.worlds import GROUPS, callers, regions

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import Caller, Grant
from domicile.domain.values import Classification, Region, Role
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.entities import cedar_request, context_values, encode, facts, resource_entity, resource_type
from domicile.policy.parsing import policy_set
from domicile.policy.request import CollectionResource, Decision, Request
from domicile.policy.slices import Applicable, caller_facts

FINANCE = group("finance").id
MIA = caller(principal(groups=[FINANCE], clearance=Classification.CONFIDENTIAL))
READING = (Action.DOCUMENT_READ, "Document")
DOCUMENTS = some_documents(12)
#: Fails for some callers, which are none of those that policies are tried with at load.
_OVERFLOW = '(context.purpose == "support" && principal.clearance + 9223372036854775807 > 0)'


def _asked(condition: str, who: Caller = MIA) -> bool:
    """Whether Cedar is asked about a policy with that condition at all."""
    applicable = written(on_documents(condition)).applicable[READING]
    values = context_values(who, "document:read", HOME, (), shipped_bundle().regions)
    return len(applicable.to(caller_facts(who, values))) == 1


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        (f'principal in Group::"{FINANCE}"', True),
        ('principal in Group::"00000000-0000-0000-0000-000000000001"', False),
        (f'principal.groups.contains(Group::"{FINANCE}") && resource.personal_data', True),
        ('principal.groups.contains(Group::"00000000-0000-0000-0000-000000000001") && resource.personal_data', False),
        ('resource.personal_data && principal.role == "auditor"', False),
        ('"auditor" == principal.role', False),
        ('["auditor", "member"].contains(principal.role)', True),
        ('["auditor", "curator"].contains(principal.role)', False),
        ('principal.role == "auditor" || context.purpose == "support"', False),
        ('principal.role == "auditor" || resource.personal_data', True),
        ("principal.disabled", False),
        ("principal.clearance >= 3", False),
        ("2 <= principal.clearance", True),
        ("context.strength >= 1", False),
        ('context.method == "session"', True),
        ('context.access_jurisdiction == "eu"', False),
        (f"{_OVERFLOW} && principal.disabled", False),
        ("principal.clearance + 1 > 2 && principal.disabled", True),
        ('!(principal.role == "auditor")', True),
        ("resource.classification <= principal.clearance", True),
    ],
)
def test_a_policy_about_somebody_else_is_left_out(condition: str, asked: bool) -> None:
    """Where it would come to false, and where nothing before that could fail."""
    assert _asked(condition) is asked


def test_what_might_fail_first_is_asked() -> None:
    """An overflow denies; leaving the policy out would have permitted."""
    policies = (on_documents("true", id_="all"), on_documents(f"{_OVERFLOW} && principal.disabled", "forbid", "fails"))
    who = replace(MIA, purpose="support")
    decision = DecisionPoint(written(*policies)).decide(Request(who, Action.DOCUMENT_READ, DOCUMENTS[0], HOME))
    assert (decision.allowed, decision.errors) == (False, ("fails",))


#: Conditions by which policies are left out, and what can fail, before and after others.
_ABOUT_CALLERS = st.sampled_from(
    [
        *(f'principal in Group::"{each.id}"' for each in GROUPS),
        *(f'principal.groups.contains(Group::"{each.id}")' for each in GROUPS),
        *(f'principal.role == "{role}"' for role in Role),
        '["member", "curator"].contains(principal.role)',
        'context.purpose == "support"',
        'context.method == "api-key" || principal.disabled',
        "principal.clearance < 2",
        "context.strength == 1",
        'context.access_region == "eu-de"',
        f'principal in [Group::"{GROUPS[0].id}", Group::"{GROUPS[1].id}"]',
        f'principal == User::"{principal().id}"',
        _OVERFLOW,
        'ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))',
    ]
)
_HEADS = st.sampled_from(
    ["principal", f'principal in Group::"{GROUPS[0].id}"', f'principal == User::"{principal().id}"', "principal is User"]
)


@st.composite
def policies(draw: st.DrawFn, number: int) -> str:
    parts = draw(st.lists(_ABOUT_CALLERS | conditions, min_size=1, max_size=4))
    asked = [f"{draw(st.sampled_from(['when', 'when', 'unless']))} {{ {part} }}" for part in parts]
    joined = [f"when {{ {' && '.join(f'({part})' for part in parts)} }}"]
    effect, head = draw(st.sampled_from(["permit", "forbid"])), draw(_HEADS)
    conditions_ = draw(st.sampled_from([asked, joined]))
    return f'@id("p{number}") {effect} ({head}, action, resource is Document) {" ".join(conditions_)};'


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 6).flatmap(lambda n: st.tuples(*(policies(i) for i in range(n)))), callers(), regions)
def test_nothing_changes_by_what_is_left_out(texts: tuple[str, ...], who: Caller, cell: Region) -> None:
    """Neither decision nor policies nor errors, against Cedar with every policy and every attribute."""
    try:
        bundle = written(*texts)
    except PolicyInvalid:
        return
    requests = [Request(who, Action.DOCUMENT_READ, each, cell) for each in DOCUMENTS]
    assert DecisionPoint(bundle).decide_many(requests) == [_with_all(bundle, each) for each in requests]


COLLECTIONS = [CollectionResource(tenant().id, uid(name), HOME) for name in ("one", "two")]
_ONE, _TWO = (f'Collection::"{each.collection_id}"' for each in COLLECTIONS)


@pytest.mark.parametrize(
    "condition",
    [
        '(if context.purpose == "x" then resource else resource) has labels',
        '(if context.purpose == "x" then resource else resource).labels.isEmpty()',
        "{within: resource}.within.labels.isEmpty()",
        f"{_ONE} has labels",
        f"{_TWO}.labels.isEmpty()",
        f"{_TWO} in principal.tenant",
        f"({_TWO} is Collection in principal.tenant)",
        f'{_TWO}.region == "xx" && principal.role == "auditor"',
        'resource.owner.role == "auditor" && principal.disabled',
        '!(resource has owner && resource.owner has role) && principal.role == "auditor"',
    ],
)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_look_into_something_else_than_the_resource_changes_nothing(effect: str, condition: str) -> None:
    """It may be the resource by another name, one that is decided in the same call, or one that is not there and fails."""
    listing = '(principal, action == Action::"collection:list", resource is Collection)'
    bundle = written(f'@id("all") permit {listing};', f'@id("looks") {effect} {listing} when {{ {condition} }};')
    requests = [Request(MIA, Action.COLLECTION_LIST, each, HOME) for each in COLLECTIONS]
    assert DecisionPoint(bundle).decide_many(requests) == [_with_all(bundle, each) for each in requests]


def _with_all(bundle: PolicyBundle, request: Request) -> Decision:
    whole = policy_set(bundle.applicable[request.action, resource_type(request.resource)].policies)
    details = encode(context_values(request.caller, request.action.value, request.cell_region, (), bundle.regions))
    entities = bundle.with_caller(facts(request.caller)).with_added_json_str(encode([resource_entity(request.resource)]))
    result = cedarpy.is_authorized_batch([cedar_request(request, details)], whole, entities)[0].diagnostics
    failed = sorted({id_ for message in result.errors for id_ in re.findall(r"policy `([^`]+)`", message)})
    allowed = not failed and bool(result.reasons) and all(bundle.policies[id_]["effect"] == "permit" for id_ in result.reasons)
    return Decision(allowed, tuple(failed or sorted(result.reasons)), bundle.digest, tuple(failed))


def test_marks_that_nobody_reads_do_not_tell_documents_apart() -> None:
    """Of the policies that are shipped, those on deleting read the owner and those on reading the validity."""
    applicable = shipped_bundle().applicable
    assert set(applicable[Action.DOCUMENT_READ, "Document"].unread) == {"owner", "labels", "personal_data"}
    assert set(applicable[Action.DOCUMENT_DELETE, "Document"].unread) == {"labels", "personal_data", "validity"}
    assert set(Applicable({}).unread) == {"owner", "labels", "personal_data", "validity"}
    deleting = applicable[Action.DOCUMENT_DELETE, "Document"]
    assert deleting.sliced(("curator-withdraw", "guard-document-region")).resource == {"owner", "region"}
    assert deleting.sliced(("curator-withdraw", "guard-document-region")).context == {"cell_region"}


def test_callers_in_the_same_groups_share_a_parsed_set() -> None:
    """Parsing takes longer than deciding."""
    applicable = shipped_bundle().applicable[READING]
    values = context_values(MIA, "document:read", HOME, (), shipped_bundle().regions)
    ben = Caller(principal("ben"), tenant(), MIA.method, Grant(), uid("key"), at=MIA.at)
    mine, theirs = (applicable.sliced(applicable.to(caller_facts(each, values))) for each in (MIA, ben))
    assert mine is theirs
