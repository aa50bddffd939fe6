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
    encode,
    resource_entity,
    resource_type,
    resource_uid,
)
from domicile.policy.partial import ScopeRefused
from domicile.policy.prepared import Known, Preparation
from domicile.policy.request import CollectionResource, Decision, Request
from domicile.policy.scope import Nothing, RetrievalScope

#: Decisions that are kept, some hundred bytes each: they depend on nothing but what they are looked up by.
_REMEMBERED_DECISIONS = 65_536
#: Stands for the id of a document where no policy names one: documents that differ only there are decided alike.
_ANY_DOCUMENT = UUID(int=0)
_FAILED_POLICY = re.compile(r"while evaluating policy `([^`]+)`")


class _Key:
    """All that a policy can tell a request by. Hashed once, since documents take longer to hash than to look up."""

    __slots__ = ("_hash", "parts")

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.parts == other.parts


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
        self._prepared = Preparation(bundle, self._component_regions)
        self._decided: dict[_Key, Decision] = {}

    def by(self, bundle: PolicyBundle) -> DecisionPoint:
        """The same for another bundle; itself for its own."""
        return self if bundle is self.bundle else DecisionPoint(bundle, self._component_regions)

    def decide(self, request: Request) -> Decision:
        """The full decision. Never raises: what cannot be decided is denied, with ``errors``."""
        return self.decide_many([request])[0]

    def decide_many(self, requests: Sequence[Request]) -> list[Decision]:
        """The full decision of each request, in order. What policy cannot tell apart is decided once, and remembered."""
        callers: dict[tuple[int, bool], Known] = {}
        try:
            keys = [self._distinction(self._caller_of(request, callers), request) for request in requests]
        except ValueError:  # somebody cannot even be described (1)
            return [self._denied(errors=("request",))] if len(requests) == 1 else [self.decide(each) for each in requests]
        new = {key: each for key, each in zip(keys, requests, strict=True) if key not in self._decided}
        decided = self._decide_new(new) if new else {}
        return [decided.get(key) or self._decided[key] for key in keys]

    def hear(self, request: Request) -> Hearing:
        """The decision, made anew and remembered by nobody. Raises ``ValueError`` for what cannot be put to Cedar."""
        known = self._prepared.known(request.caller, timed=True)
        details = encode(self._prepared.context(known, request.action, request.cell_region))
        (decision,) = self._decide_alike(known, [request])
        return Hearing(decision, _with_resources(known, [request]), cedar_request(request, details))

    def _decide_new(self, requests: Mapping[_Key, Request]) -> dict[_Key, Decision]:
        if len(requests) == 1:
            ((key, request),) = requests.items()
            decided = {key: self._decide_alike(key.parts[0], [request])[0]}
            self._remember(decided)
            return decided
        batches: dict[_Key, dict[_Key, Request]] = defaultdict(dict)
        described: dict[_Key, _Key] = {}
        for key, request in requests.items():
            batches[key if self._is_apart(request) else _batch(key, request, described)][key] = request
        decided = {}
        for batch in batches.values():
            known: Known = next(iter(batch)).parts[0]
            decided.update(zip(batch, self._decide_alike(known, list(batch.values())), strict=True))
        self._remember(decided)
        return decided

    def _remember(self, decided: dict[_Key, Decision]) -> None:
        if len(self._decided) + len(decided) > _REMEMBERED_DECISIONS:
            # Another dictionary, since somebody may be about to look into this one.
            self._decided = {}
        self._decided.update({key: decision for key, decision in decided.items() if not decision.errors})

    def scope(self, caller: Caller, action: Action, cell_region: Region) -> RetrievalScope:
        """The documents on which the caller may perform the action, as a filter. Never raises; may admit nothing."""
        policies = self.bundle.applicable.get((action, DOCUMENT))
        if policies is None:
            return RetrievalScope(Nothing(), (), self.bundle.digest)  # (1)
        try:
            known = self._prepared.known(caller, timed=policies.timed)
            tree, shaping = self._prepared.scope(known, action, cell_region)
        except ScopeRefused as refusal:
            return RetrievalScope(Nothing(), refusal.policies, self.bundle.digest)  # (3)
        except ValueError:
            return RetrievalScope(Nothing(), (), self.bundle.digest)  # (1)
        return RetrievalScope(tree, shaping, self.bundle.digest)

    def _decide_alike(self, known: Known, batch: Sequence[Request]) -> list[Decision]:
        """Decisions on one or more resources of one type, by one caller for one action."""
        first = batch[0]
        kind = (first.action, resource_type(first.resource))
        if kind not in self.bundle.applicable:
            return [self._denied()] * len(batch)  # (1)
        try:
            prepared = self._prepared.request(known, *kind, first.cell_region)
            entities = _with_resources(known, batch, prepared.slice.resource)
        except ValueError:
            return [self._denied(errors=("request",))] * len(batch)  # (1)
        asked = [cedar_request(each, prepared.details) for each in batch]
        results = cedarpy.is_authorized_batch(asked, prepared.slice.policies, entities)
        return [self._decision(result) for result in results]

    def _is_apart(self, request: Request) -> bool:
        """Whether a policy may look into another resource of the batch. On documents none can, or it would not compile."""
        policies = self.bundle.applicable.get((request.action, resource_type(request.resource)))
        return policies is not None and policies.apart and isinstance(request.resource, CollectionResource)

    def _decision(self, result: cedarpy.AuthzResult) -> Decision:
        messages = result.diagnostics.errors
        if messages:  # (2)
            failed = sorted({id_ for message in messages for id_ in _FAILED_POLICY.findall(message)})
            return self._denied(policies=failed, errors=failed or ("request",))
        return Decision(result.allowed, tuple(sorted(result.diagnostics.reasons)), self.bundle.digest)

    def _denied(self, policies: Iterable[str] = (), errors: Iterable[str] = ()) -> Decision:
        return Decision(False, tuple(policies), self.bundle.digest, tuple(errors))

    def _caller_of(self, request: Request, callers: dict[tuple[int, bool], Known]) -> Known:
        """The caller as policies on that action see it; ``callers`` spares looking for it again for each request."""
        policies = self.bundle.applicable.get((request.action, resource_type(request.resource)))
        key = (id(request.caller), policies is not None and policies.timed)
        if key not in callers:
            callers[key] = self._prepared.known(request.caller, timed=key[1])
        return callers[key]

    def _distinction(self, known: Known, request: Request) -> _Key:
        """All that a policy of the bundle can tell requests apart by.

        First come the four parts that requests have in common when they are decided in one call.
        """
        shared = (known, request.action, request.cell_region, type(request.resource))
        match request.resource:
            case DocumentAttributes() as document:
                return _Key(*shared, self._distinguished(document, request.action))
            case resource:
                return _Key(*shared, resource)

    def _distinguished(self, document: DocumentAttributes, action: Action) -> DocumentAttributes:
        """The document without its id, if no policy names one, and without those marks that no policy looks at."""
        policies = self.bundle.applicable.get((action, DOCUMENT))
        unread: Mapping[str, Any] = policies.unread if policies else {}
        if self.bundle.names_documents:
            return replace(document, **unread)
        return replace(document, document_id=_ANY_DOCUMENT, **unread)


def _with_resources(known: Known, requests: Sequence[Request], read: Container[str] | None = None) -> cedarpy.Entities:
    """Raises ``ValueError`` if one document comes with two descriptions, of which at most one is true."""
    return known.entities.with_added_json_str(encode([resource_entity(each.resource, read) for each in requests]))


def _batch(key: _Key, request: Request, described: dict[_Key, _Key]) -> _Key:
    """Which requests are decided in one call: never so that a decision could depend on its neighbours.

    Only resources that cannot refer to one another share a batch; and one that comes with a second description does not
    share it with its first.
    """
    if not isinstance(request.resource, DocumentAttributes | CollectionResource):
        return key
    shared = key.parts[:4]
    first = described.setdefault(_Key(*shared, resource_uid(request.resource)["id"]), key)
    return _Key(*shared) if first == key else key
