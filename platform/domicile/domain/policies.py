"""A tenant's own policies as they were written, version by version. Nothing of them is ever changed or taken away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version: the latest counts. Versions of a tenant count from 1; ``digest`` is the SHA-256 of its text in hex."""

    tenant_id: UUID
    version: int
    digest: str
    principal_id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WrittenPolicies(PolicyVersion):
    """A version with its text, in Cedar's syntax; without a policy in it, the tenant has none of its own."""

    text: str
