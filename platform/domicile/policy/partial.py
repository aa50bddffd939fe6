"""From policies to the scope of one caller, by partial evaluation with the document unknown.

A document is in scope if some permit is satisfied on it and no forbid is. Obligations, labelled where they are met:

1. A policy that fails admits nothing, as it denies in a decision (Cedar itself would skip it).
2. A policy that cannot be compiled admits nothing, permits included: one that cannot be compiled may be one that fails.
3. Every policy is accounted for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import cedarpy

from domicile.domain.principals import Principal
from domicile.policy.algebra import all_of, any_of, negation
from domicile.policy.expressions import may_fail
from domicile.policy.operands import Entity, Json, NotCompilable
from domicile.policy.residual import ResidualCompiler
from domicile.policy.scope import Nothing, Scope


class ScopeRefused(Exception):
    """No scope can be made; ``policies`` are to blame, and ``reason`` says why. The only safe scope is ``Nothing``."""

    def __init__(self, reason: str, policies: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.policies = tuple(policies)


def partial_request(principal: Principal, verb: str, context_json: str) -> dict[str, str]:
    """A request without a resource. Ids are UUIDs and verbs are an enum's, so that neither needs escaping."""
    return {"principal": f'User::"{principal.id}"', "action": f'Action::"{verb}"', "context": context_json}


def residual_scope(
    policies: cedarpy.PolicySet, entities: cedarpy.Entities, principal: Principal, request: Mapping[str, str]
) -> tuple[Scope, tuple[str, ...]]:
    """The scope, and the policies that shaped it. Raises ``ScopeRefused``."""
    left = residuals(policies, entities, request)
    permits = {id_: residual["effect"] == "permit" for id_, residual in left.items()}
    return combined(compiled(left, principal), permits)


def residuals(policies: cedarpy.PolicySet, entities: cedarpy.Entities, request: Mapping[str, str]) -> Mapping[str, Json]:
    """What is left of each policy, by its id. Raises ``ScopeRefused``."""
    result = cedarpy.is_authorized_partial(dict(request), policies, entities)
    if result.diagnostics.errors:  # (1)
        raise ScopeRefused(result.diagnostics.errors[0], _blamed(result.residuals, result.diagnostics.errors))
    if len(result.residuals) != len(policies):  # (3)
        raise ScopeRefused("partial evaluation did not account for every policy")
    left: Mapping[str, Json] = result.residuals
    return left


def compiled(left: Mapping[str, Json], principal: Principal) -> dict[str, Scope]:
    """The documents on which each of those policies is satisfied. Raises ``ScopeRefused``."""
    return _compile(_compiler(principal), left)


def combined(scopes: Mapping[str, Scope], permits: Mapping[str, bool]) -> tuple[Scope, tuple[str, ...]]:
    """The scope that policies come to, which are permits or forbids, and those that shaped it."""
    in_order = sorted(scopes)  # so that equal callers get equal scopes
    permitted = any_of(*(scopes[id_] for id_ in in_order if permits[id_]))
    forbidden = (negation(scopes[id_]) for id_ in in_order if not permits[id_])
    return all_of(*forbidden, permitted), tuple(id_ for id_ in in_order if scopes[id_] != Nothing())


def is_settled(residual: Json) -> bool:
    """Whether the policy is satisfied on no document and fails on none, by Cedar's own evaluation of its known parts."""
    return any(condition["kind"] == "when" and _is_false(condition["body"]) for condition in residual["conditions"][:1])


def _is_false(expression: Json) -> bool:
    match expression:
        case {"Value": value}:
            return value is False
        case {"&&": {"left": left, "right": right}}:
            return _is_false(left) or (not may_fail(left) and _is_false(right))
    return False


@lru_cache(maxsize=1024)
def _compiler(principal: Principal) -> ResidualCompiler:
    groups = {Entity("Group", str(group)) for group in principal.groups}
    return ResidualCompiler(Entity("User", str(principal.id)), frozenset(groups | {Entity("Tenant", str(principal.tenant_id))}))


def _compile(compiler: ResidualCompiler, residuals: Mapping[str, Json]) -> dict[str, Scope]:
    """In the order of the ids, so that equal callers get equal scopes."""
    compiled: dict[str, Scope] = {}
    for id_, residual in sorted(residuals.items()):
        try:
            compiled[id_] = compiler.compile_policy(residual)
        except NotCompilable as refusal:
            raise ScopeRefused(str(refusal), [id_]) from refusal  # (2)
    return compiled


def _blamed(ids: Iterable[str], errors: Iterable[str]) -> list[str]:
    """The policies that an error names, in Cedar's own wording: ``error while evaluating policy `id`: …``."""
    text = "\n".join(errors)
    return sorted(id_ for id_ in ids if f"policy `{id_}`" in text)
