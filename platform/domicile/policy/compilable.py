"""Whether a policy on documents compiles into a filter for every caller, found out when it is loaded and without any caller.

A filter is compiled from what partial evaluation leaves of a policy: its conditions with everything known filled in, and the
document unknown. Here nothing is known yet, so every part that matters for some caller must compile. Obligations, labelled
where they are met:

1. Every part is looked at, except where the compiler would not look at it for anybody: behind a test whose outcome does not
   depend on the caller. Whatever has no known form is refused.
2. A test of the document is compiled by the very compiler of scopes, with samples of every type and size that the other side
   can have. The schema has settled the type, and what compiles depends on nothing else.
3. What does not involve the document has to be known once there is a caller. It is not if it looks into an entity that is
   not at hand: only the principal and actions are.
4. A filter is bounded, and so is the depth to which the compiler calls itself.

What a policy can do wrong for one caller though it compiles, such as an overflow, is not found here: it fails, and denies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from domicile.domain.errors import PolicyInvalid
from domicile.policy.advice import TOO_LARGE, Advice, on_lookup, on_test, on_value
from domicile.policy.expressions import LOOKUPS, RESOURCE, depth, involves_resource, size, walk
from domicile.policy.nesting import MOST_LEVELS
from domicile.policy.operands import ATTRIBUTES, Entity, Json, NotCompilable, Unknown, only, operand_of
from domicile.policy.parsing import Policy
from domicile.policy.positions import line_of
from domicile.policy.predicates import KINDS
from domicile.policy.residual import ResidualCompiler
from domicile.policy.scope import NUMBERS, SETS, Everything, Field, Nothing
from domicile.policy.sources import PolicySource

_UNKNOWN: Json = {"unknown": [{"Value": "resource"}]}
_ID = str(UUID(int=1))
_TEXT: Json = {"Value": "sample"}
#: What a document's field is compared with: a sample of its type, for a set of its members' type.
_SAMPLES: Mapping[Field, Json] = {
    Field.REGION: _TEXT,
    Field.LABELS: _TEXT,
    Field.PERSONAL_DATA: {"Value": True},
    **{field: {"Value": 1} for field in NUMBERS},
    **{field: {"Value": {"__entity": {"type": kind, "id": _ID}}} for field, kind in KINDS.items()},
}
#: What can be looked into: the principal with its ancestors, the action, and records.
_AT_HAND: Sequence[Json] = (
    {"Var": "principal"},
    {"Var": "action"},
    {"Var": "context"},
    {".": {"left": {"Var": "principal"}, "attr": "grant"}},
)
#: Tests that one condition may come to in a filter: some milliseconds for a store, where people write below 20.
MOST_TESTS = 1000
_COMPILER = ResidualCompiler(Entity("User", _ID), frozenset())


class _Refused(Exception):
    def __init__(self, expression: Json, advice: Advice) -> None:
        self.expression = expression
        self.advice = advice


def require_compilable(policies: Mapping[str, Policy], sources: Mapping[str, PolicySource]) -> None:
    """Raises ``PolicyInvalid`` for the first policy that may not compile for some caller, with where and what to write instead.

    ``policies`` are those that can apply to a document.
    """
    for id_, policy in sorted(policies.items()):
        try:
            _check(policy)
        except _Refused as refused:
            line = line_of(refused.expression, policy, sources[id_])
            raise _refusal(id_, refused.advice, sources[id_], line) from None
        except NotCompilable as unknown:  # (1)
            advice = Advice(str(unknown), "what is listed there")
            raise _refusal(id_, advice, sources[id_], sources[id_].line) from None


def _refusal(id_: str, advice: Advice, source: PolicySource, line: int) -> PolicyInvalid:
    return PolicyInvalid(
        f"Policy '{id_}' cannot be turned into a filter over documents: {advice.problem} ({source.file}, line {line}).",
        hint=f"Write instead: {advice.instead}. docs/policy.md lists what policies on documents can use.",
        policy=id_,
        file=source.file,
        line=line,
    )


def _check(policy: Policy) -> None:
    """Raises ``_Refused`` for the first part that may not compile."""
    parts = [_head(policy["resource"]), *map(_required, policy["conditions"])]
    for part in parts:
        if depth(part) > MOST_LEVELS or size(part) > MOST_TESTS:  # (4)
            raise _Refused(part, TOO_LARGE)
    for part in parts:
        if _outcome(part) is False:  # (1)
            return


def _head(constraint: Json) -> Json:
    """What the head asks of the document, as the condition that Cedar makes of it. The other two parts of a head are known."""
    match constraint:
        case {"op": "All"}:
            return {"Value": True}
        case {"op": "is", "entity_type": kind, **inside}:
            within = {"in": {"Value": {"__entity": inside["in"]["entity"]}}} if "in" in inside else {}
            return {"is": {"left": RESOURCE, "entity_type": kind, **within}}
        case {"op": ("==" | "in") as operator, "entity": entity}:
            return {operator: {"left": RESOURCE, "right": {"Value": {"__entity": entity}}}}
    raise NotCompilable("its head has no known form")  # (1)


def _required(condition: Json) -> Json:
    body: Json = condition["body"]
    return body if condition["kind"] == "when" else {"!": {"arg": body}}


def _outcome(condition: Json) -> bool | None:
    """True if the condition compiles to everything whoever asks, False if to nothing, None where that differs."""
    operator, arguments = only(condition)
    if not involves_resource(condition):
        _require_known(condition)
        return arguments if operator == "Value" else None
    match operator:
        case "!":
            outcome = _outcome(arguments["arg"])
            return None if outcome is None else not outcome
        case "&&" | "||":
            return _connected(operator, arguments)
        case "if-then-else":
            return _chosen(arguments)
        case "is" if "in" in arguments:
            kind = {"is": {"left": arguments["left"], "entity_type": arguments["entity_type"]}}
            return _connected("&&", {"left": kind, "right": {"in": {"left": arguments["left"], "right": arguments["in"]}}})
    return _tested(condition)


def _connected(operator: str, arguments: Json) -> bool | None:
    settling = operator == "||"
    left = _outcome(arguments["left"])
    if left is settling:  # (1)
        return settling
    right = _outcome(arguments["right"])
    return settling if right is settling else left if left is right else None


def _chosen(arguments: Json) -> bool | None:
    condition = _outcome(arguments["if"])
    if condition is not None:  # (1)
        return _outcome(arguments["then" if condition else "else"])
    _outcome(arguments["then"])
    _outcome(arguments["else"])
    return None


def _tested(test: Json) -> bool | None:
    """A single test of the document."""
    operator, arguments = only(test)
    if operator == ".":
        return _compiled(test, [_of_document(test)])
    if not isinstance(arguments, Mapping) or ("left" not in arguments and "arg" not in arguments):
        raise _Refused(test, on_value(test))
    sides = {name: arguments[name] for name in ("left", "right", "arg") if name in arguments}
    unknown = {name: _of_document(side) for name, side in sides.items() if involves_resource(side)}
    known = {name: side for name, side in sides.items() if name not in unknown}
    if not known or len(unknown) != 1:
        return _compiled(test, [{operator: {**arguments, **unknown}}])
    ((name, side),) = known.items()
    _require_known(side)
    samples = _samples(test, name, next(iter(unknown.values())))
    outcome = _compiled(test, [{operator: {**arguments, **unknown, name: sample}} for sample in samples])
    return outcome if _is_literal(side) and (operator, name) != ("in", "left") else None


def _compiled(test: Json, samples: Sequence[Json]) -> bool | None:
    """What the compiler makes of the test with each sample (2)."""
    try:
        scopes = [_COMPILER.compile(sample) for sample in samples]
    except NotCompilable:
        raise _Refused(test, on_test(test)) from None
    return {Everything(): True, Nothing(): False}.get(scopes[0]) if len(scopes) == 1 else None


def _of_document(side: Json) -> Json:
    """The document or its attribute, as it is left by partial evaluation."""
    match side:
        case {"Var": "resource"}:
            return _UNKNOWN
        case {".": {"left": {"Var": "resource"}, "attr": str(name)}} if name in ATTRIBUTES:
            return {".": {"left": _UNKNOWN, "attr": name}}
    raise _Refused(side, on_value(side))


def _samples(test: Json, name: str, unknown: Json) -> Sequence[Json]:
    """What can stand on the known side called ``name``, where the other side is ``unknown``."""
    operator, arguments = only(test)
    operand = operand_of(unknown)
    field = operand.field if isinstance(operand, Unknown) else Field.DOCUMENT
    if operator == "in" and name == "left":
        _require_parentless(test)
        return [_SAMPLES[Field.TENANT]]
    if _is_literal(arguments[name]):
        return [arguments[name]]
    member = _SAMPLES[field]
    sets: Sequence[Json] = [{"Set": []}, {"Set": [member]}]
    if operator == "in":
        return [member, *sets]
    if operator == "contains":
        return [member] if name == "right" else [{"Set": [{"Set": []}]}] if field in SETS else sets
    return sets if field in SETS else [member]


def _require_parentless(test: Json) -> None:
    """Only the principal is known to be in something; a document that is named is, too, once it is at hand (3)."""
    match only(test)[1]["left"]:
        case {"Var": _} | {".": _}:
            return
        case {"Value": {"__entity": {"type": kind}}} if kind != KINDS[Field.DOCUMENT]:
            return
    raise _Refused(test, on_lookup(test))


def _is_literal(expression: Json) -> bool:
    return all(only(each)[0] in ("Value", "Set") for each in walk(expression))


def _require_known(expression: Json) -> None:
    """Raises ``_Refused`` if it may stay unknown for some caller (3)."""
    for each in walk(expression):
        operator, arguments = only(each)
        if operator not in LOOKUPS or (operator == "is" and "in" not in arguments):
            continue
        if arguments["left"] not in _AT_HAND and "Record" not in arguments["left"]:
            raise _Refused(each, on_lookup(each))
