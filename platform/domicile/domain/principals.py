"""Tenants, the people and services in them, and the caller of one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from domicile.domain.values import Classification, Region, Role


@dataclass(frozen=True, slots=True)
class Tenant:
    """``region`` is where it is at home; its data may also be in, and flow to, the ``allowed_regions``."""

    id: UUID
    slug: str
    name: str
    region: Region
    allowed_regions: frozenset[Region] = frozenset()

    @property
    def regions(self) -> frozenset[Region]:
        """Everywhere that its data may be."""
        return self.allowed_regions | {self.region}


@dataclass(frozen=True, slots=True)
class Group:
    id: UUID
    tenant_id: UUID
    slug: str


class PrincipalKind(StrEnum):
    USER = "user"
    SERVICE = "service"  # a program with API keys, which nobody signs in as


@dataclass(frozen=True, slots=True)
class SealedProfile:
    """Login and display name as they are stored: an envelope under the account's own data key, and the login's keyed digest."""

    login_digest: bytes
    envelope: bytes
    data_key_id: UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or service of one tenant. ``groups`` holds every group it is in, those that its groups are in included.

    ``login`` and ``display`` are empty where nobody asked for them: they are stored as ``profile``, which is None for an
    account that has no name any more.
    """

    id: UUID
    tenant_id: UUID
    login: str
    display: str
    role: Role
    clearance: Classification
    groups: frozenset[UUID] = frozenset()
    disabled: bool = False
    kind: PrincipalKind = PrincipalKind.USER
    profile: SealedProfile | None = field(default=None, repr=False)


class AuthenticationMethod(StrEnum):
    API_KEY = "api-key"
    SESSION = "session"
    JOB = "job"  # work that goes on after the request that asked for it
    OPERATOR = "operator"  # a command run on the machine itself, outside any tenant's roles


class Strength(IntEnum):
    """How surely somebody is who they say: the authenticator assurance levels of NIST SP 800-63B."""

    NONE = 0  # nobody was asked: a command on the machine, a job
    SINGLE = 1  # a password or an API key
    MULTI = 2  # a second factor
    HARDWARE = 3  # a second factor that is a device and cannot be phished


@dataclass(frozen=True, slots=True)
class Grant:
    """What a credential narrows its principal's rights to. ``None`` narrows nothing; an empty set permits nothing."""

    verbs: frozenset[str] | None = None
    collections: frozenset[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes this request, when, from where and what for: what every use case is handed first.

    ``at`` is when the request came, for the whole of it, so that a scope and the decisions after it tell the same time. Without
    it no document is valid. ``purpose`` is a short name that the caller gave, empty if none.
    """

    principal: Principal
    tenant: Tenant
    method: AuthenticationMethod
    grant: Grant = Grant()
    credential_id: UUID | None = None
    access_region: str = "unknown"
    request_id: str = ""
    trace_id: str = ""
    purpose: str = ""
    strength: Strength = Strength.NONE
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as stored: never the secret itself, only its hash (kept by the repository).

    ``label`` is empty where nobody asked for it: it is stored as ``label_envelope``.
    """

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
    label_envelope: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. ``token_hash`` is the SHA-256 of the cookie's value."""

    token_hash: bytes
    principal_id: UUID
    csrf_token: str
    created_at: datetime
    expires_at: datetime
