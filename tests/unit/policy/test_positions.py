"""On which line an operator stands."""

from __future__ import annotations

from itertools import chain

import pytest
from tests.fakes.policy import shipped_sources

from domicile.policy.expressions import walk
from domicile.policy.operands import only
from domicile.policy.parsing import parse_policies, parse_schema
from domicile.policy.positions import line_of
from domicile.policy.sources import find_sources

SCHEMA = parse_schema(shipped_sources()[0])


def lines(text: str, operator: str) -> list[int]:
    """The line that is told for each such operator of the policy."""
    files = {"a.cedar": text}
    parsed = parse_policies(files, SCHEMA)
    ((id_, policy),) = parsed.items()
    source = find_sources(files, parsed)[id_]
    bodies = (condition["body"] for condition in policy["conditions"])
    found = [each for each in chain.from_iterable(map(walk, bodies)) if only(each)[0] == operator]
    return [line_of(each, policy, source) for each in found]


def text(*conditions: str) -> str:
    """A policy whose conditions begin on line 3."""
    return (
        '@id("p")\npermit (principal in Group::"g", action in [Action::"job:read"], resource)\n' + "\n".join(conditions) + ";"
    )


@pytest.mark.parametrize(
    ("operator", "conditions", "expected"),
    [
        ("==", ['when { "==" == context.method // ==', " && context.verb", " == context.method }"], [3, 5]),
        ("like", ['when { context.verb like "like" }', "unless { context", '.verb like "b" }'], [3, 5]),
        (
            "contains",
            ["when { context.component_regions", '.contains("a") ||', "context.component_regions.contains(context.verb) }"],
            [4, 5],
        ),
        (
            "if-then-else",
            ["when { if principal.disabled then true else", "if", "principal.disabled then false else true }"],
            [3, 4],
        ),
        ("+", ["when { 1", "+ 2 > principal.clearance", "+ 3 }"], [4, 5]),
        ("in", ["when { true", '&& principal in Group::"in" }'], [4]),
        ("Set", ["when { [1,2] ==", "[3] }"], [3, 4]),
    ],
)
def test_the_line_is_told(operator: str, conditions: list[str], expected: list[int]) -> None:
    """Strings, comments and the head do not count."""
    assert lines(text(*conditions), operator) == expected


@pytest.mark.parametrize(
    ("operator", "conditions"),
    [
        ("in", ["when { true }", 'when { principal is User in Group::"a" ||', 'principal in Group::"b" }']),
        ("Set", ["when { [1, 2] == [3] ||", 'context["verb"] == "a" }']),
        ("Record", ["when { {a: 1} == {a: 2} }"]),
    ],
)
def test_where_it_is_not_certain_the_policy_is_told(operator: str, conditions: list[str]) -> None:
    """A wrong line would cost more time than the policy's own."""
    assert set(lines(text(*conditions), operator)) == {1}


def test_an_operator_of_another_policy_is_not_found() -> None:
    """Its like may be there, itself it is not."""
    files = {"a.cedar": text("when { true", "&& false }")}
    parsed = parse_policies(files, SCHEMA)
    policy, source = parsed["p"], find_sources(files, parsed)["p"]
    assert line_of({"&&": {"left": {"Value": True}, "right": {"Value": False}}}, policy, source) == 1
