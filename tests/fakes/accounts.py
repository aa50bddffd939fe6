"""The database in memory, as far as people, credentials and keys need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from tests.fakes.transfers import MemoryTransfers

from domicile.audit.events import AuditEvent
from domicile.domain.documents import Collection
from domicile.domain.errors import AlreadyExists, AuditUnavailable, DatabaseUnavailable, NotFound, PolicyChanged
from domicile.domain.policies import PolicyVersion, WrittenPolicies
from domicile.domain.principals import ApiKey, Group, Principal, Session, Tenant
from domicile.domain.transfers import TransferRecord
from domicile.domain.values import Region


@dataclass
class Rows:
    tenants: dict[UUID, Tenant] = field(default_factory=dict)
    principals: dict[UUID, tuple[Principal, str | None]] = field(default_factory=dict)
    groups: dict[UUID, Group] = field(default_factory=dict)
    nests: list[tuple[UUID, UUID]] = field(default_factory=list)
    api_keys: dict[bytes, ApiKey] = field(default_factory=dict)
    sessions: dict[bytes, Session] = field(default_factory=dict)
    collections: dict[UUID, Collection] = field(default_factory=dict)
    policies: list[WrittenPolicies] = field(default_factory=list)
    transfers: dict[UUID, TransferRecord] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)


class MemoryAccounts:
    """Implements those repositories of the ``Database`` port; a unit of work sees a copy and ``commit`` puts it in place."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.reads = 0
        self.broken = False
        self.audit_broken = False

    def reading(self) -> _Unit:
        self.reads += 1
        return _Unit(self, writes=False)

    def writing(self) -> _Unit:
        return _Unit(self, writes=True)


class _Unit:
    def __init__(self, database: MemoryAccounts, *, writes: bool) -> None:
        self._database = database
        self._writes = writes

    async def __aenter__(self) -> Self:
        if self._database.broken:
            raise DatabaseUnavailable()
        self._rows = deepcopy(self._database.rows) if self._writes else self._database.rows
        self.tenants = _Tenants(self._rows)
        self.principals = _Principals(self._rows)
        self.credentials = _Credentials(self._rows)
        self.collections = _Collections(self._rows)
        self.policies = _Policies(self._rows)
        self.transfers = MemoryTransfers(self._rows.transfers)
        self.audit = _Audit(self._rows, self._database)
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def commit(self) -> None:
        self._database.rows = self._rows


@dataclass
class _Tenants:
    rows: Rows

    async def add(self, tenant: Tenant) -> None:
        if any(each.slug == tenant.slug for each in self.rows.tenants.values()):
            raise AlreadyExists()
        self.rows.tenants[tenant.id] = tenant

    async def get(self, tenant_id: UUID) -> Tenant:
        return _found(self.rows.tenants.get(tenant_id))

    async def by_slug(self, slug: str) -> Tenant:
        return _found(next((each for each in self.rows.tenants.values() if each.slug == slug), None))

    async def all(self) -> Sequence[Tenant]:
        return list(self.rows.tenants.values())

    async def set_allowed_regions(self, tenant_id: UUID, regions: frozenset[Region]) -> None:
        self.rows.tenants[tenant_id] = replace(await self.get(tenant_id), allowed_regions=regions)


