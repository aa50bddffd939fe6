"""Why a request is decided as it is: the policies that determined it, and what each permit that could apply demands in vain.

Everything here is ids, attributes and policies' texts. A policy is evaluated demand by demand against the request that it was
decided with, so that "why not" is what Cedar found and not what somebody read into the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy
import msgspec

from domicile.policy.clauses import Clause, as_permits, clauses_of
from domicile.policy.decision import DecisionPoint, Hearing
from domicile.policy.entities import principal_entity, resource_entity, resource_uid
from domicile.policy.parsing import applicable, identified, policy_set
from domicile.policy.request import Decision, Request
from domicile.policy.sources import PolicySource

_ATTRIBUTE = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n\r]*|\b((?:principal|resource|context)(?:\.\w+)+)(?!\w*\()')
#: What a policy is allowed to be named by within one evaluation: its demands are numbered, and ids may hold anything.
_Named = dict[str, tuple[str, Clause]]


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy as whoever reads policies sees it. ``effect`` is ``permit`` or ``forbid``; ``line`` counts from 1.

    ``file`` and ``text`` are empty for one that is written nowhere.
    """

    id: str
    effect: str
    reason: str
    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Unmet:
    """A demand that is not met, with the values of the attributes that it names. ``failed``: it could not be evaluated."""

    kind: str
    text: str
    values: Mapping[str, Any]
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A permit that names such an action and resource, and what of it is not met; nothing, if it permits as far as it goes."""

    policy: PolicyText
    unmet: tuple[Unmet, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """``facts`` are the attributes that the policies saw, by ``principal``, ``resource`` and ``context``.

    References in them are ``Type::id``. ``candidates`` is empty where it is permitted. Not ``declared``: the schema knows no
    such action on such a resource.
    """

    decision: Decision
    declared: bool
    policies: tuple[PolicyText, ...]
    candidates: tuple[Candidate, ...]
    facts: Mapping[str, Mapping[str, Any]]


def explain(point: DecisionPoint, request: Request) -> Explanation:
    """Decided anew for this. Raises ``ValueError`` for a request that cannot be put to Cedar at all."""
    hearing = point.hear(request)
    sources, reasons = point.bundle.sources, point.bundle.reasons
    facts = {
        "principal": _plain(principal_entity(request.caller)["attrs"]),
        "resource": _plain(resource_entity(request.resource)["attrs"]),
        "context": msgspec.json.decode(hearing.asked["context"], type=dict[str, Any]),
    }
    permits = {} if hearing.decision.allowed else _permits(sources, request)
    unmet = _unmet(permits, hearing, facts)
    return Explanation(
        decision=hearing.decision,
        declared=(request.action, resource_uid(request.resource)["type"]) in point.bundle.applicable,
        policies=tuple(_determining(hearing.decision, sources, reasons)),
        candidates=tuple(Candidate(each, tuple(unmet[each.id])) for each in texts(sources, reasons, permits)),
        facts=facts,
    )


def texts(
    sources: Mapping[str, PolicySource], reasons: Mapping[str, str], ids: Iterable[str] | None = None
) -> list[PolicyText]:
    """Those policies, all if none are named, in the order in which they stand in their files."""
    chosen = [(sources[id_], id_) for id_ in (sources if ids is None else ids) if id_ in sources]
    return [
        PolicyText(id_, each.effect, reasons.get(id_, ""), each.file, each.line, each.text)
        for each, id_ in sorted(chosen, key=lambda pair: (pair[0].file, pair[0].line))
    ]


def written(value: Any) -> str:
    """A value as people read it: names with values, lists, true and false, an empty text as one."""
    match value:
        case Mapping():
            return ", ".join(f"{name} = {_nested(each)}" for name, each in value.items())
        case list():
            return f"[{', '.join(_nested(each) for each in value)}]"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value) if value != "" else '""'


def _nested(value: Any) -> str:
    return f"{{{written(value)}}}" if isinstance(value, Mapping) else written(value)


def _determining(decision: Decision, sources: Mapping[str, PolicySource], reasons: Mapping[str, str]) -> list[PolicyText]:
    """Those that determined it; one that is written nowhere, because the product made it, is named all the same."""
    made = [id_ for id_ in decision.policies if id_ not in sources]
    effect = "permit" if decision.allowed else "forbid"
    unwritten = [PolicyText(id_, effect, reasons.get(id_, ""), "", 0, "") for id_ in made]
    return [*texts(sources, reasons, decision.policies), *unwritten]


def _permits(sources: Mapping[str, PolicySource], request: Request) -> dict[str, PolicySource]:
    """The permits whose head names the action and the type of the resource."""
    parsed = {
        id_: policy
        for id_, source in sources.items()
        if source.effect == "permit"
        for _, policy in identified(source.file, source.text)
    }
    return {id_: sources[id_] for id_ in applicable(parsed, request.action, resource_uid(request.resource)["type"])}


def _unmet(permits: Mapping[str, PolicySource], hearing: Hearing, facts: Mapping[str, Any]) -> dict[str, list[Unmet]]:
    """By policy, the demands that do not hold for the request."""
    demands = [(id_, clause) for id_, source in permits.items() for clause in clauses_of(source)]
    named: _Named = {f"demand-{number}": demand for number, demand in enumerate(demands)}
    unmet: dict[str, list[Unmet]] = {id_: [] for id_ in permits}
    if not named:
        return unmet
    policies = policy_set(as_permits({name: clause for name, (_, clause) in named.items()}))
    found = cedarpy.is_authorized(dict(hearing.asked), policies, hearing.entities).diagnostics
    failures = "\n".join(found.errors)
    for name, (id_, clause) in named.items():
        if name not in found.reasons:
            unmet[id_].append(Unmet(clause.kind, clause.text, _values(clause.text, facts), f"`{name}`" in failures))
    return unmet


def _values(text: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the attributes that the text names, as far as they are there."""
    found: dict[str, Any] = {}
    for match in _ATTRIBUTE.finditer(text):
        value: Any = facts
        for name in (match[1] or "").split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            found[match[1]] = value
    return found


def _plain(value: Any) -> Any:
    """Cedar's references as ``Type::id``, everything else as it is."""
    match value:
        case {"__entity": {"type": kind, "id": id_}}:
            return f"{kind}::{id_}"
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value
