"""Expressions in Cedar's JSON format: what they are made of, and how they are written.

The format is that of https://docs.cedarpolicy.com/policies/json-format.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from domicile.policy.operands import Json, NotCompilable, only

RESOURCE: Json = {"Var": "resource"}
ARITHMETIC = frozenset({"+", "-", "*", "neg"})
#: What asks something of an entity or record that is not written into the policy itself.
LOOKUPS = frozenset({".", "has", "in", "is", "getTag", "hasTag"})
_CONNECTIVES = frozenset({"&&", "||", "!", "if-then-else"})
_LEAVES = frozenset({"Value", "Var", "Slot", "unknown"})
#: Names of an operator's arguments, in the order in which they are written.
_ARGUMENTS = ("left", "right", "arg", "in", "if", "then", "else")


def operands(expression: Json) -> Sequence[Json]:
    """The expressions directly below, in the order in which they are written. Raises ``NotCompilable`` for no known form."""
    operator, arguments = only(expression)
    if operator in _LEAVES:
        return ()
    if operator == "Record":
        return tuple(arguments.values())
    if isinstance(arguments, list):  # a set, or the arguments of a function
        return tuple(arguments)
    found = tuple(arguments[name] for name in _ARGUMENTS if name in arguments)
    if not found:
        raise NotCompilable(f"'{operator}' is not known")
    return found


def walk(expression: Json) -> Iterator[Json]:
    """The expression and everything below it, in the order in which their operators are written."""
    waiting: list[tuple[Json, bool]] = [(expression, False)]
    while waiting:
        each, seen = waiting.pop()
        if seen:
            yield each
            continue
        below = operands(each)
        first = 1 if _follows(each) else 0
        order = [(part, False) for part in below[:first]] + [(each, True)] + [(part, False) for part in below[first:]]
        waiting.extend(reversed(order))


def _follows(expression: Json) -> bool:
    """Whether the operator is written after its first operand."""
    operator, arguments = only(expression)
    return operator == "isEmpty" or (operator != "Record" and isinstance(arguments, dict) and "left" in arguments)


def depth(expression: Json) -> int:
    """How deeply expressions are nested in it; 1 for one that holds no other."""
    deepest, level = 0, [expression]
    while level:
        deepest += 1
        level = [below for each in level for below in operands(each)]
    return deepest


def size(condition: Json) -> int:
    """How many tests a filter makes of it at most: a conditional comes to its condition twice. The depth must be bounded."""
    operator, arguments = only(condition)
    if operator not in _CONNECTIVES:
        return 1
    twice = size(arguments["if"]) if operator == "if-then-else" else 0
    return twice + sum(map(size, operands(condition)))


def calculates(policy: Json) -> bool:
    """Whether there is arithmetic in any of its conditions, the one thing that may fail though the schema knows all types."""
    return any(only(each)[0] in ARITHMETIC for condition in policy["conditions"] for each in walk(condition["body"]))


def involves_resource(expression: Json) -> bool:
    return any(each == RESOURCE for each in walk(expression))


def written(expression: Json) -> str:
    """The expression as an author would write it; what is longer than an operand is left out."""
    match only(expression):
        case "Var", str(name):
            return name
        case ".", {"left": left, "attr": str(name)}:
            return f"{written(left)}.{name}"
        case "Value", {"__entity": {"type": str(kind), "id": str(id_)}}:
            return f"{kind}::{json.dumps(id_, ensure_ascii=False)}"
        case "Value", value:
            return json.dumps(value, ensure_ascii=False)
        case "Set", list(members):
            return f"[{', '.join(map(written, members))}]"
    return "…"


def may_fail(expression: Json) -> bool:
    """Whether its evaluation may fail for a request that fits the schema: by an overflow, a function, a tag, or an attribute
    of an entity that is not there."""
    for each in walk(expression):
        operator, arguments = only(each)
        if (
            operator in ARITHMETIC
            or operator == "getTag"
            or (operator == "." and not _is_at_hand(arguments["left"]))
            or (isinstance(arguments, list) and operator not in ("Set", "unknown"))
        ):
            return True
    return False


def looked_into(expression: Json) -> Iterator[str]:
    """By which operators it looks into what only its evaluation tells: that may be the resource, another one, or nothing."""
    for each in walk(expression):
        operator, arguments = only(each)
        within = operator != "is" or "in" in arguments  # an entity's type is known without looking into it
        if operator in LOOKUPS and within and not _is_at_hand(arguments["left"]):
            yield operator


def _is_at_hand(entity: Json) -> bool:
    """Whether it is the principal, the resource, the context, the principal's grant, or a record that is written out."""
    match entity:
        case {"Var": _} | {"unknown": _} | {"Record": _}:
            return True
        case {".": {"left": {"Var": "principal"}, "attr": "grant"}}:
            return True
    return False