@dataclass
class _Principals:
    rows: Rows

    async def add(self, principal: Principal, password_hash: str | None) -> None:
        if principal.profile and await self.by_login_digest(principal.profile.login_digest):
            raise AlreadyExists()
        self.rows.principals[principal.id] = (replace(principal, login="", display=""), password_hash)

    async def get(self, principal_id: UUID) -> Principal:
        return _found(self.rows.principals.get(principal_id))[0]

    async def by_login_digest(self, digest: bytes) -> tuple[Principal, str | None] | None:
        found = (each for each in self.rows.principals.values() if each[0].profile)
        return next((each for each in found if each[0].profile.login_digest == digest), None)

    async def set_password(self, principal_id: UUID, password_hash: str) -> None:
        principal, _ = _found(self.rows.principals.get(principal_id))
        self.rows.principals[principal_id] = (principal, password_hash)
        for token_hash, session in list(self.rows.sessions.items()):
            if session.principal_id == principal_id:
                del self.rows.sessions[token_hash]

    async def of_tenant(self, tenant_id: UUID) -> Sequence[Principal]:
        return [principal for principal, _ in self.rows.principals.values() if principal.tenant_id == tenant_id]

    async def add_group(self, group: Group) -> None:
        self.rows.groups[group.id] = group

    async def groups(self, tenant_id: UUID) -> Sequence[Group]:
        return [group for group in self.rows.groups.values() if group.tenant_id == tenant_id]

    async def nest_group(self, group_id: UUID, parent_id: UUID) -> None:
        self.rows.nests.append((group_id, parent_id))

    async def unnest_group(self, group_id: UUID, parent_id: UUID) -> None:
        if (group_id, parent_id) not in self.rows.nests:
            raise NotFound()
        self.rows.nests.remove((group_id, parent_id))

    async def nested_groups(self, tenant_id: UUID) -> Sequence[tuple[UUID, UUID]]:
        return [nest for nest in self.rows.nests if self.rows.groups[nest[0]].tenant_id == tenant_id]


@dataclass
class _Credentials:
    rows: Rows

    async def add_api_key(self, key: ApiKey, secret_hash: bytes) -> None:
        self.rows.api_keys[secret_hash] = replace(key, label="")

    async def api_key(self, secret_hash: bytes) -> ApiKey | None:
        return self.rows.api_keys.get(secret_hash)

    async def api_keys(self, tenant_id: UUID) -> Sequence[ApiKey]:
        return [key for key in self.rows.api_keys.values() if key.tenant_id == tenant_id]

    async def revoke_api_key(self, tenant_id: UUID, key_id: UUID, at: datetime) -> None:
        for secret_hash, key in self.rows.api_keys.items():
            if key.id == key_id and key.tenant_id == tenant_id:
                self.rows.api_keys[secret_hash] = replace(key, revoked_at=at)
                return
        raise NotFound()

    async def touch_api_keys(self, last_used: dict[UUID, datetime]) -> None:
        for secret_hash, key in self.rows.api_keys.items():
            if key.id in last_used:
                self.rows.api_keys[secret_hash] = replace(key, last_used_at=last_used[key.id])

    async def add_session(self, session: Session) -> None:
        self.rows.sessions[session.token_hash] = session

    async def session(self, token_hash: bytes) -> Session | None:
        return self.rows.sessions.get(token_hash)

    async def delete_session(self, token_hash: bytes) -> None:
        self.rows.sessions.pop(token_hash, None)


@dataclass
class _Collections:
    rows: Rows

    async def of_tenant(self, tenant_id: UUID) -> Sequence[Collection]:
        return [each for each in self.rows.collections.values() if each.tenant_id == tenant_id]


@dataclass
class _Policies:
    rows: Rows

    async def add(self, written: WrittenPolicies) -> None:
        before = (await self.latest()).get(written.tenant_id, 0)
        if written.version != before + 1:
            raise PolicyChanged(version=before)
        self.rows.policies.append(written)

    async def latest(self) -> Mapping[UUID, int]:
        return {each.tenant_id: each.version for each in self.rows.policies}

    async def get(self, tenant_id: UUID, version: int | None = None) -> WrittenPolicies:
        own = [each for each in self.rows.policies if each.tenant_id == tenant_id and version in (None, each.version)]
        return _found(own[-1] if own else None)

    async def history(self, tenant_id: UUID, limit: int) -> Sequence[PolicyVersion]:
        own = [each for each in self.rows.policies if each.tenant_id == tenant_id]
        noted = [PolicyVersion(each.tenant_id, each.version, each.digest, each.principal_id, each.created_at) for each in own]
        return noted[::-1][:limit]


@dataclass
class _Audit:
    rows: Rows
    database: MemoryAccounts

    async def append(self, *events: AuditEvent) -> None:
        if self.database.audit_broken:
            raise AuditUnavailable()
        self.rows.events.extend(events)


def _found(value):
    if value is None:
        raise NotFound()
    return value
