"""The policies that can matter to one kind of request, and of those the ones that can matter to one caller.

Most of an organisation's policies are about some group, role or purpose. Which callers those leave alone is read from the
policies when they are loaded, so that Cedar is not asked about them each time. Obligations, labelled where they are met:

1. A policy is left out only where its evaluation would come to false: it could then neither determine a decision nor shape
   a scope.
2. It is left out only where nothing that is evaluated before could fail: a policy that fails denies, so it must be asked.
"""

from __future__ import annotations

import operator as operator_
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cedarpy

from domicile.domain.marks import ALWAYS, NOBODY
from domicile.domain.principals import Caller, Strength
from domicile.domain.values import Classification
from domicile.policy.expressions import RESOURCE, looked_into, may_fail, walk
from domicile.policy.operands import Json, only
from domicile.policy.parsing import Policy, policy_set, tells_time

#: Sets of policies that are kept parsed for each kind of request; callers in the same groups share one.
_REMEMBERED_SLICES = 256


class Atom(NamedTuple):
    """Something that is true of a caller: an attribute's value, or what the principal is in."""

    subject: str
    attribute: str
    value: str | bool | int


#: At least one of these has to be true of the caller.
Need = frozenset[Atom]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some policies, parsed, and what they look at. Handing Cedar anything else takes it as long as deciding."""

    policies: cedarpy.PolicySet
    #: Attributes of the resource; None for all of them.
    resource: frozenset[str] | None
    #: Attributes of the context; None for all of them.
    context: frozenset[str] | None

    def details(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """What these policies look at of a context with those values."""
        return values if self.context is None else {name: values[name] for name in self.context & values.keys()}


class Applicable:
    """The policies that may apply to one action on one type of resource, with what is known of them beforehand."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self.policies = policies
        #: The policies that look at the time.
        self.telling = frozenset(id_ for id_, policy in policies.items() if tells_time(policy))
        #: Marks of documents that no policy reads, with the values that documents are told apart without.
        self.unread = _unread(policies.values())
        #: Whether a decision could depend on what else is described beside the resource, so that it has to be made alone.
        self.apart = any(True for _ in _looked_into(policies.values()))
        self._needs = {id_: tuple(_needs(policy)) for id_, policy in policies.items()}
        self._sliced = lru_cache(_REMEMBERED_SLICES)(self._slice)

    def __len__(self) -> int:
        return len(self.policies)

    @property
    def timed(self) -> bool:
        """Whether decisions can differ with the time."""
        return bool(self.telling)

    def to(self, facts: frozenset[Atom]) -> tuple[str, ...]:
        """The ids of those that can matter to a caller of whom these are true."""
        return tuple(id_ for id_, needs in self._needs.items() if all(not need.isdisjoint(facts) for need in needs))

    def sliced(self, ids: tuple[str, ...]) -> Slice:
        """Those policies, named by their ids. Parsed once, since that takes longer than a decision."""
        return self._sliced(ids)

    def _slice(self, ids: tuple[str, ...]) -> Slice:
        policies = {id_: self.policies[id_] for id_ in ids}
        return Slice(policy_set(policies), _read(policies.values()), _context_read(policies.values()))


def caller_facts(caller: Caller, context: Mapping[str, object]) -> frozenset[Atom]:
    """Everything that a need can ask of a request by that caller in that context."""
    principal = caller.principal
    attributes: Mapping[str, str | bool | int] = {
        "role": principal.role.value,
        "kind": principal.kind.value,
        "disabled": principal.disabled,
        "clearance": int(principal.clearance),
    }
    facts = {Atom("principal", name, value) for name, value in attributes.items()}
    facts |= {Atom("context", name, value) for name, value in context.items() if isinstance(value, str)}
    facts.add(Atom("context", "strength", int(caller.strength)))
    facts |= {_within("Group", group) for group in principal.groups}
    facts |= {Atom("principal", "groups", f"Group::{group}") for group in principal.groups}
    return frozenset(facts | {_within("Tenant", principal.tenant_id), _within("User", principal.id)})


def _within(kind: str, id_: object) -> Atom:
    return Atom("principal", "in", f"{kind}::{id_}")


def _needs(policy: Policy) -> Iterator[Need]:
    """What the caller has to meet for the policy to be satisfied, as far as that can be read from it."""
    head = policy["principal"]
    if head["op"] in ("==", "in") and (entity := head.get("entity")):
        yield frozenset({_within(entity["type"], entity["id"])})
    for condition in policy["conditions"]:
        for part in _conjuncts(condition["body"]) if condition["kind"] == "when" else ():
            need = _alternatives(part)
            if need is not None:
                yield need  # (1)
            if may_fail(part):  # (2)
                return
        if condition["kind"] != "when" and may_fail(condition["body"]):  # (2)
            return


def _conjuncts(expression: Json) -> Iterator[Json]:
    """What is joined by ``&&``, in the order in which it is evaluated."""
    operator, arguments = only(expression)
    if operator == "&&":
        yield from _conjuncts(arguments["left"])
        yield from _conjuncts(arguments["right"])
    else:
        yield expression


