"""What is asked of the decision point and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domicile.domain.actions import Action
from domicile.domain.documents import Collection, DocumentAttributes
from domicile.domain.marks import UNMARKED, Marks
from domicile.domain.principals import Caller
from domicile.domain.values import Region


@dataclass(frozen=True, slots=True)
class TenantResource:
    """The tenant as a whole: audit log, members, keys."""

    tenant_id: UUID


@dataclass(frozen=True, slots=True)
class CollectionResource:
    tenant_id: UUID
    collection_id: UUID
    region: Region
    marks: Marks = UNMARKED

    @classmethod
    def of(cls, collection: Collection) -> CollectionResource:
        return cls(collection.tenant_id, collection.id, collection.region, collection.marks)


@dataclass(frozen=True, slots=True)
class OwnedResource:
    """Belongs to one principal. ``kind`` is ``conversation``, ``job``, ``session``, or ``account`` for what is about them."""

    kind: str
    id: UUID
    tenant_id: UUID
    owner_id: UUID


@dataclass(frozen=True, slots=True)
class EndpointResource:
    """A component that data flows to; ``kind`` says which (``database``, ``vector-index``, ``model`` …)."""

    kind: str
    name: str
    region: Region


Resource = DocumentAttributes | TenantResource | CollectionResource | OwnedResource | EndpointResource


@dataclass(frozen=True, slots=True)
class Request:
    """One access. ``cell_region`` is where this cell is; the caller brings principal, grant and access region."""

    caller: Caller
    action: Action
    resource: Resource
    cell_region: Region


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, with the ids of the policies that determined it and the digest of the bundle they came from.

    ``errors`` is not empty when a policy could not be evaluated; then ``allowed`` is False whatever the others say.
    """

    allowed: bool
    policies: tuple[str, ...]
    bundle_digest: str
    errors: tuple[str, ...] = ()
