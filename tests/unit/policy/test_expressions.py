"""What expressions are made of."""

from __future__ import annotations

from typing import Any

import cedarpy
import msgspec
import pytest

from domicile.policy.expressions import calculates, depth, involves_resource, operands, size, walk, written
from domicile.policy.operands import NotCompilable, only


def policy(condition: str) -> dict[str, Any]:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    return dict(msgspec.json.decode(cedarpy.policies_to_json_str(text))["staticPolicies"]["policy0"])


def body(condition: str) -> dict[str, Any]:
    return dict(policy(condition)["conditions"][0]["body"])


def test_operators_are_walked_in_the_order_of_the_text() -> None:
    """Methods and infix operators come after their first operand, everything else before."""
    condition = "if principal.groups.isEmpty() then [1, 2].contains(context.x - 3) else !(resource is Document in resource.y)"
    order = [only(each)[0] for each in walk(body(condition))]
    assert [each for each in order if each not in ("Value", "Var")] == [
        *("if-then-else", ".", "isEmpty", "Set", "contains", ".", "-", "!", "is", ".")
    ]


def test_names_in_records_are_no_operators() -> None:
    """A record may call its attributes what it likes."""
    assert [only(each)[0] for each in walk(body("{Var: 1, isEmpty: 2, left: resource} == context.x"))][:4] == [
        *("Record", "Value", "Value", "Var")
    ]
    assert involves_resource(body("{Var: resource} == context.x"))
    assert not involves_resource(body('{Var: "resource"} == context.x'))


def test_an_operator_that_is_not_known_is_not_guessed_at() -> None:
    """A later Cedar may have other ones, with other arguments."""
    with pytest.raises(NotCompilable):
        operands({"between": {"low": {"Value": 1}}})


@pytest.mark.parametrize(
    ("condition", "deep", "count"),
    [
        ("true", 1, 1),
        ("!true", 2, 1),
        ("true && (false || true)", 3, 3),
        ("if (if true then true else true) then true else true", 3, 10),
        ("[1, 2, 3].contains(context.x)", 3, 1),
    ],
)
def test_depth_and_size_are_those_of_the_filter(condition: str, deep: int, count: int) -> None:
    """A conditional's condition counts twice."""
    assert (depth(body(condition)), size(body(condition))) == (deep, count)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        ('resource.groups.containsAny([principal, Group::"a\\"b"])', 'resource.groups [principal, Group::"a\\"b"]'),
        ('context.x.y == "é"', 'context.x.y "é"'),
        ("(1 + 2) == principal.z", "… principal.z"),
    ],
)
def test_operands_are_written_as_an_author_would(condition: str, text: str) -> None:
    """What is longer than an operand is left out."""
    assert " ".join(map(written, operands(body(condition)))) == text


@pytest.mark.parametrize(("condition", "does"), [("1 + 1 == 2", True), ("!(context.x < -context.y)", True), ("1 < -2", False)])
def test_arithmetic_is_noticed(condition: str, does: bool) -> None:
    """A negative number is none."""
    assert calculates(policy(condition)) is does
