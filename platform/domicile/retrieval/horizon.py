"""How far a caller can see: the collections that show to it and how many documents it may read."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from domicile.access.gate import Gate
from domicile.domain.actions import Action
from domicile.domain.documents import Collection
from domicile.domain.errors import NotFound
from domicile.domain.principals import Caller
from domicile.policy.request import CollectionResource
from domicile.policy.scope import RetrievalScope
from domicile.ports.repositories import Database

#: The figures are told beside an answer; a second's delay in them is not noticed, and a count on each search would be.
FRESH_SECONDS = 1.0
MAX_REMEMBERED = 1024

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


async def visible_collections(database: Database, gate: Gate, caller: Caller) -> list[Collection]:
    """The tenant's collections that the caller may list, by slug."""
    async with database.reading() as unit:
        collections = sorted(await unit.collections.of_tenant(caller.tenant.id), key=lambda each: each.slug)
    resources = [CollectionResource.of(each) for each in collections]
    decisions = gate.decide_each(caller, Action.COLLECTION_LIST, resources)
    return [each for each, decision in zip(collections, decisions, strict=True) if decision.allowed]


class Horizon:
    """Remembers for a second what it was asked. Never used to decide an access: only to name and to count."""

    def __init__(self, database: Database, gate: Gate, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._gate = gate
        # A caller's rights are part of its key, and a scope names its tenant: no answer can reach somebody else.
        self._collections = _Recent[Hashable, frozenset[UUID]](seconds)
        self._documents = _Recent[RetrievalScope, int](seconds)

    async def collections(self, caller: Caller, wanted: frozenset[UUID] | None) -> int:
        """How many collections a search looks in: those wanted, or all that show.

        Raises ``NotFound`` if any of those wanted does not exist, lies in another tenant or does not show to the caller.
        """
        rights = (caller.principal, caller.tenant, caller.method, caller.grant, caller.access_region)
        visible = self._collections.get(rights)
        if visible is None or (wanted is not None and not wanted <= visible):
            visible = frozenset(each.id for each in await self._visible(caller))
            self._collections.put(rights, visible)
        if wanted is None:
            return len(visible)
        if not wanted <= visible:
            raise NotFound()
        return len(wanted)

    async def documents(self, scope: RetrievalScope) -> int:
        """How many documents the scope admits."""
        count = self._documents.get(scope)
        if count is None:
            async with self._database.reading() as unit:
                count = await unit.documents.count(scope)
            self._documents.put(scope, count)
        return count

    async def _visible(self, caller: Caller) -> Sequence[Collection]:
        return await visible_collections(self._database, self._gate, caller)


class _Recent(Generic[Key, Value]):
    """A bounded memory of what was put into it within the last second."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._entries: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and self._seconds() - entry[0] < FRESH_SECONDS else None

    def put(self, key: Key, value: Value) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= MAX_REMEMBERED:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._seconds(), value)
