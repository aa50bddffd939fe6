"""Policies written for one test: a permit or forbid on documents with a condition, beside the schema that is shipped."""

from __future__ import annotations

from tests.fakes.policy import shipped_sources

from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint


def written(*policies: str) -> PolicyBundle:
    """A bundle of just these policies. Raises what ``PolicyBundle.parse`` raises."""
    return PolicyBundle.parse(shipped_sources()[0], {"test.cedar": "\n".join(policies)})


def on_documents(condition: str, effect: str = "permit", id_: str = "under-test") -> str:
    """The text of a policy on reading documents."""
    head = 'principal is User, action == Action::"document:read", resource is Document'
    return f'@id("{id_}") {effect} ({head}) when {{ {condition} }};'


def permitting(condition: str) -> DecisionPoint:
    return DecisionPoint(written(on_documents(condition)))
