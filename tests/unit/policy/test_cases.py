"""The cases beside the shipped policies: each request comes to the decision, and by the policies, that its case says."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.fakes.people import HOME, caller, collection, document, group, principal, tenant, uid
from tests.fakes.policy import POLICIES, shipped_bundle

from domicile.domain.actions import Action
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.domain.values import Classification, Region, Role
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import CollectionResource, EndpointResource, OwnedResource, Request, Resource, TenantResource

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted((POLICIES / "cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]
Case = dict[str, Any]


def asking(case: Case) -> Caller:
    told = case.get("caller", {})
    who = principal(
        role=Role(told.get("role", "member")),
        clearance=Classification.parse(told.get("clearance", "internal")),
        groups=[group(slug).id for slug in told.get("groups", ())],
        disabled=told.get("disabled", False),
    )
    collections = [collection(slug).id for slug in told["collections"]] if "collections" in told else None
    method = AuthenticationMethod(told.get("method", "session"))
    return caller(who, tenant(told.get("acting_in", "acme")), method=method, verbs=told.get("verbs"), collections=collections)


def asked_for(told: Case) -> Resource:
    of, region = tenant(told.get("tenant", "acme")), Region(told.get("region", "eu-de"))
    where = collection(told.get("collection", "handbook"), of)
    match told["kind"]:
        case "tenant":
            return TenantResource(of.id)
        case "collection":
            return CollectionResource(of.id, where.id, region)
        case "document":
            level = Classification.parse(told.get("classification", "internal"))
            groups = [group(slug, of).id for slug in told.get("groups", ())]
            return document(of=of, in_collection=where, region=region, classification=level, groups=groups)
        case "endpoint":
            return EndpointResource("model", "sglang", region)
        case kind:
            owner = principal().id if told["owner"] == "self" else uid("somebody")
            return OwnedResource(kind, uid(kind), of.id, owner)


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case) -> None:
    """The decision and the policies that determined it."""
    decisions = DecisionPoint(shipped_bundle(), [Region(name) for name in case.get("component_regions", ())])
    decision = decisions.decide(Request(asking(case), Action(case["action"]), asked_for(case["resource"]), HOME))
    assert decision.allowed is case["permitted"]
    assert decision.policies == tuple(case.get("policies", ()))
    assert decision.errors == ()


def test_there_is_a_case_for_every_policy() -> None:
    """A policy without a case that it determines could be deleted and nobody would notice."""
    determining = {id_ for case in CASES for id_ in case.values[0].get("policies", ())}
    assert shipped_bundle().ids - determining == set()


def test_there_is_a_case_for_every_action() -> None:
    """Of which at least one is permitted."""
    permitted = {Action(case.values[0]["action"]) for case in CASES if case.values[0]["permitted"]}
    assert set(Action) - permitted == set()
