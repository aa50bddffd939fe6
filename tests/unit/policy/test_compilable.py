"""What cannot be compiled for somebody is refused when it is loaded, with where it stands and what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.generated_policies import NOT_COMPILABLE, policies
from tests.fakes.people import HOME
from tests.fakes.policy import shipped_bundle, shipped_sources
from tests.fakes.policy_texts import on_documents, written
from tests.fakes.worlds import callers

from domicile.domain.actions import Action
from domicile.domain.errors import PolicyInvalid
from domicile.domain.principals import Caller
from domicile.policy.compilable import _SAMPLES, require_compilable
from domicile.policy.entities import context
from domicile.policy.parsing import applicable, parse_policies, parse_schema, policy_set
from domicile.policy.partial import partial_request, residual_scope
from domicile.policy.scope import Field
from domicile.policy.sources import find_sources

SCHEMA = parse_schema(shipped_sources()[0])
LISTING = '@id("p") permit (principal, action == Action::"document:list"'
GROUP = 'Group::"18f7a4a2-5f0c-4f1e-9d5c-5a5f6a1f2b3c"'


def check(text: str) -> dict[str, Any]:
    """Raises what the check raises; returns the policies."""
    files = {"a.cedar": text}
    parsed = parse_policies(files, SCHEMA)
    require_compilable(parsed, find_sources(files, parsed))
    return parsed


def refusal(condition: str) -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as refused:
        check(on_documents(condition))
    return refused.value


@pytest.mark.parametrize("condition", NOT_COMPILABLE)
@pytest.mark.parametrize(
    "hidden",
    [
        "{}",
        f"principal in {GROUP} && {{}}",
        "principal.disabled || {}",
        'context.access_jurisdiction == "CH" && !({})',
        'if context.cell_region == "us-va" then {} else true',
        'if resource.region == "us-va" then principal.disabled else {}',
        "if {} then true else false",
    ],
)
def test_nothing_hides_behind_who_asks(condition: str, hidden: str) -> None:
    """A part that matters for one group, place or jurisdiction only is found as surely as one that matters for all."""
    refused = refusal(hidden.format(f"({condition})"))
    assert (refused.members["policy"], refused.members["file"]) == ("under-test", "a.cedar")


def test_the_line_is_that_of_the_operator() -> None:
    """Not of the policy's beginning, and whatever stands in strings and comments before it."""
    text = """
@id("a")  // like this
@reason("one's own like, and others'")
permit (principal, action == Action::"document:read", resource is Document)
when { principal.role like "m*" }
// resource.region like "us-*"
when {
  resource.classification < 2 &&
  resource.region like "eu-*"
};"""
    with pytest.raises(PolicyInvalid, match=r"'like' on resource\.region \(a\.cedar, line 9\)") as refused:
        check(text)
    assert refused.value.members["line"] == 9


def test_the_first_of_several_policies_is_named_with_its_own_line() -> None:
    """In the order of their ids."""
    texts = [on_documents("true", id_="z"), on_documents("resource.tenant == resource.tenant", id_="b")]
    with pytest.raises(PolicyInvalid, match=r"Policy 'b' .* \(a\.cedar, line 2\)"):
        check("\n".join([*texts, on_documents('resource.region like "x"', id_="c")]))


@pytest.mark.parametrize(
    "text",
    [
        on_documents('resource is Collection && resource.region like "eu-*"'),
        on_documents('!(resource is Document) && resource.region like "eu-*"'),
        on_documents('resource.classification > 3 && resource.region like "eu-*"'),
        on_documents('if resource has region then true else resource.region like "eu-*"'),
        on_documents('false && resource.region like "eu-*"'),
        f'{LISTING}, resource == Collection::"c") when {{ resource.region like "e*" }};',
        f'{LISTING}, resource) when {{ resource is Collection }} when {{ resource.region like "e*" }};',
    ],
)
def test_what_is_never_asked_of_a_document_may_be_anything(text: str) -> None:
    """Policies on documents and collections together may test collections as they like."""
    assert check(text)
    assert written(text).ids


@pytest.mark.parametrize(
    "condition",
    [
        " || ".join(f'resource.region == "r{number}"' for number in range(120)),
        "(" * 8 + "resource has region" + " && resource.classification < 2)" * 8 + " && true" * 95,
    ],
)
def test_what_is_nested_too_deeply_is_refused(condition: str) -> None:
    """Making a scope of it would call itself as deeply, for every caller."""
    refused = refusal(condition)
    assert "too large or nested too deeply" in str(refused)
    assert "[…].contains(…)" in refused.advice


def test_what_would_grow_too_large_is_refused() -> None:
    """A conditional comes to its condition twice, so conditionals in conditions double a filter with each level."""
    condition = "resource.classification < 2"
    for number in range(12):
        condition = f'(if {condition} then resource.region == "r{number}" else resource.classification > 1)'
    assert "too large" in str(refusal(condition))


@pytest.mark.parametrize(
    "change",
    [
        {"resource": {"op": "near"}},
        {"conditions": [{"kind": "when", "body": {"between": {"low": {"Var": "resource"}}}}]},
        {"conditions": [{"kind": "when", "body": {"&&": {}, "||": {}}}]},
    ],
)
def test_what_has_no_known_form_is_refused(change: dict[str, object]) -> None:
    """A later Cedar may write policies in ways that this check has never seen."""
    files = {"a.cedar": on_documents("true")}
    parsed = parse_policies(files, SCHEMA)
    later = {"under-test": {**parsed["under-test"], **change}}
    with pytest.raises(PolicyInvalid, match=r"'under-test' cannot be turned into a filter .* \(a\.cedar, line 1\)"):
        require_compilable(later, find_sources(files, parsed))


def test_every_field_has_a_sample() -> None:
    """A new attribute of documents without one could not be checked."""
    assert set(_SAMPLES) == set(Field)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["permit", "forbid"]).flatmap(lambda effect: policies(0, effect)), callers(), st.sampled_from(Action))
def test_what_is_let_through_compiles_for_every_caller(text: str, who: Caller, action: Action) -> None:
    """No caller ever meets a policy that cannot be compiled for them: their scope would silently be empty."""
    try:
        parsed = check(text)
    except PolicyInvalid:
        return
    request = partial_request(who.principal, action.value, context(who, action.value, HOME, ()))
    tried = policy_set(applicable(parsed, action, "Document"))
    residual_scope(tried, shipped_bundle().with_caller(who), who.principal, request)
