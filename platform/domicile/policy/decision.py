"""The policy decision point.

Obligations, labelled where they are met:

1. Default deny: what no policy permits, what the schema does not know and what cannot be built is denied.
2. A policy that fails denies, whatever the others say. Cedar would skip it, and a skipped forbid permits.
3. A scope admits exactly the documents that a decision permits; where that cannot be had, it admits nothing.

The caller owes that the request's facts are true, and that a denial is audited before it is told (``access.gate``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

import cedarpy

from domicile.domain.actions import Action
from domicile.domain.documents import DocumentAttributes
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.bundle import PolicyBundle
from domicile.policy.entities import (
    DOCUMENT,
    cedar_request,
    context_values,
    encode,
    facts,
    resource_entity,
    resource_type,
    resource_uid,
)
from domicile.policy.partial import ScopeRefused, partial_request, residual_scope
from domicile.policy.request import CollectionResource, Decision, Request
from domicile.policy.scope import Nothing, RetrievalScope
from domicile.policy.slices import caller_facts

#: Callers whose parsed entity and whose scopes are kept: a few kilobytes each. Both depend on nothing but what they are
#: looked up by, so they never go stale.
_REMEMBERED_CALLERS = 1024
#: Decisions that are kept, some hundred bytes each, for the same reason.
_REMEMBERED_DECISIONS = 65_536
#: Stands for the id of a document where no policy names one: documents that differ only there are decided alike.
_ANY_DOCUMENT = UUID(int=0)
_FAILED_POLICY = re.compile(r"while evaluating policy `([^`]+)`")
_Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Hearing:
    """A decision with what Cedar was asked for it, so that the parts of a policy can be put to the very same request."""

    decision: Decision
    entities: cedarpy.Entities
    asked: Mapping[str, Any]


class DecisionPoint:
    """Decides by one bundle. ``component_regions`` are the further regions that the operator declared for components."""

    def __init__(self, bundle: PolicyBundle, component_regions: Iterable[Region] = ()) -> None:
        self.bundle = bundle
        self._component_regions = tuple(sorted(set(component_regions)))
        self._with_caller = lru_cache(_REMEMBERED_CALLERS)(bundle.with_caller)
        self._prepared = lru_cache(_REMEMBERED_CALLERS)(self._prepare)
        self._scope = lru_cache(_REMEMBERED_CALLERS)(self._compile_scope)
        self._decided: dict[_Key, Decision] = {}

    def by(self, bundle: PolicyBundle) -> DecisionPoint:
        """The same for another bundle; itself for its own."""
        return self if bundle is self.bundle else DecisionPoint(bundle, self._component_regions)

    def decide(self, request: Request) -> Decision:
        """The full decision. Never raises: what cannot be decided is denied, with ``errors``."""
        return self.decide_many([request])[0]

    def decide_many(self, requests: Sequence[Request]) -> list[Decision]:
        """The full decision of each request, in order. What policy cannot tell apart is decided once, and remembered."""
        known_callers: dict[tuple[int, bool], Caller] = {}
        keys = [self._distinction(self._facts(request, known_callers), request) for request in requests]
        known = {key: decision for key in keys if (decision := self._decided.get(key)) is not None}
        known |= self._decide_new({key: each for key, each in zip(keys, requests, strict=True) if key not in known})
        return [known[key] for key in keys]

    def hear(self, request: Request) -> Hearing:
        """The decision, made anew and remembered by nobody. Raises ``ValueError`` for what cannot be put to Cedar."""
        caller, action, here = facts(request.caller), request.action, request.cell_region
        (decision,) = self._decide_alike(caller, [request])
        details = encode(context_values(caller, action.value, here, self._component_regions, self.bundle.regions))
        return Hearing(decision, self._entities(caller, [request], ()), cedar_request(request, details))

    def _decide_new(self, requests: Mapping[_Key, Request]) -> dict[_Key, Decision]:
        batches: dict[_Key, dict[_Key, Request]] = defaultdict(dict)
        described: dict[_Key, _Key] = {}
        for key, request in requests.items():
            batches[_batch(key, request, described)][key] = request
        decided: dict[_Key, Decision] = {}
        for batch in batches.values():
            caller: Caller = next(iter(batch))[0]
            decided.update(zip(batch, self._decide_alike(caller, list(batch.values())), strict=True))
        self._remember(decided)
        return decided

    def _remember(self, decided: Mapping[_Key, Decision]) -> None:
        if len(self._decided) + len(decided) > _REMEMBERED_DECISIONS:
            self._decided.clear()
        self._decided.update({key: decision for key, decision in decided.items() if not decision.errors})

    def scope(self, caller: Caller, action: Action, cell_region: Region) -> RetrievalScope:
        """The documents on which the caller may perform the action, as a filter. Never raises; may admit nothing."""
        policies = self.bundle.applicable.get((action, DOCUMENT))
        if policies is None:
            return RetrievalScope(Nothing(), (), self.bundle.digest)  # (1)
        return self._scope(facts(caller, timed=policies.timed), action, cell_region)

    def _decide_alike(self, caller: Caller, batch: Sequence[Request]) -> list[Decision]:
        """Decisions on one or more resources of one type, by one caller for one action. ``caller`` holds what is told of it."""
        first = batch[0]
        kind = (first.action, resource_type(first.resource))
        if kind not in self.bundle.applicable:
            return [self._denied()] * len(batch)  # (1)
        try:
            policies, details = self._prepared(caller, *kind, first.cell_region)
            entities = self._entities(caller, batch, self.bundle.applicable[kind].left_out)
        except ValueError:
            return [self._denied(errors=("request",))] * len(batch)  # (1)
        results = cedarpy.is_authorized_batch([cedar_request(each, details) for each in batch], policies, entities)
        return [self._decision(result) for result in results]

    def _prepare(
        self, caller: Caller, action: Action, resource_type: str, cell_region: Region
    ) -> tuple[cedarpy.PolicySet, str]:
        """The policies that can matter to such a request, and its context. Raises ``ValueError``."""
        values = context_values(caller, action.value, cell_region, self._component_regions, self.bundle.regions)
        return self.bundle.applicable[action, resource_type].to(caller_facts(caller, values)), encode(values)

    def _decision(self, result: cedarpy.AuthzResult) -> Decision:
        messages = result.diagnostics.errors
        if messages:  # (2)
            failed = sorted({id_ for message in messages for id_ in _FAILED_POLICY.findall(message)})
            return self._denied(policies=failed, errors=failed or ("request",))
        return Decision(result.allowed, tuple(sorted(result.diagnostics.reasons)), self.bundle.digest)

    def _denied(self, policies: Iterable[str] = (), errors: Iterable[str] = ()) -> Decision:
        return Decision(False, tuple(policies), self.bundle.digest, tuple(errors))

    def _entities(self, caller: Caller, batch: Sequence[Request], left_out: Container[str]) -> cedarpy.Entities:
        """Raises ``ValueError`` if one document comes with two descriptions, of which at most one is true."""
        known = self._with_caller(facts(caller, timed=False))
        return known.with_added_json_str(encode([resource_entity(each.resource, left_out) for each in batch]))

    def _facts(self, request: Request, known: dict[tuple[int, bool], Caller]) -> Caller:
        """What is told of the caller to policies on that action; ``known`` spares making it again for each request."""
        policies = self.bundle.applicable.get((request.action, resource_type(request.resource)))
        timed = policies is not None and policies.timed
        key = (id(request.caller), timed)
        if key not in known:
            known[key] = facts(request.caller, timed=timed)
        return known[key]

    def _distinction(self, caller: Caller, request: Request) -> _Key:
        """All that a policy of the bundle can tell requests apart by.

        First come the four parts that requests have in common when they are decided in one call.
        """
        shared = (caller, request.action, request.cell_region, type(request.resource))
        match request.resource:
            case DocumentAttributes() as document:
                return (*shared, self._distinguished(document, request.action))
            case resource:
                return (*shared, resource)

    def _distinguished(self, document: DocumentAttributes, action: Action) -> DocumentAttributes:
        """The document without its id, if no policy names one, and without those marks that no policy looks at."""
        policies = self.bundle.applicable.get((action, DOCUMENT))
        unread: Mapping[str, Any] = policies.unread if policies else {}
        if self.bundle.names_documents:
            return replace(document, **unread)
        return replace(document, document_id=_ANY_DOCUMENT, **unread)

    def _compile_scope(self, caller: Caller, action: Action, cell_region: Region) -> RetrievalScope:
        try:
            policies, details = self._prepared(caller, action, DOCUMENT, cell_region)
            entities = self._with_caller(facts(caller, timed=False))
            request = partial_request(caller.principal, action.value, details)
            tree, shaping = residual_scope(policies, entities, caller.principal, request)
        except ScopeRefused as refusal:
            return RetrievalScope(Nothing(), refusal.policies, self.bundle.digest)  # (3)
        except ValueError:
            return RetrievalScope(Nothing(), (), self.bundle.digest)  # (1)
        return RetrievalScope(tree, shaping, self.bundle.digest)


def _batch(key: _Key, request: Request, described: dict[_Key, _Key]) -> _Key:
    """Which requests are decided in one call: never so that a decision could depend on its neighbours.

    Only resources that cannot refer to one another share a batch; and one that comes with a second description does not
    share it with its first.
    """
    if not isinstance(request.resource, DocumentAttributes | CollectionResource):
        return key
    shared = key[:4]
    return shared if described.setdefault((*shared, resource_uid(request.resource)["id"]), key) == key else key
