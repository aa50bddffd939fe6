"""Requests for data that lives in another region: told where to go, before anything of the request's body is read.

Obligations, labelled where they are met:

1. Nobody learns where something lives who could not do with it what they ask for, were they at the right cell.
2. Such a refusal is recorded before it is told, as any other.
3. Nothing of the request is needed for it but the credential and the path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import Collection, DocumentAttributes
from domicile.domain.errors import Misdirected, NotFound
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.request import CollectionResource, Decision, Resource, TenantResource
from domicile.ports.repositories import Database

#: Where the cell of a region answers; empty where that is not known.
UrlOf = Callable[[Region], str]

_UNDECIDED = Decision(allowed=False, policies=(), bundle_digest="")


class Signposts:
    """Shared by all requests of a cell."""

    def __init__(self, *, database: Database, gate: Gate, url_of: UrlOf) -> None:
        self._database = database
        self._gate = gate
        self._url_of = url_of

    async def require_home(self, caller: Caller, action: Action) -> None:
        """Raise ``Misdirected`` if the caller's tenant is at home in another region and does not allow this cell's."""
        if self._gate.cell_region in caller.tenant.regions:
            return
        await self._send_on(caller, action, TenantResource(caller.tenant.id), caller.tenant.region, _UNDECIDED)

    async def require_collections(self, caller: Caller, action: Action, references: Sequence[str]) -> None:
        """Raise ``Misdirected`` if one of those, each a short name or an id, is known here to live in another region."""
        async with self._database.reading() as unit:
            known = await unit.collections.of_tenant(caller.tenant.id)
        for each in _named(known, references):
            await self._require_here(caller, action, CollectionResource.of(each))

    async def require_document(self, caller: Caller, action: Action, document_id: UUID) -> None:
        """Raise ``Misdirected`` if the document is known here to live in another region. Unknown ones are no matter of this."""
        try:
            async with self._database.reading() as unit:
                document = await unit.documents.get(caller.tenant.id, document_id)
        except NotFound:
            return
        await self._require_here(caller, action, document.attributes)

    async def _require_here(self, caller: Caller, action: Action, resource: CollectionResource | DocumentAttributes) -> None:
        if resource.region == self._gate.cell_region:
            return
        there = self._gate.decide_at(caller, action, resource, resource.region)
        if there.allowed:  # (1); otherwise the use case refuses it, and says no more than it always does
            await self._send_on(caller, action, resource, resource.region, there)

    async def _send_on(self, caller: Caller, action: Action, resource: Resource, region: Region, decision: Decision) -> None:
        await self._gate.record(  # (2)
            caller,
            action,
            resource,
            Outcome.DENIED,
            decision,
            reason=Misdirected.slug,
            detail=(("region", region.name),),
        )
        url = self._url_of(region)
        where = f" Its cell answers at {url}." if url else ""
        raise Misdirected(
            f"This data lives in {region}, and this cell is in {self._gate.cell_region}.{where}", region=region.name, url=url
        )


def _named(collections: Sequence[Collection], references: Sequence[str]) -> Iterator[Collection]:
    wanted = {reference.lower() for reference in references}
    return (each for each in collections if each.slug in references or str(each.id) in wanted)
