"""What the transfer register holds: every flow to another region that was let through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Unit(StrEnum):
    """What an amount counts."""

    PASSAGES = "passages"  # passages of documents that go, with the question, to a model
    REQUESTS = "requests"  # requests of somebody who looks from elsewhere
    DOCUMENTS = "documents"  # documents of a bundle that is imported here
    COMPONENTS = "components"  # a component elsewhere, to which data flows for as long as the cell runs


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRecord:
    """One entry, which is never changed.

    ``source`` and ``target`` are regions; ``entry`` is the transfer of ``regions.yaml`` that permits it, with its legal
    ``basis`` and ``reference`` as they were then. ``component`` is the kind of component that it goes to, empty for a person
    who looks. ``audit_id`` names the audit event that was written with it. ``tenant_id`` is None for what concerns every
    tenant of the cell.
    """

    id: UUID
    time: datetime
    tenant_id: UUID | None
    principal_id: UUID | None
    credential_id: UUID | None
    kind: str
    source: str
    target: str
    component: str
    entry: str
    basis: str
    reference: str
    amount: int
    unit: Unit
    bundle_digest: str
    audit_id: UUID
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFilter:
    """Which entries are wanted; None wants all. ``since`` is included and ``until`` is not."""

    kind: str | None = None
    source: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
