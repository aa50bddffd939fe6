"""From residuals to a scope, and when there is none."""

from __future__ import annotations

import cedarpy
import pytest
from tests.fakes.people import HOME, caller
from tests.fakes.policy import shipped_bundle, shipped_sources
from tests.fakes.policy_texts import on_documents

from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.policy.algebra import all_of, between, negation, one_of
from domicile.policy.entities import context
from domicile.policy.parsing import parse_policies, parse_schema, policy_set
from domicile.policy.partial import ScopeRefused, partial_request, residual_scope
from domicile.policy.scope import Everything, Field, Nothing, Scope

SCHEMA = parse_schema(shipped_sources()[0])
OVERFLOW = "principal.clearance + 9223372036854775807 > 0"
GERMAN, LOW = one_of(Field.REGION, "eu-de"), between(Field.CLASSIFICATION, None, 1)


def scope_of(*texts: str, who: Caller | None = None) -> tuple[Scope, tuple[str, ...]]:
    """The scope of these policies alone, without the checks that a bundle makes first."""
    asking = who or caller()
    request = partial_request(asking.principal, "document:read", context(asking, "document:read", HOME, ()))
    policies = policy_set(parse_policies({"a.cedar": "\n".join(texts)}, SCHEMA))
    return residual_scope(policies, shipped_bundle().with_caller(asking), asking.principal, request)


def test_permits_are_alternatives_and_forbids_take_away() -> None:
    """A document is in scope if some permit is satisfied on it and no forbid is; what shaped that is named."""
    tree, shaping = scope_of(
        on_documents('resource.region == "eu-de"', id_="german"),
        on_documents("resource.classification > 1", "forbid", "secret"),
        on_documents("principal.disabled", "forbid", "disabled"),
    )
    assert tree == all_of(LOW, GERMAN)
    assert shaping == ("german", "secret")


def test_without_a_permit_nothing_is_in_scope() -> None:
    """Default deny."""
    assert scope_of(on_documents('resource.region == "eu-de"', "forbid"))[0] == Nothing()


def test_a_forbid_of_everything_leaves_nothing() -> None:
    """Forbid trumps permit."""
    assert scope_of(on_documents("true", id_="all"), on_documents("true", "forbid", "none")) == (Nothing(), ("all", "none"))


def test_a_forbid_alone_is_negated() -> None:
    """What remains of a permit of everything is what the forbid does not name."""
    tree, _ = scope_of(on_documents("true", id_="all"), on_documents('resource.region == "eu-de"', "forbid", "german"))
    assert tree == negation(GERMAN)
    assert scope_of(on_documents("true"))[0] == Everything()


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_policy_that_fails_refuses_the_scope(effect: str) -> None:
    """Even beside a permit of everything: Cedar would skip it, and a decision would deny."""
    fails = f'@id("fails") {effect} (principal, action, resource) when {{ {OVERFLOW} }};'
    with pytest.raises(ScopeRefused, match="overflow") as refusal:
        scope_of(on_documents("true", id_="all"), fails)
    assert refusal.value.policies == ("fails",)


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_a_policy_that_may_fail_on_a_document_refuses_the_scope(effect: str) -> None:
    """The part that failed stays in the residual, where it must not be taken for false."""
    condition = f'resource.region == "eu-de" && {OVERFLOW}'
    with pytest.raises(ScopeRefused) as refusal:
        scope_of(on_documents("true", id_="all"), on_documents(condition, effect, "fails"))
    assert refusal.value.policies == ("fails",)


def test_a_policy_that_is_not_accounted_for_refuses_the_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a later Cedar to leave out residuals that it thinks decided, a forbid could be among them."""

    def forgetful(*_: object) -> cedarpy.PartialAuthzResult:
        return cedarpy.PartialAuthzResult({"decision": "Allow", "residuals": {}})

    monkeypatch.setattr(cedarpy, "is_authorized_partial", forgetful)
    with pytest.raises(ScopeRefused, match="every policy"):
        scope_of(on_documents("true"))


def test_a_request_that_cannot_be_built_refuses_the_scope() -> None:
    """What Cedar cannot read is no reason to let anything through."""
    asking = caller()
    request = {**partial_request(asking.principal, Action.DOCUMENT_READ.value, "{"), "context": "{"}
    with pytest.raises(ScopeRefused):
        residual_scope(policy_set({}), shipped_bundle().with_caller(asking), asking.principal, request)