def _alternatives(expression: Json) -> Need | None:
    """The facts of which one makes the condition true, and without any of which it is false; None where it asks otherwise."""
    match expression:
        case {"||": {"left": left, "right": right}}:
            one, other = _alternatives(left), _alternatives(right)
            return None if one is None or other is None else one | other
        case {".": {"left": {"Var": "principal"}, "attr": "disabled"}}:
            return frozenset({Atom("principal", "disabled", value=True)})
        case {"==": {"left": {".": {"left": {"Var": subject}, "attr": name}}, "right": {"Value": str(value)}}}:
            return _texts(subject, name, [value])
        case {"==": {"left": {"Value": str(value)}, "right": {".": {"left": {"Var": subject}, "attr": name}}}}:
            return _texts(subject, name, [value])
        case {"contains": {"left": {"Set": values}, "right": {".": {"left": {"Var": subject}, "attr": name}}}}:
            known = [each.get("Value") for each in values]
            return _texts(subject, name, known) if all(isinstance(each, str) for each in known) else None
        case {"in": {"left": {"Var": "principal"}, "right": right}}:
            return _entities("in", right)
        case {"contains": {"left": {".": {"left": {"Var": "principal"}, "attr": "groups"}}, "right": right}}:
            return _entities("groups", right)
    operator, arguments = only(expression)
    return _numbers(operator, arguments) if operator in _COMPARISONS else None


#: The attributes that are small numbers, with all that they can be.
_NUMBERS = {("principal", "clearance"): tuple(map(int, Classification)), ("context", "strength"): tuple(map(int, Strength))}
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "==": operator_.eq,
    "<": operator_.lt,
    "<=": operator_.le,
    ">": operator_.gt,
    ">=": operator_.ge,
}


def _numbers(operator: str, arguments: Json) -> Need | None:
    compare = _COMPARISONS[operator]
    match arguments:
        case {"left": {".": {"left": {"Var": subject}, "attr": name}}, "right": {"Value": int(limit)}}:
            among = [each for each in _NUMBERS.get((subject, name), ()) if compare(each, limit)]
        case {"left": {"Value": int(limit)}, "right": {".": {"left": {"Var": subject}, "attr": name}}}:
            among = [each for each in _NUMBERS.get((subject, name), ()) if compare(limit, each)]
        case _:
            return None
    return frozenset(Atom(subject, name, each) for each in among) if (subject, name) in _NUMBERS else None


#: The texts that ``caller_facts`` tells of; others may be known or not.
_TEXTS = {
    "principal": frozenset({"role", "kind"}),
    "context": frozenset(
        {"verb", "method", "cell_region", "access_region", "cell_jurisdiction", "access_jurisdiction", "purpose"}
    ),
}


def _texts(subject: str, name: str, values: list[Any]) -> Need | None:
    told = name in _TEXTS.get(subject, ())
    return frozenset(Atom(subject, name, value) for value in values) if told else None


def _entities(attribute: str, expression: Json) -> Need | None:
    match expression:
        case {"Value": {"__entity": {"type": kind, "id": id_}}}:
            return frozenset({Atom("principal", attribute, f"{kind}::{id_}")})
        case {"Set": list(members)} if attribute == "in":
            each = [_entities(attribute, member) for member in members]
            return None if None in each else frozenset[Atom]().union(*(need for need in each if need is not None))
    return None


_MARKS: Mapping[str, tuple[str, object]] = {
    "owner": ("owner", NOBODY),
    "labels": ("labels", frozenset[str]()),
    "personal_data": ("personal_data", False),
    "valid_from": ("validity", ALWAYS),
    "valid_until": ("validity", ALWAYS),
}


def _unread(policies: Collection[Policy]) -> Mapping[str, object]:
    """By the names of ``DocumentAttributes``."""
    read = _read(policies)
    used = {_MARKS[name][0] for name in (_MARKS if read is None else read & _MARKS.keys())}
    return {field: value for field, value in _MARKS.values() if field not in used}


def _read(policies: Collection[Policy]) -> frozenset[str] | None:
    """The attributes of the resource that any policy names; None if one may come to the resource by another name."""
    if any(operator not in {"in", "is"} for operator in _looked_into(policies)):
        return None
    return frozenset(name for policy in policies for each in _expressions(policy) for name in _named(each, RESOURCE))


def _looked_into(policies: Iterable[Policy]) -> Iterator[str]:
    return (each for policy in policies for condition in policy["conditions"] for each in looked_into(condition["body"]))


def _context_read(policies: Iterable[Policy]) -> frozenset[str] | None:
    """The attributes of the context that any policy names; None if one takes the context as a whole."""
    names: set[str] = set()
    for expressions in map(list, map(_expressions, policies)):
        named = [name for each in expressions for name in _named(each, _CONTEXT)]
        if len(named) != expressions.count(_CONTEXT):
            return None
        names.update(named)
    return frozenset(names)


_CONTEXT: Json = {"Var": "context"}


def _expressions(policy: Policy) -> Iterator[Json]:
    return (each for condition in policy["conditions"] for each in walk(condition["body"]))


def _named(expression: Json, subject: Json) -> Iterator[str]:
    """The attribute of the subject that the expression names, if it does nothing else."""
    operator, arguments = only(expression)
    if operator in (".", "has") and arguments["left"] == subject:
        yield arguments["attr"]
