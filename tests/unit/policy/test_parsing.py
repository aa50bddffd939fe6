"""Policy texts, and which requests they can apply to."""

from __future__ import annotations

import pytest
from tests.fakes.people import HOME, caller, document
from tests.fakes.policy import shipped_sources

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.parsing import applicable, mentions, parse_policies, parse_schema, policy_set
from domicile.policy.request import Request
from domicile.policy.scope import Everything, Nothing

SCHEMA = parse_schema(shipped_sources()[0])
ACTS = 'permit (principal, action == Action::"document:read", resource);'


def parsed(*texts: str) -> dict[str, object]:
    return dict(parse_policies({f"{number}.cedar": text for number, text in enumerate(texts)}, SCHEMA))


def test_policies_are_known_by_their_id() -> None:
    """Positions in files mean nothing: decisions name policies as their authors do."""
    assert set(parsed(f'@id("a") {ACTS}', f'@id("b") {ACTS} @id("c") {ACTS}')) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("permit (principal, action", "0.cedar cannot be read"),
        (ACTS, "A policy in 0.cedar has no @id"),
        (f'@id("") {ACTS}', "A policy in 0.cedar has no @id"),
        (f'@id("twice") {ACTS} @id("twice") {ACTS}', "Two policies have the @id 'twice'"),
        ('@id("slot") permit (principal == ?principal, action, resource);', "0.cedar holds a policy template"),
        ('@id("odd") permit (principal, action, resource) when { principal.shoe_size > 40 };', "Policy 'odd' in 0.cedar"),
        ('@id("odd") permit (principal, action == Action::"document:burn", resource);', "Policy 'odd' in 0.cedar"),
        ('@id("odd") permit (principal, action, resource is Document) when { resource.region < 3 };', "Policy 'odd'"),
        ("", "no policy at all"),
    ],
)
def test_what_is_wrong_is_said_and_where(text: str, said: str) -> None:
    """The operator reads which policy, or at least which file, has to be corrected."""
    with pytest.raises(PolicyInvalid, match=said):
        parsed(text)


def test_an_id_is_unique_across_files() -> None:
    """Two files that were copied from one another do not go unnoticed."""
    with pytest.raises(PolicyInvalid, match=r"'same'; the second one is in 1\.cedar"):
        parsed(f'@id("same") {ACTS}', f'@id("same") {ACTS}')


def test_a_schema_that_cannot_be_read_is_refused() -> None:
    """Before any policy is looked at."""
    with pytest.raises(PolicyInvalid, match="schema cannot be read"):
        parse_schema("entity;")


@pytest.mark.parametrize(
    ("head", "applies"),
    [
        ("principal, action, resource", True),
        ('principal, action == Action::"document:read", resource', True),
        ('principal, action == Action::"document:list", resource', False),
        ('principal, action in [Action::"document:list", Action::"document:read"], resource', True),
        ('principal, action in [Action::"document:list", Action::"document:create"], resource', False),
        ('principal, action in Action::"document:read", resource', True),
        ("principal, action, resource is Document", True),
        ('principal, action, resource is Document in Tenant::"t"', True),
        ("principal, action, resource is Collection", False),
        ('principal, action, resource in Tenant::"t"', True),
        ('principal, action, resource == Document::"d"', True),
    ],
)
def test_only_policies_whose_head_cannot_match_are_left_out(head: str, applies: bool) -> None:
    """Whatever is unclear stays in, for Cedar to look at."""
    policies = parse_policies({"a.cedar": f'@id("p") permit ({head});'}, SCHEMA)
    assert bool(applicable(policies, Action.DOCUMENT_READ, "Document")) is applies


def test_a_group_of_actions_is_left_for_cedar() -> None:
    """A head that names something that is no plain action may cover any action, and Cedar knows whether it does."""
    plain = 'action "document:read", "document:delete"'
    schema = shipped_sources()[0].replace(plain, f'action "touch";\n{plain} in ["touch"]')
    text = '@id("p") permit (principal, action in Action::"touch", resource is Document);'
    decisions = DecisionPoint(PolicyBundle.parse(schema, {"a.cedar": text}))
    asked = [Request(caller(), action, document(), HOME) for action in (Action.DOCUMENT_READ, Action.DOCUMENT_LIST)]
    assert [decision.allowed for decision in decisions.decide_many(asked)] == [True, False]
    assert decisions.scope(caller(), Action.DOCUMENT_READ, HOME).tree == Everything()
    assert decisions.scope(caller(), Action.DOCUMENT_LIST, HOME).tree == Nothing()


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ('resource == Document::"d"', True),
        ('[Document::"d"].contains(resource)', True),
        ('resource is Document && resource.region == "Document"', False),
        ('resource in Collection::"c"', False),
    ],
)
def test_a_policy_that_names_a_document_is_noticed(condition: str, named: bool) -> None:
    """Wherever in the policy it does."""
    text = f'@id("p") permit (principal, action, resource is Document) when {{ {condition} }};'
    assert mentions(parse_policies({"a.cedar": text}, SCHEMA).values(), "Document") is named


def test_a_policy_whose_head_names_a_document_is_noticed() -> None:
    """The head counts as much as the conditions."""
    text = '@id("p") permit (principal, action, resource == Document::"d");'
    assert mentions(parse_policies({"a.cedar": text}, SCHEMA).values(), "Document")


def test_no_policies_make_an_empty_set() -> None:
    """Which permits nothing."""
    assert len(policy_set({})) == 0
