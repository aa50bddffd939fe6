"""Tenants, the people and services in them, and the caller of one request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domicile.domain.values import Classification, Region, Role


@dataclass(frozen=True, slots=True)
class Tenant:
    id: UUID
    slug: str
    name: str
    region: Region


@dataclass(frozen=True, slots=True)
class Group:
    id: UUID
    tenant_id: UUID
    slug: str


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or service of one tenant. ``groups`` holds every group it is in."""

    id: UUID
    tenant_id: UUID
    login: str
    display: str
    role: Role
    clearance: Classification
    groups: frozenset[UUID] = frozenset()
    disabled: bool = False


class AuthenticationMethod(StrEnum):
    API_KEY = "api-key"
    SESSION = "session"
    JOB = "job"  # work that goes on after the request that asked for it
    OPERATOR = "operator"  # a command run on the machine itself, outside any tenant's roles


@dataclass(frozen=True, slots=True)
class Grant:
    """What a credential narrows its principal's rights to. ``None`` narrows nothing; an empty set permits nothing."""

    verbs: frozenset[str] | None = None
    collections: frozenset[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes this request, and from where: what every use case is handed first."""

    principal: Principal
    tenant: Tenant
    method: AuthenticationMethod
    grant: Grant = Grant()
    credential_id: UUID | None = None
    access_region: str = "unknown"
    request_id: str = ""
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as stored: never the secret itself, only its hash (kept by the repository)."""

    id: UUID
    tenant_id: UUID
    principal_id: UUID
    label: str
    prefix: str
    grant: Grant
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. ``token_hash`` is the SHA-256 of the cookie's value."""

    token_hash: bytes
    principal_id: UUID
    csrf_token: str
    created_at: datetime
    expires_at: datetime
