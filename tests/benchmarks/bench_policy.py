"""Decisions and scopes with 200 policies, 1,000 groups and somebody in 50 of them.

Beside the policies that are shipped stand those that a large tenant writes: permits for groups in collections or by label, and
forbids by purpose, clearance or label. Everything is measured in this process, without a database.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.benchmarks.table import Row, at_most
from tests.fakes.people import HOME, caller, collection, document, principal, uid
from tests.fakes.policy import shipped_regions, shipped_sources

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import Caller
from domicile.domain.values import Classification
from domicile.policy.bundle import PolicyBundle
from domicile.policy.decision import DecisionPoint
from domicile.policy.request import Request

POLICIES = 200
GROUPS = [uid(f"benchmark/group/{number}") for number in range(1000)]
OWN_GROUPS = 50
COLLECTIONS = [collection(f"collection-{number}") for number in range(40)]
LABELS = [f"label-{number}" for number in range(40)]
ROUNDS = 500
HITS = 20
MOST_DECISION_US = 100.0
MOST_SCOPE_MS = 1.0
MOST_HITS_MS = 1.0


def run() -> list[Row]:
    choose = random.Random(0)  # noqa: S311  # nothing is protected by it
    bundle = _bundle(choose)
    who = _member(choose, "mia")
    return [*_decisions(bundle, who, choose), *_scopes(bundle, who, choose), *_hits(bundle, who, choose)]


def _bundle(choose: random.Random) -> PolicyBundle:
    schema, shipped = shipped_sources()
    written = sum(text.count("@id(") for text in shipped.values())
    further = "\n".join(_policy(number, choose) for number in range(POLICIES - written))
    bundle = PolicyBundle.parse(schema, {**shipped, "further.cedar": further}, shipped_regions())
    if len(bundle.ids) != POLICIES:
        raise RuntimeError("The benchmark has another number of policies than it says.")
    return bundle


def _policy(number: int, choose: random.Random) -> str:
    group, label, place = choose.choice(GROUPS), choose.choice(LABELS), choose.choice(COLLECTIONS)
    in_group = f'principal in Group::"{group}"'
    effect, condition = [
        ("permit", f'{in_group} && resource in Collection::"{place.id}" && resource.classification <= principal.clearance'),
        ("permit", f'{in_group} && resource.labels.contains("{label}") && resource.classification <= 2'),
        ("permit", f'{in_group} && resource.groups.contains(Group::"{group}")'),
        ("forbid", f'context.purpose == "{label}" && resource.personal_data'),
        ("forbid", f'principal.clearance < 2 && resource.labels.contains("{label}")'),
    ][number % 5]
    head = 'principal, action in [Action::"document:read", Action::"document:list"], resource is Document'
    return f'@id("further-{number}") {effect} ({head}) when {{ resource in principal.tenant }} when {{ {condition} }};'


def _member(choose: random.Random, login: str) -> Caller:
    own = choose.sample(GROUPS, OWN_GROUPS)
    return caller(principal(login, groups=own, clearance=Classification.CONFIDENTIAL))


def _decisions(bundle: PolicyBundle, who: Caller, choose: random.Random) -> list[Row]:
    decisions = DecisionPoint(bundle)
    requests = [Request(who, Action.DOCUMENT_READ, each, HOME) for each in _all_different(choose, ROUNDS)]
    decisions.decide(requests[0])
    anew = _median_us(decisions.decide, requests[1:])
    again = _median_us(decisions.decide, requests[1:])
    return [
        at_most(
            f"decision, {POLICIES} policies, {OWN_GROUPS} of 1,000 groups, never asked before, p50",
            anew,
            MOST_DECISION_US,
            "µs",
        ),
        Row("  the same asked again, p50", again, "µs"),
    ]


def _scopes(bundle: PolicyBundle, who: Caller, choose: random.Random) -> list[Row]:
    """A request by somebody who was here before, a minute later: the scope is made anew, and a decision is."""
    decisions = DecisionPoint(bundle)

    def asked(request: Request) -> None:
        decisions.scope(request.caller, request.action, HOME)
        decisions.decide(request)

    documents = _all_different(choose, ROUNDS)
    known = [Request(each, Action.DOCUMENT_READ, next(documents), HOME) for each in _minutes(who, ROUNDS // 2)]
    strangers = [
        Request(_member(choose, f"user-{number}"), Action.DOCUMENT_READ, next(documents), HOME)
        for number in range(ROUNDS // 10)
    ]
    asked(known[0])
    return [
        at_most(
            "decision and scope, both made anew for a known caller, p50",
            _median_us(asked, known[1:]) / 1000,
            MOST_SCOPE_MS,
            "ms",
        ),
        Row("  for a caller with groups that nobody had before, p50", _median_us(asked, strangers) / 1000, "ms"),
    ]


def _minutes(who: Caller, count: int) -> Iterator[Caller]:
    """The same caller, each time in another minute, so that nothing remembered of the one before is of use."""
    from datetime import timedelta

    assert who.at is not None
    return (replace(who, at=who.at + timedelta(minutes=number)) for number in range(count))


def _hits(bundle: PolicyBundle, who: Caller, choose: random.Random) -> list[Row]:
    """Hits of one search, never decided before: of few kinds, as a collection's documents are, and all different."""
    few = [_requests(who, _alike(choose)) for _ in range(ROUNDS // 5)]
    different = [_requests(who, list(_all_different(choose, HITS))) for _ in range(ROUNDS // 10)]
    measured = [_median_us(DecisionPoint(bundle).decide_many, sets) / 1000 for sets in (few, different)]
    return [
        at_most(f"{HITS} hits decided again, of four kinds, never asked before, p50", measured[0], MOST_HITS_MS, "ms"),
        Row("  all of different kinds, p50", measured[1], "ms"),
    ]


def _requests(who: Caller, documents: list[DocumentAttributes]) -> list[Request]:
    return [Request(who, Action.DOCUMENT_READ, each, HOME) for each in documents]


def _alike(choose: random.Random) -> list[DocumentAttributes]:
    kinds = list(_all_different(choose, 4))
    return [replace(choose.choice(kinds), document_id=uid(f"hit/{choose.random()}")) for _ in range(HITS)]


def _all_different(choose: random.Random, count: int) -> Iterator[DocumentAttributes]:
    """Documents of which policy can tell each from every other."""
    for number in range(count):
        groups = choose.sample(GROUPS, choose.randrange(3))
        yield document(
            f"{number}-{choose.random()}",
            in_collection=choose.choice(COLLECTIONS),
            classification=choose.choice(list(Classification)),
            groups=groups,
            labels=frozenset(choose.sample(LABELS, 2)),
            personal_data=choose.random() < 0.2,
        )


def _median_us(act: Callable[..., object], requests: list[Request] | list[list[Request]]) -> float:
    measured = []
    for request in requests:
        started = time.perf_counter()
        act(request)
        measured.append(time.perf_counter() - started)
    return statistics.median(measured) * 1e6
