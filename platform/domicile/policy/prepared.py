"""What can be found out about a caller's requests before the resource is known, and is remembered.

Everything here depends on nothing but what it is looked up by, so it never goes stale. What does not depend on the time is
found out once for a caller, however many minutes they stay: only the policies that look at the time are asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import cedarpy

from domicile.domain.actions import Action
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.bundle import PolicyBundle
from domicile.policy.entities import DOCUMENT, context_values, encode, facts
from domicile.policy.operands import Json
from domicile.policy.partial import ScopeRefused, combined, compiled, is_settled, partial_request, residuals
from domicile.policy.scope import Scope
from domicile.policy.slices import Applicable, Slice, caller_facts

#: Callers that are remembered: some ten kilobytes each.
_REMEMBERED_CALLERS = 1024


@dataclass(frozen=True, eq=False)
class Known:
    """A caller as policies see it. Equal only to itself, so that looking something up by it costs nothing.

    ``timeless`` is the same caller at no particular time, as policies see it that do not look at the time.
    """

    caller: Caller
    entities: cedarpy.Entities
    timeless: Known | None = None

    @property
    def anytime(self) -> Known:
        return self.timeless or self


@dataclass(frozen=True, slots=True)
class Prepared:
    """``slice`` holds the policies that can matter to such a request, ``details`` is its context as far as they read it."""

    slice: Slice
    details: str


@dataclass(frozen=True, slots=True)
class _Left:
    """What is left of some policies once everything but the document is known.

    ``settled`` are those that cannot matter any more. ``refusal`` says that one of them fails; then all matter, since the
    decision has to fail by it.
    """

    residuals: Mapping[str, Json] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    refusal: ScopeRefused | None = None


class Preparation:
    """For requests that are decided by one bundle."""

    def __init__(self, bundle: PolicyBundle, component_regions: tuple[Region, ...]) -> None:
        self._bundle = bundle
        self._component_regions = component_regions
        self._known = lru_cache(_REMEMBERED_CALLERS)(self._get_to_know)
        self._asked = lru_cache(_REMEMBERED_CALLERS)(self._ask)
        self._left = lru_cache(_REMEMBERED_CALLERS)(self._evaluate)
        self._compiled = lru_cache(_REMEMBERED_CALLERS)(self._compile)
        self.request = lru_cache(_REMEMBERED_CALLERS)(self._request)
        self.scope = lru_cache(_REMEMBERED_CALLERS)(self._scope)

    def known(self, caller: Caller, *, timed: bool) -> Known:
        """Raises ``ValueError`` for a caller that cannot be described."""
        return self._known(facts(caller, timed=timed))

    def context(self, known: Known, action: Action, cell_region: Region) -> Mapping[str, object]:
        """The whole context of such a request."""
        caller, regions = known.caller, self._bundle.regions
        return context_values(caller, action.value, cell_region, self._component_regions, regions)

    def _get_to_know(self, caller: Caller) -> Known:
        timeless = facts(caller, timed=False)
        if timeless == caller:
            return Known(caller, self._bundle.with_caller(caller))
        anytime = self._known(timeless)
        return Known(caller, anytime.entities, anytime)

    def _ask(self, anytime: Known, action: Action, resource_type: str, cell_region: Region) -> tuple[str, ...]:
        """The policies that have to be asked about such requests, whenever they come. Raises ``ValueError``."""
        applicable = self._bundle.applicable[action, resource_type]
        values = self.context(anytime, action, cell_region)
        encode(values)  # what is no text is refused, also where no policy looks at it
        return applicable.to(caller_facts(anytime.caller, values))

    def _request(self, known: Known, action: Action, resource_type: str, cell_region: Region) -> Prepared:
        """What a request is decided by. Raises ``ValueError``."""
        applicable = self._bundle.applicable[action, resource_type]
        ids = self._asked(known.anytime, action, resource_type, cell_region)
        if resource_type == DOCUMENT:
            settled = self._left(known.anytime, action, cell_region, timed=False).settled
            if applicable.timed:
                settled |= self._left(known, action, cell_region, timed=True).settled
            ids = tuple(id_ for id_ in ids if id_ not in settled)
        slice_ = applicable.sliced(ids)
        return Prepared(slice_, encode(slice_.details(self.context(known, action, cell_region))))

    def _scope(self, known: Known, action: Action, cell_region: Region) -> tuple[Scope, tuple[str, ...]]:
        """The scope and the policies that shaped it. Raises ``ScopeRefused`` or ``ValueError``."""
        scopes = dict(self._compiled(known.anytime, action, cell_region, timed=False))
        applicable = self._bundle.applicable[action, DOCUMENT]
        if applicable.timed:
            scopes |= self._compiled(known, action, cell_region, timed=True)
        return combined(scopes, {id_: applicable.policies[id_]["effect"] == "permit" for id_ in scopes})

    def _evaluate(self, known: Known, action: Action, cell_region: Region, *, timed: bool) -> _Left:
        """Of the policies that look at the time, or of the others."""
        applicable: Applicable = self._bundle.applicable[action, DOCUMENT]
        asked = self._asked(known.anytime, action, DOCUMENT, cell_region)
        slice_ = applicable.sliced(tuple(id_ for id_ in asked if (id_ in applicable.telling) is timed))
        details = encode(slice_.details(self.context(known, action, cell_region)))
        request = partial_request(known.caller.principal, action.value, details)
        try:
            left = residuals(slice_.policies, known.entities, request)
        except ScopeRefused as refusal:
            return _Left(refusal=refusal)
        return _Left(left, frozenset(id_ for id_, residual in left.items() if is_settled(residual)))

    def _compile(self, known: Known, action: Action, cell_region: Region, *, timed: bool) -> Mapping[str, Scope]:
        """The scope of each policy. Raises ``ScopeRefused`` or ``ValueError``."""
        left = self._left(known, action, cell_region, timed=timed)
        if left.refusal:
            raise left.refusal
        return compiled(left.residuals, known.caller.principal)
