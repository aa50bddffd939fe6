"""Operators of Cedar, compiled: the scope admits exactly what Cedar itself decides."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.people import HOME, caller, collection, document, group, principal, tenant, uid
from tests.fakes.policy_texts import on_documents, permitting, written
from tests.fakes.worlds import callers, documents

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Region
from domicile.policy.decision import DecisionPoint
from domicile.policy.operands import Entity, NotCompilable
from domicile.policy.request import Request
from domicile.policy.residual import ResidualCompiler
from domicile.policy.scope import Everything, Nothing, admits

FINANCE, LEGAL, BOARD = (group(slug).id for slug in ("finance", "legal", "board"))
ACME, HANDBOOK, CONTRACTS = tenant().id, collection().id, collection("contracts").id
MIA = caller(principal(groups=[FINANCE, LEGAL], clearance=Classification.CONFIDENTIAL))
EVERY_KIND = [
    document(f"{region}-{level}-{number}", of, region=Region(region), classification=level, groups=groups, in_collection=where)
    for number, (region, level, groups, where, of) in enumerate(
        product(
            ("eu-de", "us-va"),
            Classification,
            ([], [FINANCE], [FINANCE, LEGAL, BOARD]),
            (collection(), collection("contracts")),
            (tenant(), tenant("globex")),
        )
    )
]
NAMED = EVERY_KIND[7].document_id

#: Conditions that compile, each true for some kinds of document and false for others, on its own.
TELLING = [
    f'resource == Document::"{NAMED}"',
    f'Document::"{NAMED}" != resource',
    f'resource in Document::"{NAMED}"',
    f'[Document::"{NAMED}"].contains(resource)',
    f'resource.tenant == Tenant::"{ACME}"',
    "resource.tenant == principal.tenant",
    "principal in resource.tenant",
    f'resource in Tenant::"{ACME}"',
    f'resource in Collection::"{HANDBOOK}"',
    f'resource in [Collection::"{HANDBOOK}", Collection::"{uid("elsewhere")}"]',
    f'resource is Document in Collection::"{HANDBOOK}"',
    f'resource.collection == Collection::"{HANDBOOK}"',
    f'resource.collection in Collection::"{HANDBOOK}"',
    f'resource.collection in [Collection::"{CONTRACTS}"]',
    f'[Collection::"{HANDBOOK}"].contains(resource.collection)',
    'resource.region == "eu-de"',
    'resource.region != "eu-de"',
    "resource.region == context.cell_region",
    '["eu-de", "eu-fr"].contains(resource.region)',
    "resource.classification < 2",
    "resource.classification <= 2",
    "resource.classification > 1",
    "resource.classification >= 1",
    "2 < resource.classification",
    "2 >= resource.classification",
    "resource.classification == 1",
    "resource.classification != 1",
    "[0, 3].contains(resource.classification)",
    "resource.classification <= principal.clearance",
    "principal.clearance - 1 == resource.classification",
    "resource.groups.isEmpty()",
    f'resource.groups.contains(Group::"{FINANCE}")',
    f'resource.groups.containsAny([Group::"{BOARD}", Group::"{LEGAL}"])',
    f'[Group::"{BOARD}"].containsAny(resource.groups)',
    f'resource.groups.containsAll([Group::"{FINANCE}", Group::"{BOARD}"])',
    "resource.groups.containsAny(principal.groups)",
    "resource.groups.containsAll(principal.groups)",
    "principal in resource.groups",
    f'Group::"{FINANCE}" in resource.groups',
    'if resource.classification > 1 then resource.region == "eu-de" else resource.groups.isEmpty()',
]
#: Conditions that compile and are the same for every document.
CONSTANT = [
    "true",
    "false",
    "resource is Document",
    "resource has region",
    "resource.classification < 99",
    "resource.classification < 9223372036854775807",
    "resource.classification >= -9223372036854775808",
    'resource.collection == Collection::"not-a-uuid"',
    f'resource.tenant in Tenant::"{str(ACME).upper()}"',
    f'resource.collection in Tenant::"{ACME}"',
    "principal.disabled",
    "resource is Document || resource.classification + 1 > 2",
    "!(resource has groups) && resource.classification + 1 > 2",
    "if resource.classification < 9 then true else resource.classification * 2 > 2",
    "if resource is Collection then resource.classification * 2 > 2 else false",
]
#: Conditions that no store's filter expresses.
REFUSED = [
    "resource.classification + 1 > 2",
    'resource.region like "eu-*"',
    f'[Group::"{FINANCE}"].containsAll(resource.groups)',
    f'resource.groups == [Group::"{FINANCE}"]',
    'resource.collection.region == "eu-de"',
    "resource.collection.tenant == principal.tenant",
    f'resource.groups.contains(Group::"{FINANCE}") && resource.classification * 2 > 2',
    "principal.grant.collections.containsAny([resource.collection])",
    '{here: resource.region} == {here: "eu-de"}',
    "if resource.classification * 2 > 2 then true else false",
]


RESOURCE = {"unknown": [{"Value": "resource"}]}


def decided(decisions: DecisionPoint, who: Caller, documents: list[DocumentAttributes]) -> list[bool]:
    requests = [Request(who, Action.DOCUMENT_READ, each, HOME) for each in documents]
    return [decision.allowed for decision in decisions.decide_many(requests)]


def scoped(decisions: DecisionPoint, who: Caller, documents: list[DocumentAttributes]) -> list[bool]:
    tree = decisions.scope(who, Action.DOCUMENT_READ, HOME).tree
    return [admits(tree, each) for each in documents]


@pytest.mark.parametrize("condition", TELLING)
def test_an_operator_compiles_to_what_cedar_decides(condition: str) -> None:
    """Over documents of every kind, and the condition does tell some of them apart."""
    decisions = permitting(condition)
    expected = decided(decisions, MIA, EVERY_KIND)
    assert set(expected) == {True, False}
    assert scoped(decisions, MIA, EVERY_KIND) == expected


@pytest.mark.parametrize("condition", CONSTANT)
def test_what_does_not_depend_on_the_document_compiles_to_a_constant(condition: str) -> None:
    """Nothing is left for a store to test, even where the branch not taken could not be compiled."""
    decisions = DecisionPoint(written(on_documents(condition)))
    expected = decided(decisions, MIA, EVERY_KIND)
    assert decisions.scope(MIA, Action.DOCUMENT_READ, HOME).tree in (Everything(), Nothing())
    assert scoped(decisions, MIA, EVERY_KIND) == expected


@pytest.mark.parametrize("effect", ["permit", "forbid"])
@pytest.mark.parametrize("condition", REFUSED)
def test_what_cannot_be_compiled_is_refused_at_load(condition: str, effect: str) -> None:
    """The refusal names the policy, whether it permits or forbids."""
    with pytest.raises(PolicyInvalid, match="'under-test' cannot be turned into a filter") as refusal:
        written(on_documents("true", id_="other"), on_documents(condition, effect))
    assert refusal.value.members["policy"] == "under-test"


conditions = st.recursive(
    st.sampled_from(TELLING + CONSTANT).map("({})".format),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


policies = st.tuples(conditions, st.sampled_from(["permit", "forbid"]))


@settings(max_examples=40, deadline=None)
@given(st.lists(policies, min_size=1, max_size=4), callers(), st.lists(documents()))
def test_any_policies_compile_to_what_cedar_decides(
    written_policies: list[tuple[str, str]], who: Caller, others: list[DocumentAttributes]
) -> None:
    """However conditions, permits and forbids are combined, the scope admits exactly what the decision permits."""
    texts = [on_documents(condition, effect, f"p{number}") for number, (condition, effect) in enumerate(written_policies)]
    decisions = DecisionPoint(written(*texts))
    kinds = EVERY_KIND[::5] + others
    assert scoped(decisions, who, kinds) == decided(decisions, who, kinds)


@pytest.mark.parametrize(
    "expression",
    [
        {},
        {"Value": 1},
        {"Value": True, "!": {}},
        {"==": {"left": {"Value": 1}, "right": {"Value": 1}}},
        {"==": {"left": {"Var": "principal"}, "right": RESOURCE}},
        {"==": {"left": {"unknown": [{"Value": 'Action::"x"'}]}, "right": {"Value": "x"}}},
        {
            "<": {
                "left": {".": {"left": RESOURCE, "attr": "classification"}},
                "right": {"Value": True},
            }
        },
        {"is": {"left": {"Value": "x"}, "entity_type": "Document"}},
        {"has": {"left": {"Value": "x"}, "attr": "region"}},
        {"isEmpty": {"arg": RESOURCE}},
        {"in": {"left": RESOURCE, "right": {"Value": "x"}}},
        {"contains": {"left": {"Set": [{"Set": []}]}, "right": RESOURCE}},
        {"contains": {"left": {"Value": [[1]]}, "right": RESOURCE}},
        {"ip": [{"Value": "127.0.0.1"}]},
    ],
)
def test_an_expression_of_no_known_form_is_not_compiled(expression: dict[str, object]) -> None:
    """What a later version of Cedar might leave behind is refused, never guessed at."""
    compiler = ResidualCompiler(Entity("User", "mia"), frozenset())
    with pytest.raises(NotCompilable):
        compiler.compile(expression)


def test_a_head_that_was_not_evaluated_is_not_compiled() -> None:
    """A residual whose action or principal is still open would be wider than its policy."""
    head = {"principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "is", "entity_type": "Document"}}
    with pytest.raises(NotCompilable):
        ResidualCompiler(Entity("User", "mia"), frozenset()).compile_policy({**head, "conditions": []})


def test_an_unless_is_negated() -> None:
    """Cedar folds it into a `when` today; a residual that still has one is compiled as what it means."""
    head = {part: {"op": "All"} for part in ("principal", "action", "resource")}
    residual = {**head, "conditions": [{"kind": "unless", "body": {"Value": True}}]}
    assert ResidualCompiler(Entity("User", "mia"), frozenset()).compile_policy(residual) == Nothing()
